/**
 * The tower: a mailbox run for others, who need not be contacts and whom it does not know.
 *
 * @see docs/guide/towers.md
 * @module
 */
import { AlliumError, definePlugin, type PluginContext, type Table, Turns, z } from "allium/plugin"
import { type TowerState, towerInvite, towerRun, towerStatus, towerStop } from "./offers.ts"
import { RunningTower } from "./running.ts"

/** How much disk a tower may fill, unless its owner says otherwise. */
const CAP_BYTES = 1_073_741_824
/** Tokens of the invitation that is made with a new tower. */
const FIRST_COUNT = 100

const recordShape = z.object({ runs: z.boolean(), capBytes: z.number() })
type TowerRecord = z.output<typeof recordShape>

/** The plugin `tower`. */
export const tower = definePlugin({
  name: "tower",
  offers: [towerRun, towerStop, towerInvite, towerStatus],
  async start(context) {
    const keeper = new Keeper(context)
    await keeper.resume()
    context.answer(towerRun, ({ cap }) => keeper.run(cap))
    context.answer(towerStop, () => keeper.stop())
    context.answer(towerInvite, ({ count, label }) => keeper.invite(count, label))
    context.answer(towerStatus, async () => keeper.report())
    return keeper
  },
})

class Keeper implements AsyncDisposable {
  readonly #context: PluginContext
  readonly #table: Table<TowerRecord>
  readonly #turns = new Turns()
  #running: RunningTower | undefined
  #capBytes = CAP_BYTES

  constructor(context: PluginContext) {
    this.#context = context
    this.#table = context.store.table("tower", recordShape)
  }

  /** Runs again what ran before the last end. */
  async resume(): Promise<void> {
    const record = await this.#table.get("tower")
    if (record === undefined) return
    this.#capBytes = record.capBytes
    if (record.runs) this.#running = await RunningTower.open(this.#context, record.capBytes)
  }

  run(capBytes: number | undefined): Promise<TowerState & { uri?: string }> {
    return this.#turns.take(async () => {
      const isNew = (await this.#table.get("tower")) === undefined
      const wanted = capBytes ?? this.#capBytes
      if (wanted !== this.#capBytes) await this.#end()
      this.#running ??= await RunningTower.open(this.#context, wanted)
      this.#capBytes = wanted
      await this.#keep(true)
      this.#context.log.info("tower.runs")
      if (!isNew) return this.report()
      return { ...this.report(), uri: await this.#running.invite(FIRST_COUNT) }
    })
  }

  stop(): Promise<TowerState> {
    return this.#turns.take(async () => {
      await this.#keep(false)
      await this.#end()
      return this.report()
    })
  }

  async invite(count: number, label: string | undefined): Promise<{ uri: string; count: number }> {
    if (this.#running === undefined) throw off()
    return { uri: await this.#running.invite(count, label), count }
  }

  report(): TowerState {
    if (this.#running !== undefined) return this.#running.report()
    const nothing = { queues: 0, envelopes: 0, bytes: 0, visitors: 0 }
    return { state: "off", address: "", key: "", ...nothing, capBytes: this.#capBytes }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turns.take(() => this.#end())
  }

  async #keep(runs: boolean): Promise<void> {
    const record = { runs, capBytes: this.#capBytes }
    await this.#context.store.commit([this.#table.put("tower", record)])
  }

  async #end(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.[Symbol.asyncDispose]()
  }
}

function off(): AlliumError {
  return new AlliumError("NOT_FOUND", "Cannot invite: no tower runs here; see: allium tower run")
}

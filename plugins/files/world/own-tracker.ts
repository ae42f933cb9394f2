/**
 * Our own tracker as the user sees it: run, stopped, and running again after a restart.
 *
 * @module
 */
import { type PluginContext, Scope, type Session, Turns } from "allium/plugin"
import type { TrackerStatus } from "./offers.ts"
import type { WorldSettings } from "./settings.ts"
import { ANNOUNCE_PATH, openTrackerServer, type TrackerServer } from "./tracker-server.ts"

/** Names its session; no share is ever there. */
const SESSION = "tracker"

/** See the module. */
export class OwnTracker implements AsyncDisposable {
  readonly #context: PluginContext
  readonly #settings: WorldSettings
  readonly #isOurs: (id: string) => boolean
  readonly #turns = new Turns()
  #running: { scope: Scope; session: Session; server: TrackerServer } | undefined

  /** @param isOurs - Whether an infohash in hex is of a torrent of ours. */
  constructor(context: PluginContext, settings: WorldSettings, isOurs: (id: string) => boolean) {
    this.#context = context
    this.#settings = settings
    this.#isOurs = isOurs
  }

  /** Runs it when it ran before. */
  async open(): Promise<void> {
    if (this.#settings.ownTracker !== undefined) await this.#start()
  }

  /** Where it takes announces; `undefined` when it does not run. */
  get url(): string | undefined {
    return this.#running && `http://${this.#running.session.destination.b32}${ANNOUNCE_PATH}`
  }

  /** @param takes - Which torrents: our `own`, or `all`. */
  async run(takes: "own" | "all"): Promise<TrackerStatus> {
    await this.#settings.setOwnTracker(takes)
    await this.#start()
    return this.status()
  }

  async stop(): Promise<TrackerStatus> {
    await this.#settings.setOwnTracker(undefined)
    await this.#end()
    return this.status()
  }

  status(): TrackerStatus {
    if (this.#running === undefined) return { state: "stopped" }
    const { session, server } = this.#running
    const { torrents, peers, counts } = server.report()
    return {
      ...{ state: session.state.name, url: this.url!, torrents, peers },
      takes: this.#settings.ownTracker ?? "own",
      ...{ announces: counts.announces ?? 0, refused: counts.refused ?? 0 },
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end()
  }

  #start(): Promise<void> {
    return this.#turns.take(async () => {
      if (this.#running !== undefined) return
      const scope = new Scope()
      const { clock } = this.#context
      const session = scope.use(await this.#context.session({ name: SESSION, keys: "persistent" }))
      const admits = (infohash: Uint8Array) =>
        this.#settings.ownTracker === "all" || this.#isOurs(Buffer.from(infohash).toString("hex"))
      const server = openTrackerServer({ session, admits, clock, chance: Math.random })
      scope.use(server)
      this.#running = { scope, session, server }
    })
  }

  #end(): Promise<void> {
    return this.#turns.take(async () => {
      const running = this.#running
      this.#running = undefined
      await running?.scope.close()
    })
  }
}

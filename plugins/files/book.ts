/**
 * All transfers of this router: on disk, in memory, and what goes on with each right now.
 *
 * @module
 */
import { AlliumError, type Clock, type StoreRoom, Turns } from "allium/plugin"
import { Manifests } from "./manifest.ts"
import { Meter } from "./meter.ts"
import { isFinished, newId, type Transfer, transferShape } from "./transfer.ts"

/** Ended transfers with one contact that are remembered; older ones are forgotten. */
const FINISHED_MAX = 1_000
/** How often those who watch are told of mere progress. */
const PROGRESS_EVERY_MS = 500

/** What goes on with a transfer right now; nothing of it survives a restart. */
export interface Activity {
  /** Bytes are moving. */
  busy: boolean
  /** Bytes hashed, received or sent so far. */
  done: number
  /** Code of why it waits, if not for the contact alone. */
  waitsFor: string | undefined
  readonly meter: Meter
}

/** Told after each change, when it is on disk, and now and then of progress. */
export type Listener = (transfer: Transfer, activity: Activity, kind: "change" | "progress") => void

/** See the module. */
export class TransferBook {
  readonly manifests: Manifests
  readonly #store: StoreRoom
  readonly #clock: Clock
  readonly #table
  readonly #turns = new Turns()
  readonly #transfers = new Map<string, Transfer>()
  readonly #activities = new Map<string, Activity>()
  readonly #listeners = new Set<Listener>()
  readonly #toldAtMs = new Map<string, number>()

  constructor(store: StoreRoom, clock: Clock) {
    this.#store = store
    this.#clock = clock
    this.#table = store.table("transfers", transferShape)
    this.manifests = new Manifests(store)
  }

  /** Reads what is on disk. */
  async load(): Promise<void> {
    const found: Transfer[] = []
    for await (const [, transfer] of this.#table.entries()) found.push(transfer)
    found.sort((left, right) => left.createdAt - right.createdAt)
    for (const transfer of found) this.#transfers.set(transfer.id, transfer)
  }

  /** Oldest first. */
  list(): Transfer[] {
    return [...this.#transfers.values()]
  }

  get(id: string): Transfer | undefined {
    return this.#transfers.get(id)
  }

  /**
   * By the name it has between one identity and one contact. To others that name means nothing: they must
   * not be able to find out that two identities are of one router.
   */
  between(parties: Pick<Transfer, "identity" | "contact">, wireId: string): Transfer | undefined {
    const { identity, contact } = parties
    const isIt = (one: Transfer) =>
      (one.wireId ?? one.id) === wireId && one.identity === identity && one.contact === contact
    const likely = this.#transfers.get(wireId)
    return likely && isIt(likely) ? likely : this.list().find(isIt)
  }

  /**
   * By its id or the beginning of it.
   * @throws {AlliumError} `NOT_FOUND` for none or several.
   */
  find(beginning: string): Transfer {
    const found = this.list().filter(({ id }) => id.startsWith(beginning.toLowerCase()))
    if (found.length === 1) return found[0]!
    throw new AlliumError(
      "NOT_FOUND",
      `Cannot find transfer: ${found.length} begin with "${beginning}", expected 1`,
    )
  }

  /** Adds a transfer of ours; on disk when this resolves. */
  add(transfer: Transfer): Promise<void> {
    return this.#turns.take(() => this.#write(transfer, []))
  }

  /** Adds a transfer of a contact's, unless it is there; gives it an id of its own where theirs is taken. */
  receive(transfer: Transfer): Promise<void> {
    return this.#turns.take(async () => {
      const { id } = transfer
      if (this.between(transfer, id) !== undefined) return
      const isTaken = this.#transfers.has(id)
      await this.#write(isTaken ? { ...transfer, id: newId(), wireId: id } : transfer, [])
    })
  }

  /**
   * Changes a transfer; on disk when this resolves.
   *
   * @param change - Is given the transfer as it is then; returns what becomes different, or nothing.
   * @param also - Further changes for the same commit.
   * @returns The transfer afterwards.
   */
  change(
    id: string,
    change: (transfer: Transfer) => Partial<Transfer> | undefined,
    also: Parameters<StoreRoom["commit"]>[0] = [],
  ): Promise<Transfer | undefined> {
    return this.#turns.take(async () => {
      const transfer = this.#transfers.get(id)
      const different = transfer && change(transfer)
      if (transfer === undefined || different === undefined) return transfer
      const changed = { ...transfer, ...different }
      const forgotten = isFinished(changed) ? this.manifests.remove(id, transfer.size) : []
      await this.#write(changed, [...also, ...forgotten])
      return changed
    })
  }

  /** Keeps a block of chunk hashes; with `different`, in the same commit. @throws {AlliumError} `FILE_STATE`. */
  async keepBlock(
    id: string,
    block: number,
    hashes: Uint8Array,
    different: Partial<Transfer> = {},
  ): Promise<void> {
    const put = this.manifests.put(id, block, hashes)
    const kept = await this.change(id, (now) => (isFinished(now) ? undefined : different), [put])
    if (kept === undefined || isFinished(kept))
      throw new AlliumError("FILE_STATE", "Cannot go on with transfer: it has ended")
  }

  /** What goes on with a transfer; the caller may change it and say so with {@linkcode progress}. */
  activity(id: string): Activity {
    const known = this.#activities.get(id)
    if (known) return known
    const done = this.#transfers.get(id)?.received ?? 0
    const fresh = { busy: false, done, waitsFor: undefined, meter: new Meter(this.#clock) }
    this.#activities.set(id, fresh)
    return fresh
  }

  /** Bytes have moved. */
  moved(id: string, byteCount: number, done: number): void {
    const activity = this.activity(id)
    activity.done = done
    activity.meter.add(byteCount)
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - (this.#toldAtMs.get(id) ?? -Infinity) < PROGRESS_EVERY_MS) return
    this.#toldAtMs.set(id, nowMs)
    this.#tell(id, "progress")
  }

  /** It began or ceased to move, or waits for something else. */
  turned(id: string, activity: Partial<Pick<Activity, "busy" | "waitsFor">>): void {
    Object.assign(this.activity(id), activity)
    this.#tell(id, "progress")
  }

  /** Listens to all transfers; returns how to stop. */
  watch(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async #write(transfer: Transfer, also: Parameters<StoreRoom["commit"]>[0]): Promise<void> {
    const old = this.#surplus(transfer)
    await this.#store.commit([
      ...old.map(({ id }) => this.#table.remove(id)),
      this.#table.put(transfer.id, transfer),
      ...also,
    ])
    for (const { id } of old) this.#forget(id)
    this.#transfers.set(transfer.id, transfer)
    this.#tell(transfer.id, "change")
  }

  /** Ended transfers that make room for `next`. */
  #surplus(next: Transfer): Transfer[] {
    if (!isFinished(next)) return []
    const finished = this.list()
      .filter((one) => one.identity === next.identity && one.contact === next.contact)
      .filter((one) => isFinished(one) && one.tell === undefined && one.id !== next.id)
    return finished.slice(0, Math.max(0, finished.length + 1 - FINISHED_MAX))
  }

  #forget(id: string): void {
    for (const map of [this.#transfers, this.#activities, this.#toldAtMs]) map.delete(id)
  }

  #tell(id: string, kind: "change" | "progress"): void {
    const transfer = this.#transfers.get(id)
    if (transfer === undefined) return
    for (const listener of [...this.#listeners]) listener(transfer, this.activity(id), kind)
  }
}

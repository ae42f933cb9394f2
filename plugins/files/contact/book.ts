/**
 * All transfers with contacts: on disk, in memory, and what goes on with each right now.
 *
 * @module
 */
import { AlliumError, type Change, type Clock, type StoreRoom, Turns } from "allium/plugin"
import { Meter } from "../meter.ts"
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
  /** Streams to the contact, pieces here or there, and all pieces. */
  streams: number
  pieces: number
  pieceCount: number
  readonly meter: Meter
}

/** Told after each change, when it is on disk, and now and then of progress. */
export type Listener = (transfer: Transfer, activity: Activity, kind: "change" | "progress") => void

/** Commits changes; a letter may go with them. */
export type Commit = (changes: readonly Change[], transfer: Transfer) => Promise<void>

/** See the module. */
export class TransferBook {
  readonly #store: StoreRoom
  readonly #clock: Clock
  readonly #forgets: (transfer: Transfer) => Promise<readonly Change[]>
  readonly #table
  readonly #turns = new Turns()
  readonly #transfers = new Map<string, Transfer>()
  readonly #activities = new Map<string, Activity>()
  readonly #listeners = new Set<Listener>()
  readonly #toldAtMs = new Map<string, number>()

  /** @param forgets - The changes that go with forgetting a transfer. */
  constructor(
    store: StoreRoom,
    clock: Clock,
    forgets: (transfer: Transfer) => Promise<readonly Change[]> = async () => [],
  ) {
    this.#store = store
    this.#forgets = forgets
    this.#clock = clock
    this.#table = store.table("contact-transfers", transferShape)
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

  /** @throws {AlliumError} `NOT_FOUND`. */
  require(id: string): Transfer {
    const transfer = this.#transfers.get(id)
    if (transfer !== undefined) return transfer
    throw new AlliumError("NOT_FOUND", "Cannot find transfer: it is forgotten")
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

  /** Adds a transfer of ours; on disk when this resolves. */
  add(transfer: Transfer): Promise<void> {
    return this.#turns.take(() => this.#write(transfer))
  }

  /** Adds transfers of ours, all or none. */
  addAll(transfers: readonly Transfer[]): Promise<void> {
    return this.#turns.take(async () => {
      await this.#store.commit(transfers.map((one) => this.#table.put(one.id, one)))
      for (const one of transfers) this.#transfers.set(one.id, one)
      for (const { id } of transfers) this.#tell(id, "change")
    })
  }

  /** All transfers of one file to a group; a transfer to a contact alone is by itself. */
  together(transfer: Transfer): Transfer[] {
    const send = transfer.group?.send
    if (send === undefined) return [this.#transfers.get(transfer.id) ?? transfer]
    return this.list().filter(({ group }) => group?.send === send)
  }

  /**
   * Adds a transfer of a contact's, unless it is there; gives it an id of its own where theirs is taken.
   *
   * @param commit - For letters that go with it.
   */
  receive(transfer: Transfer, commit?: Commit): Promise<void> {
    return this.#turns.take(async () => {
      const { id } = transfer
      if (this.between(transfer, id) !== undefined) return
      const isTaken = this.#transfers.has(id)
      await this.#write(isTaken ? { ...transfer, id: newId(), wireId: id } : transfer, commit)
    })
  }

  /**
   * Changes a transfer; on disk when this resolves.
   *
   * @param change - Is given the transfer as it is then; returns what becomes different, or nothing.
   * @param commit - For letters that go with it.
   * @returns The transfer afterwards.
   */
  change(
    id: string,
    change: (transfer: Transfer) => Partial<Transfer> | undefined,
    commit?: Commit,
  ): Promise<Transfer | undefined> {
    return this.#turns.take(async () => {
      const transfer = this.#transfers.get(id)
      const different = transfer && change(transfer)
      if (transfer === undefined || different === undefined) return transfer
      const changed = { ...transfer, ...different }
      await this.#write(changed, commit)
      return changed
    })
  }

  /** What goes on with a transfer; the caller may change it and say so with {@linkcode turned}. */
  activity(id: string): Activity {
    const known = this.#activities.get(id)
    if (known) return known
    const nothing = { busy: false, done: 0, waitsFor: undefined }
    const none = { streams: 0, pieces: 0, pieceCount: 0, meter: new Meter(this.#clock) }
    const fresh: Activity = { ...nothing, ...none }
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
  turned(id: string, activity: Partial<Omit<Activity, "meter">>): void {
    if (!this.#transfers.has(id)) return
    const before = this.activity(id)
    const isNews = before.busy !== activity.busy || before.waitsFor !== activity.waitsFor
    Object.assign(before, activity)
    if (isNews) this.#tell(id, "progress")
  }

  /** Listens to all transfers; returns how to stop. */
  watch(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async #write(transfer: Transfer, commit?: Commit): Promise<void> {
    const old = this.#surplus(transfer)
    const changes = [
      ...old.map(({ id }) => this.#table.remove(id)),
      ...(await Promise.all(old.map((one) => this.#forgets(one)))).flat(),
      this.#table.put(transfer.id, transfer),
    ]
    if (commit === undefined) await this.#store.commit(changes)
    else await commit(changes, transfer)
    for (const { id } of old) this.#forget(id)
    this.#transfers.set(transfer.id, transfer)
    this.#tell(transfer.id, "change")
  }

  /** Ended transfers that make room for `next`. */
  #surplus(next: Transfer): Transfer[] {
    if (!isFinished(next)) return []
    const finished = this.list()
      .filter((one) => one.identity === next.identity && one.contact === next.contact)
      .filter((one) => isFinished(one) && one.isUntidy !== true && one.id !== next.id)
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

/**
 * The one line in which commits stand: what waits while a batch is written goes into the next batch.
 *
 * A synced batch of 100 costs hardly more than a synced batch of 1, so nobody waits for a timer. When the disk is
 * full the running and waiting commits fail with `STORE_FULL`, reads go on, and a fresh handle is tried
 * with growing waits. LevelDB may have logged the failed batch whole; it is then taken back.
 *
 * @module
 */
import { type Backoff, openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { JournalNumbers, PendingChange } from "./changes.ts"
import type { Operation } from "./database.ts"
import { closedError, type Keeper } from "./keeper.ts"
import { COUNT_PLACE } from "./places.ts"

/** Commits that share a batch: LevelDB's gain flattens out here. */
const GROUP_COMMITS_MAX = 64
/** Commits that may wait; beyond, the caller is told `BUSY`. */
const WAITING_COMMITS_MAX = 10_000
/** Bytes of values that may wait, 64 MiB; beyond, the caller is told `BUSY`. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024
/** Room there must be before a fresh handle is tried: LevelDB writes its log anew when it opens. */
const ROOM_BYTES_MIN = 4 * 1024 * 1024
const RETRY_FIRST_MS = 500
const RETRY_MOST_MS = 5000

/** What the line needs from the store. */
export interface CommitParts {
  readonly keeper: Keeper
  readonly clock: Clock
  readonly log: Log
  seal(place: Uint8Array, value: unknown): Operation
  open(place: Uint8Array, sealed: Uint8Array): unknown
  /** Called after each batch that is on disk. */
  written(batchCount: number): Promise<void>
}

interface Waiting {
  readonly changes: readonly PendingChange[]
  readonly byteCount: number
  resolve(): void
  reject(error: AlliumError): void
}

/** See the module. */
export class Commits {
  readonly #parts: CommitParts
  readonly #waiting: Waiting[] = []
  readonly #abort = new AbortController()
  #waitingBytes = 0
  #batchCount: number
  #running: Promise<void> | undefined
  #fault: AlliumError | undefined
  /** What a batch that failed would have overwritten. */
  #undo: readonly Operation[] = []

  /** @param batchCount - How many batches the database holds already. */
  constructor(parts: CommitParts, batchCount: number) {
    this.#parts = parts
    this.#batchCount = batchCount
  }

  /** Batches on disk so far. */
  get batchCount(): number {
    return this.#batchCount
  }

  /** Why nothing can be written now. */
  get fault(): AlliumError | undefined {
    return this.#fault
  }

  /** @throws {AlliumError} `STORE_FULL`, `STORE_FAILED`, `STORE_CLOSED`, `BUSY`. */
  async commit(changes: readonly PendingChange[]): Promise<void> {
    const byteCount = changes.reduce((sum, change) => sum + bytesOf(change.operation), 0)
    this.#admit(byteCount)
    this.#waitingBytes += byteCount
    const done = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ changes, byteCount, resolve, reject })
    })
    this.#running ??= this.#run()
    return done
  }

  /** Writes what waits, then takes no more. */
  async close(): Promise<void> {
    this.#abort.abort()
    await this.#running
  }

  #admit(byteCount: number): void {
    if (this.#abort.signal.aborted) throw closedError()
    if (this.#fault !== undefined) throw again(this.#fault)
    const full = this.#waitingBytes > 0 && this.#waitingBytes + byteCount > WAITING_BYTES_MAX
    if (full || this.#waiting.length >= WAITING_COMMITS_MAX)
      throw new AlliumError("BUSY", "Cannot commit: too many changes wait for the disk")
  }

  async #run(): Promise<void> {
    await Promise.resolve() // let commits of the same turn share the first batch
    while (this.#waiting.length > 0) {
      await this.#writeGroup(this.#takeGroup(GROUP_COMMITS_MAX))
      if (this.#fault !== undefined) await this.#recover()
    }
    this.#running = undefined
  }

  #takeGroup(commitsMax: number): Waiting[] {
    const group = this.#waiting.splice(0, commitsMax)
    for (const { byteCount } of group) this.#waitingBytes -= byteCount
    return group
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    const operations = this.#operationsOf(group)
    try {
      await this.#write(operations)
      for (const { resolve } of group) resolve()
      await this.#parts.written(this.#batchCount)
    } catch (error) {
      await this.#fail(group, operations, toAlliumError(error))
    }
  }

  async #write(operations: readonly Operation[]): Promise<void> {
    const count = this.#parts.seal(COUNT_PLACE, this.#batchCount + 1)
    await this.#parts.keeper.use((database) => database.write([...operations, count]))
    this.#batchCount++
  }

  /** Also the last number of each journal that grew. */
  #operationsOf(group: readonly Waiting[]): Operation[] {
    const changes = group.flatMap((waiting) => waiting.changes)
    const grown = new Set<JournalNumbers>()
    for (const { numbers } of changes) if (numbers !== undefined) grown.add(numbers)
    const numbers = [...grown].map(({ place, last }) => this.#parts.seal(place, last))
    return [...changes.map(({ operation }) => operation), ...numbers]
  }

  async #fail(
    group: readonly Waiting[],
    operations: readonly Operation[],
    fault: AlliumError,
  ): Promise<void> {
    this.#fault = fault
    this.#parts.log.error("write-failed", { code: fault.code, waiting: this.#waiting.length })
    this.#undo = await this.#before(operations)
    for (const { reject } of [...group, ...this.#takeGroup(Infinity)]) reject(again(fault))
  }

  /** How to get back what stood there; the old handle still reads. */
  async #before(operations: readonly Operation[]): Promise<Operation[]> {
    const places = operations.map(({ place }) => place)
    try {
      const old = await this.#parts.keeper.use((database) => database.getMany(places))
      return places.map((place, index) => {
        const sealed = old[index]
        return sealed === undefined ? { place } : { place, sealed }
      })
    } catch (error) {
      this.#parts.log.error("undo-unknown", { code: toAlliumError(error).code })
      return []
    }
  }

  async #recover(): Promise<void> {
    const backoff = openBackoff({
      firstMs: RETRY_FIRST_MS,
      mostMs: RETRY_MOST_MS,
      chance: () => 0, // nobody else knocks here
    })
    while (!this.#abort.signal.aborted) {
      if (!(await this.#pause(backoff))) return
      if (await this.#tryAgain()) return
    }
  }

  async #pause(backoff: Backoff): Promise<boolean> {
    try {
      await this.#parts.clock.sleep(backoff.next(), { signal: this.#abort.signal })
      return true
    } catch (error) {
      if (this.#abort.signal.aborted) return false
      throw error
    }
  }

  async #tryAgain(): Promise<boolean> {
    try {
      if ((await this.#parts.keeper.freeBytes()) < ROOM_BYTES_MIN) return false
      await this.#parts.keeper.exchange()
      await this.#takeBack()
      this.#fault = undefined
      this.#parts.log.info("writable-again")
      return true
    } catch (error) {
      this.#parts.log.warn("still-not-writable", { code: toAlliumError(error).code })
      return false
    }
  }

  /** The rejected batch must not come back from LevelDB's log; writing the count shows that writing works. */
  async #takeBack(): Promise<void> {
    const stored = await this.#storedCount()
    const returned = stored > this.#batchCount
    this.#batchCount = stored
    await this.#write(returned ? this.#undo : [])
    if (returned) this.#parts.log.warn("failed-batch-taken-back", { count: this.#undo.length })
    this.#undo = []
  }

  async #storedCount(): Promise<number> {
    const [sealed] = await this.#parts.keeper.use((database) => database.getMany([COUNT_PLACE]))
    return sealed === undefined ? 0 : Number(this.#parts.open(COUNT_PLACE, sealed))
  }
}

function bytesOf({ place, sealed }: Operation): number {
  return place.length + (sealed?.length ?? 0)
}

/** A fresh error for each caller, so that its stack is the caller's. */
function again(fault: AlliumError): AlliumError {
  return new AlliumError(fault.code, fault.message, { cause: fault })
}

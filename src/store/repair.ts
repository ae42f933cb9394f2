/**
 * Saves what can be saved of a damaged store, and says what could not.
 *
 * LevelDB's own repair may end the process and keeps what it cannot check. Here every value must open with the store's
 * key. What was overwritten or removed in a lost part of the files may be back: nothing can tell.
 *
 * @module
 */
import { access, mkdir, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import type { Clock } from "../base/clock.ts"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import { syncFolder } from "../base/files.ts"
import { type RandomBytes, systemRandom } from "../base/random.ts"
import { type Database, levelDisk, type Operation } from "./database.ts"
import { type FileDamage, inspectFiles } from "./inspect.ts"
import { lockFolder } from "./lock.ts"
import { writeMeta } from "./meta.ts"
import { MIGRATIONS } from "./migrations.ts"
import {
  COUNT_PLACE,
  isJournalPlace,
  isNumberPlace,
  journalOf,
  META_PLACE,
  numberPlace,
  sequenceOf,
} from "./places.ts"
import { openSealed, putOperation } from "./room.ts"
import { salvageEntries } from "./salvage.ts"
import { deriveStoreKeys, openValue, type StoreKeys } from "./seal.ts"
import { readSentinel, writeSentinel } from "./sentinel.ts"

const OPERATIONS_AT_ONCE = 500
const ID_BYTES = 16

/** What became of a damaged store. */
export interface RepairReport {
  /** What was wrong with the files. */
  readonly damage: readonly FileDamage[]
  /** Entries that are in the new database. */
  readonly keptCount: number
  /** Entries whose values did not open. */
  readonly lostCount: number
  /** Commits that were on disk once and of which nothing was found; 0 when nobody can know. */
  readonly batchesMissing: number
  /** The damaged files are still here, within the store's folder. */
  readonly damagedFolder: string
}

/** What repairing needs. */
export interface RepairOptions {
  readonly folder: string
  /** Master key, 32 bytes. */
  readonly key: Uint8Array
  readonly clock: Clock
  readonly random?: RandomBytes
}

/**
 * Writes a new database from all that is sound in the old one, and puts the old files aside.
 *
 * @throws {AlliumError} `STORE_LOCKED`, `STORE_WRONG_KEY` when not one value opens, `STORE_DAMAGED` when not even
 * the database's id is to be found, `STORE_FULL`.
 */
export async function repairStore(options: RepairOptions): Promise<RepairReport> {
  const unlock = await lockFolder(options.folder)
  try {
    return await new Repair(options).run()
  } finally {
    await unlock()
  }
}

class Repair {
  readonly #options: RepairOptions
  readonly #random: RandomBytes
  readonly #old: string
  readonly #new: string
  /** Newest sequence seen for each place, in hex. */
  readonly #seen = new Map<string, bigint>()
  /** Highest number of each journal, by hex of where it is kept. */
  readonly #numbers = new Map<string, { place: Uint8Array; last: number }>()
  readonly #alive = new Set<string>()
  #lostCount = 0
  #batches = 0
  #created = ""

  constructor(options: RepairOptions) {
    this.#options = options
    this.#random = options.random ?? systemRandom
    this.#old = join(options.folder, "data")
    this.#new = join(options.folder, "data-new")
    this.#created = new Date(options.clock.now()).toISOString()
  }

  async run(): Promise<RepairReport> {
    const { folder } = this.#options
    const sentinel = await readSentinel(folder).catch((error: unknown) => {
      if (isAlliumError(error, "STORE_DAMAGED")) return undefined
      throw error
    })
    await access(this.#old).catch(() => this.#requireSomething())
    const damage = await inspectFiles(this.#old, { closed: sentinel?.closed === true })
    if (sentinel !== undefined) this.#created = sentinel.created
    const id = sentinel ? new Uint8Array(Buffer.from(sentinel.id, "hex")) : await this.#findId()
    const keys = deriveStoreKeys(this.#options.key, id)
    await this.#rewrite(keys)
    const batchesMissing = Math.max(0, (sentinel?.batches ?? 0) - this.#batches)
    const damagedFolder = await this.#exchange(Buffer.from(id).toString("hex"))
    const keptCount = [...this.#alive].filter((name) => /^(74|6a)/.test(name)).length // t and j
    return { damage, keptCount, lostCount: this.#lostCount, batchesMissing, damagedFolder }
  }

  /** The description carries the id in clear. */
  async #findId(): Promise<Uint8Array> {
    for await (const { key, value } of salvageEntries(this.#old))
      if (Buffer.compare(key, META_PLACE) === 0 && value !== undefined && value.length > ID_BYTES)
        return value.slice(0, ID_BYTES)
    throw new AlliumError("STORE_DAMAGED", "Cannot repair store: nothing says which store it was")
  }

  async #rewrite(keys: StoreKeys): Promise<void> {
    await rm(this.#new, { recursive: true, force: true })
    await mkdir(this.#new, { mode: 0o700 })
    const database = await levelDisk.open(this.#new)
    try {
      await this.#copy(keys, database)
      this.#requireSomething()
      await database.write(this.#ending(keys))
    } finally {
      await database.close()
    }
  }

  #requireSomething(): void {
    if (this.#alive.size > 0) return
    if (this.#lostCount > 0)
      throw new AlliumError("STORE_WRONG_KEY", "Cannot repair store: nothing opens with this key")
    throw new AlliumError("STORE_EMPTIED", "Cannot repair store: there is nothing to save")
  }

  async #copy(keys: StoreKeys, database: Database): Promise<void> {
    let operations: Operation[] = []
    for await (const entry of salvageEntries(this.#old)) {
      const operation = this.#judge(keys, entry)
      if (operation === undefined) continue
      operations.push(operation)
      if (operations.length < OPERATIONS_AT_ONCE) continue
      await database.write(operations)
      operations = []
    }
    await database.write(operations)
  }

  /** What is to be written for an entry: nothing when it is old, does not open, or is ours to make anew. */
  #judge(
    keys: StoreKeys,
    {
      key: place,
      value: sealed,
      sequence,
    }: { key: Uint8Array; value: Uint8Array | undefined; sequence: bigint },
  ): Operation | undefined {
    const name = Buffer.from(place).toString("hex")
    if ((this.#seen.get(name) ?? -1n) >= sequence) return undefined
    if (sealed !== undefined && !this.#opens(keys, place, sealed)) return undefined
    this.#seen.set(name, sequence)
    if (sealed === undefined) this.#alive.delete(name)
    else this.#alive.add(name)
    return sealed === undefined ? { place } : { place, sealed }
  }

  #opens(keys: StoreKeys, place: Uint8Array, sealed: Uint8Array): boolean {
    try {
      this.#note(keys, place, sealed)
      return true
    } catch (error) {
      if (!isAlliumError(error, "STORE_DAMAGED", "BAD_PACK")) throw error
      this.#lostCount++
      return false
    }
  }

  /** Opens a value, and remembers the numbers that must not go back. */
  #note(keys: StoreKeys, place: Uint8Array, sealed: Uint8Array): void {
    if (Buffer.compare(place, META_PLACE) === 0) {
      openValue(keys, place, sealed.subarray(ID_BYTES))
      return
    }
    const value = openSealed(keys, place, sealed)
    if (Buffer.compare(place, COUNT_PLACE) === 0)
      this.#batches = Math.max(this.#batches, Number(value))
    if (isJournalPlace(place)) this.#raise(numberPlace(journalOf(place)), sequenceOf(place))
    if (isNumberPlace(place)) this.#raise(place, Number(value))
  }

  #raise(place: Uint8Array, last: number): void {
    const name = Buffer.from(place).toString("hex")
    const known = this.#numbers.get(name)?.last ?? 0
    this.#numbers.set(name, { place: place.slice(), last: Math.max(known, last) })
  }

  /** Counters, and the description when it was lost: a damaged store has the schema of this version, or it would be older. */
  #ending(keys: StoreKeys): Operation[] {
    const core = { keys, random: this.#random }
    const numbers = [...this.#numbers.values()].map(({ place, last }) =>
      putOperation(core, place, last),
    )
    const count = putOperation(core, COUNT_PLACE, this.#batches)
    const isDescribed = this.#alive.has(Buffer.from(META_PLACE).toString("hex"))
    const meta = { created: this.#created, schema: MIGRATIONS.length }
    return [...numbers, count, ...(isDescribed ? [] : [writeMeta(core, meta)])]
  }

  async #exchange(id: string): Promise<string> {
    const { folder, clock } = this.#options
    const stamp = new Date(clock.now()).toISOString().replace(/\D/g, "").slice(0, 14)
    const damagedFolder = `data-damaged-${stamp}`
    await rename(this.#old, join(folder, damagedFolder))
    await rename(this.#new, this.#old)
    await syncFolder(folder)
    const state = { created: this.#created, batches: this.#batches, closed: true }
    await writeSentinel(folder, { format: 1, id, ...state })
    return damagedFolder
  }
}

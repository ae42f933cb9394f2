/**
 * Rooms, tables and journals over the sealed database.
 *
 * @module
 */
import type { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import type { PackLimits } from "../base/pack.ts"
import { packValue, unpackValue } from "../base/pack.ts"
import type { RandomBytes } from "../base/random.ts"
import { type JournalNumbers, PendingChange, requireOwn } from "./changes.ts"
import type { Commits } from "./commits.ts"
import type { Operation, Range } from "./database.ts"
import type { Keeper } from "./keeper.ts"
import * as places from "./places.ts"
import { openValue, type StoreKeys, sealValue } from "./seal.ts"
import type { Journal, StoreRoom, Table } from "./store.ts"

/** One value when packed, 1 MiB: bulk data belongs into files. */
const VALUE_BYTES_MAX = 1024 * 1024
const LIMITS: PackLimits = { bytesMax: VALUE_BYTES_MAX, depthMax: 32, itemsMax: 100_000 }
/** Entries read at once while walking: bounds memory, and lets go of the database between pages. */
const PAGE_ENTRIES = 100

/** What every room of one store shares. */
export interface StoreCore {
  readonly keys: StoreKeys
  readonly random: RandomBytes
  readonly keeper: Keeper
  readonly commits: Commits
  /** By hex of the journal's prefix. */
  readonly numbers: Map<string, JournalNumbers>
}

/** Packs and seals a value for its place. @throws {AlliumError} `TOO_LARGE` beyond 1 MiB. */
export function putOperation(
  core: { keys: StoreKeys; random: RandomBytes },
  place: Uint8Array,
  value: unknown,
): Operation {
  const plain = packValue(value)
  if (plain.length > VALUE_BYTES_MAX)
    throw new AlliumError("TOO_LARGE", `Cannot store value: it has ${plain.length} bytes packed`)
  return { place, sealed: sealValue(core.keys, place, plain, core.random) }
}

/** @throws {AlliumError} `STORE_DAMAGED`. */
export function openSealed(keys: StoreKeys, place: Uint8Array, sealed: Uint8Array): unknown {
  return unpackValue(openValue(keys, place, sealed), LIMITS)
}

/** The room at `path`. */
export function roomAt(core: StoreCore, path: places.Path): StoreRoom {
  const inside = (name: string) => [...path, places.checkName(name)]
  return {
    room: (name) => roomAt(core, inside(name)),
    table: (name, shape) => new SealedTable(core, inside(name), shape),
    journal: (name, shape) => new SealedJournal(core, inside(name), shape),
    commit: async (changes) => core.commits.commit(requireOwn(core, changes)),
  }
}

class SealedTable<T> implements Table<T> {
  readonly #core: StoreCore
  readonly #path: places.Path
  readonly #shape: z.ZodType<T>
  readonly #prefix: Uint8Array

  constructor(core: StoreCore, path: places.Path, shape: z.ZodType<T>) {
    this.#core = core
    this.#path = path
    this.#shape = shape
    this.#prefix = places.tablePrefix(core.keys, path)
  }

  async get(key: string): Promise<T | undefined> {
    const place = this.#place(key)
    const [sealed] = await this.#core.keeper.use((database) => database.getMany([place]))
    return sealed === undefined ? undefined : this.#read(place, sealed)[1]
  }

  async *entries(): AsyncGenerator<[key: string, value: T]> {
    for await (const [place, sealed] of walk(this.#core, places.rangeOf(this.#prefix)))
      yield this.#read(place, sealed)
  }

  put(key: string, value: T): PendingChange {
    const operation = putOperation(this.#core, this.#place(key), [key, value])
    return new PendingChange(this.#core, operation)
  }

  remove(key: string): PendingChange {
    return new PendingChange(this.#core, { place: this.#place(key) })
  }

  #place(key: string): Uint8Array {
    return places.entryPlace(this.#core.keys, this.#path, this.#prefix, key)
  }

  /** The key stands inside the sealed value: what is outside cannot be turned back into text. */
  #read(place: Uint8Array, sealed: Uint8Array): [string, T] {
    const entry = openSealed(this.#core.keys, place, sealed)
    if (!Array.isArray(entry) || typeof entry[0] !== "string") throw badShape()
    return [entry[0], shaped(this.#shape, entry[1])]
  }
}

class SealedJournal<T> implements Journal<T> {
  readonly #core: StoreCore
  readonly #shape: z.ZodType<T>
  readonly #prefix: Uint8Array
  readonly #numbers: JournalNumbers

  constructor(core: StoreCore, path: places.Path, shape: z.ZodType<T>) {
    this.#core = core
    this.#shape = shape
    this.#prefix = places.journalPrefix(core.keys, path)
    this.#numbers = numbersOf(core.numbers, places.numberPlace(this.#prefix))
  }

  append(value: T): PendingChange {
    const sequence = this.#numbers.last + 1
    const operation = putOperation(this.#core, this.#place(sequence), value)
    this.#numbers.last = sequence
    return new PendingChange(this.#core, operation, this.#numbers)
  }

  async get(sequence: number): Promise<T | undefined> {
    const place = this.#place(sequence)
    const [sealed] = await this.#core.keeper.use((database) => database.getMany([place]))
    return sealed === undefined ? undefined : this.#read(place, sealed)
  }

  async *read(
    range: { after?: number; before?: number; limit?: number; reverse?: boolean } = {},
  ): AsyncGenerator<[sequence: number, value: T]> {
    const { after = 0, before, limit = Infinity, reverse = false } = range
    const gt = this.#place(after)
    const lt = before === undefined ? places.rangeOf(this.#prefix).lt : this.#place(before)
    for await (const [place, sealed] of walk(this.#core, { gt, lt, reverse }, limit))
      yield [places.sequenceOf(place), this.#read(place, sealed)]
  }

  put(sequence: number, value: T): PendingChange {
    if (sequence < 1 || sequence > this.#numbers.last)
      throw new RangeError(`Cannot put into journal: ${sequence} was never appended`)
    return new PendingChange(this.#core, putOperation(this.#core, this.#place(sequence), value))
  }

  remove(sequence: number): PendingChange {
    return new PendingChange(this.#core, { place: this.#place(sequence) })
  }

  #place(sequence: number): Uint8Array {
    if (!Number.isSafeInteger(sequence) || sequence < 0)
      throw new RangeError(`Cannot use sequence: it is ${sequence}, expected a whole number from 0`)
    return places.sequencePlace(this.#prefix, sequence)
  }

  #read(place: Uint8Array, sealed: Uint8Array): T {
    return shaped(this.#shape, openSealed(this.#core.keys, place, sealed))
  }
}

/** The numbers of one journal, the same object for everybody. */
export function numbersOf(all: Map<string, JournalNumbers>, place: Uint8Array): JournalNumbers {
  const name = Buffer.from(place).toString("hex")
  const known = all.get(name)
  if (known !== undefined) return known
  const fresh = { place, last: 0 }
  all.set(name, fresh)
  return fresh
}

/** Walks a range page by page; changes committed meanwhile may be seen or not. */
export async function* walk(
  core: { keeper: Keeper },
  range: Range,
  limit = Infinity,
): AsyncGenerator<[place: Uint8Array, sealed: Uint8Array]> {
  let rest = { ...range }
  for (let left = limit; left > 0; ) {
    const want = Math.min(PAGE_ENTRIES, left)
    const page = await core.keeper.use((database) => database.page(rest, want))
    yield* page
    const last = page.at(-1)?.[0]
    if (last === undefined || page.length < want) return
    rest = range.reverse === true ? { ...rest, lt: last } : { ...rest, gt: last }
    left -= page.length
  }
}

function shaped<T>(shape: z.ZodType<T>, value: unknown): T {
  const result = shape.safeParse(value)
  if (result.success) return result.data
  throw badShape() // what zod says may quote the value
}

function badShape(): AlliumError {
  return new AlliumError("STORE_DAMAGED", "Cannot read store: a value has another shape than asked")
}

/**
 * LevelDB behind a door of five verbs, so that tests can let the disk fail.
 *
 * @see https://github.com/google/leveldb/blob/main/doc/index.md
 * @module
 */
import { statfs } from "node:fs/promises"
import { Level } from "level"
import { AlliumError } from "../base/errors.ts"

/** One write: with a value it puts, without it removes. */
export interface Operation {
  readonly place: Uint8Array
  readonly sealed?: Uint8Array
}

/** Part of the database, both ends excluded. */
export interface Range {
  readonly gt: Uint8Array
  readonly lt: Uint8Array
  readonly reverse?: boolean
}

/** An open database. Every failure is an {@linkcode AlliumError}. */
export interface Database {
  getMany(places: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>
  /** The first `limit` entries of a range. */
  page(range: Range, limit: number): Promise<[place: Uint8Array, sealed: Uint8Array][]>
  /** All or none; synced to the disk when it resolves. */
  write(operations: readonly Operation[]): Promise<void>
  close(): Promise<void>
}

/** A disk that holds a database. */
export interface Disk {
  /** @throws {AlliumError} `STORE_LOCKED`, `STORE_DAMAGED`, `STORE_FULL`, `STORE_FAILED`. */
  open(folder: string): Promise<Database>
  /** Bytes that may still be written there. */
  freeBytes(folder: string): Promise<number>
}

/** The machine's own disk. */
export const levelDisk: Disk = {
  async open(folder) {
    // Sealed values do not compress; and without Snappy our own reader (table-file.ts) stays small.
    const options = { keyEncoding: "view", valueEncoding: "view", compression: false }
    const level = new Level<Uint8Array, Uint8Array>(folder, options)
    await told("open", () => level.open())
    return around(level)
  },
  async freeBytes(folder) {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  },
}

function around(level: Level<Uint8Array, Uint8Array>): Database {
  return {
    getMany: (places) => told("read", () => level.getMany([...places])),
    page: ({ gt, lt, reverse = false }, limit) =>
      told("read", () => level.iterator({ gt, lt, reverse, limit }).all()),
    write: (operations) =>
      told("write", () => level.batch(operations.map(toBatch), { sync: true })),
    close: () => told("close", () => level.close()),
  }
}

function toBatch({ place, sealed }: Operation) {
  return sealed === undefined
    ? ({ type: "del", key: place } as const)
    : ({ type: "put", key: place, value: sealed } as const)
}

async function told<T>(verb: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw toStoreError(verb, error)
  }
}

/** LevelDB says what happened in the texts of nested errors; they name files only. */
function toStoreError(verb: string, error: unknown): AlliumError {
  const story = tellAll(error)
  const fail = (...[code, found]: readonly [AlliumError["code"], string]) =>
    new AlliumError(code, `Cannot ${verb} store: ${found}`, { cause: error })
  if (/LEVEL_LOCKED/.test(story)) return fail("STORE_LOCKED", "another process holds it")
  if (/No space left|ENOSPC|EDQUOT|quota exceeded/i.test(story))
    return fail("STORE_FULL", "the disk is full")
  if (/LEVEL_CORRUPTION|Corruption|does not exist|no meta-nextfile/i.test(story))
    return fail("STORE_DAMAGED", "its files are damaged")
  if (/LEVEL_DATABASE_NOT_OPEN/.test(story)) return fail("STORE_CLOSED", "it is closed")
  return fail("STORE_FAILED", "the disk reports a fault")
}

function tellAll(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = (error as { code?: unknown }).code ?? ""
  const cause = error.cause === undefined ? "" : tellAll(error.cause)
  return `${String(code)} ${error.message} ${cause}`
}

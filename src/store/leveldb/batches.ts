/**
 * What the records of LevelDB's logs mean: write batches, and the list of files that are alive.
 *
 * @see https://github.com/google/leveldb/blob/main/db/write_batch.cc
 * @see https://github.com/google/leveldb/blob/main/db/version_edit.cc
 * @module
 */
import { Cursor, Unreadable } from "./cursor.ts"
import type { StoredEntry } from "./table-file.ts"

/** @throws {Unreadable} */
export function readBatch(record: Uint8Array): StoredEntry[] {
  const cursor = new Cursor(record)
  const first = cursor.fixed64()
  const count = cursor.fixed32()
  const entries: StoredEntry[] = []
  while (cursor.left > 0) {
    const put = cursor.byte() === 1
    const key = cursor.slice().slice()
    const value = put ? cursor.slice().slice() : undefined
    entries.push({ key, value, sequence: first + BigInt(entries.length) })
  }
  if (entries.length !== count) throw new Unreadable("a batch has another length")
  return entries
}

/** Files the database consists of. */
export interface LiveFiles {
  /** Size in bytes by number of the table. */
  readonly tables: ReadonlyMap<number, number>
  /** The oldest log that still counts. */
  readonly logNumber: number
}

/** @throws {Unreadable} when the edits do not make a whole. */
export function readEdits(records: readonly Uint8Array[]): LiveFiles {
  const numbers = new Map<number, number>()
  const tables = new Map<number, number>()
  for (const record of records) {
    const cursor = new Cursor(record)
    while (cursor.left > 0) readField(cursor, numbers, tables)
  }
  const logNumber = numbers.get(LOG_NUMBER)
  if (logNumber === undefined || !numbers.has(NEXT_FILE) || !numbers.has(LAST_SEQUENCE))
    throw new Unreadable("is not whole")
  return { tables, logNumber }
}

const COMPARATOR = 1
const LOG_NUMBER = 2
const NEXT_FILE = 3
const LAST_SEQUENCE = 4
const COMPACT_POINTER = 5
const DELETED_FILE = 6
const NEW_FILE = 7
const PREVIOUS_LOG = 9

/** Fields of a file begin with its level, which does not matter here. */
function readField(
  cursor: Cursor,
  numbers: Map<number, number>,
  tables: Map<number, number>,
): void {
  const tag = cursor.varint()
  if ([LOG_NUMBER, NEXT_FILE, LAST_SEQUENCE, PREVIOUS_LOG].includes(tag))
    numbers.set(tag, cursor.varint())
  else if (tag === COMPARATOR) cursor.slice()
  else if (![COMPACT_POINTER, DELETED_FILE, NEW_FILE].includes(tag))
    throw new Unreadable("holds an unknown field")
  else {
    cursor.varint()
    if (tag === COMPACT_POINTER) cursor.slice()
    else if (tag === DELETED_FILE) tables.delete(cursor.varint())
    else readNewFile(cursor, tables)
  }
}

/** Number, size, smallest and largest key. */
function readNewFile(cursor: Cursor, tables: Map<number, number>): void {
  tables.set(cursor.varint(), cursor.varint())
  cursor.slice()
  cursor.slice()
}

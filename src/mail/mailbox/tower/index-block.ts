/**
 * The index of a queue: which envelopes came, when, and where they lie.
 *
 * A block holds 32 entries of 18 bytes: 8 of the hash of the envelope's id, 6 of its sequence in the journal, 4 of the
 * second it came; numbers big-endian. Nine blocks go round, so that at least the last 256 ids are known, those that were
 * taken out included: an envelope that is put again is kept once.
 *
 * @module
 */
import { hashBytes } from "./hash.ts"
import type { Block } from "./rows.ts"

const BLOCK_ENTRIES = 32
/** Blocks of one queue. */
export const BLOCK_COUNT = 9
const ENTRY_BYTES = 18
const MARK_BYTES = 8

/** One envelope in its queue. */
export interface Entry {
  /** Hash of its id, 8 bytes. */
  readonly mark: Uint8Array
  readonly sequence: number
  readonly atS: number
}

/** Which of the nine rows holds an envelope's entry. */
export function rowOf(number: number): number {
  return Math.floor(number / BLOCK_ENTRIES) % BLOCK_COUNT
}

/** What stands for an envelope id. */
export function markOf(id: Uint8Array): Uint8Array {
  return hashBytes("envelope", id).subarray(0, MARK_BYTES)
}

/** The index of one queue, as it is in memory: never changed, only replaced. */
export class QueueIndex {
  readonly #rows: readonly (Block | undefined)[]

  /** @param rows - Nine, by {@linkcode rowOf}. */
  constructor(rows: readonly (Block | undefined)[]) {
    this.#rows = rows
  }

  /** Whether an envelope with this mark came lately. */
  has(mark: Uint8Array): boolean {
    return this.#rows.some((row) => row !== undefined && holds(row.entries, mark))
  }

  /** `undefined` for a number that never was or is forgotten. */
  entry(number: number): Entry | undefined {
    const row = this.#rows[rowOf(number)]
    const at = (number % BLOCK_ENTRIES) * ENTRY_BYTES
    if (row?.block !== Math.floor(number / BLOCK_ENTRIES) || at >= row.entries.length) return
    const view = new DataView(row.entries.buffer, row.entries.byteOffset + at, ENTRY_BYTES)
    return {
      mark: row.entries.subarray(at, at + MARK_BYTES),
      sequence: view.getUint16(8) * 2 ** 32 + view.getUint32(10),
      atS: view.getUint32(14),
    }
  }

  /** The index with one more entry, and the row to be written. */
  with(number: number, entry: Entry): { index: QueueIndex; row: Block } {
    const block = Math.floor(number / BLOCK_ENTRIES)
    const before = this.#rows[rowOf(number)]
    const kept = before?.block === block ? before.entries : new Uint8Array()
    const entries = new Uint8Array(ENTRY_BYTES * ((number % BLOCK_ENTRIES) + 1))
    entries.set(kept)
    writeEntry(entries, entries.length - ENTRY_BYTES, entry)
    const row = { block, entries }
    return { index: new QueueIndex(this.#rows.with(rowOf(number), row)), row }
  }

  /** How many came at `sinceS` or later. */
  countSince(sinceS: number): number {
    let count = 0
    for (const row of this.#rows)
      for (let at = 0; row !== undefined && at < row.entries.length; at += ENTRY_BYTES) {
        const view = new DataView(row.entries.buffer, row.entries.byteOffset + at, ENTRY_BYTES)
        if (view.getUint32(14) >= sinceS) count++
      }
    return count
  }

  /** Which of the nine rows there are. */
  *rowsThere(): Generator<number> {
    for (const [index, row] of this.#rows.entries()) if (row !== undefined) yield index
  }
}

/** The index of a queue that nothing ever came to. */
export const EMPTY_INDEX: QueueIndex = new QueueIndex(new Array(BLOCK_COUNT).fill(undefined))

function writeEntry(entries: Uint8Array, at: number, { mark, sequence, atS }: Entry): void {
  const view = new DataView(entries.buffer)
  entries.set(mark, at)
  view.setUint16(at + 8, Math.floor(sequence / 2 ** 32))
  view.setUint32(at + 10, sequence % 2 ** 32)
  view.setUint32(at + 14, atS)
}

function holds(entries: Uint8Array, mark: Uint8Array): boolean {
  const buffer = Buffer.from(entries.buffer, entries.byteOffset, entries.length)
  for (let at = buffer.indexOf(mark); at !== -1; at = buffer.indexOf(mark, at + 1))
    if (at % ENTRY_BYTES === 0) return true
  return false
}

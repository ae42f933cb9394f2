/**
 * LevelDB's table format: `*.ldb`, without compression.
 *
 * @see https://github.com/google/leveldb/blob/main/doc/table_format.md
 * @module
 */
import { maskedCrc32c } from "./crc32c.ts"
import { Cursor, Unreadable, viewOf } from "./cursor.ts"

const FOOTER_BYTES = 48
const MAGIC = 0xdb4775248b80fb57n
/** Compression type, then checksum. */
const TRAILER_BYTES = 5

/** One write: when it was made, and what. */
export interface StoredEntry {
  readonly key: Uint8Array
  /** `undefined` for a removal. */
  readonly value: Uint8Array | undefined
  /** Grows with each write of the database. */
  readonly sequence: bigint
}

/** What a table holds. */
export interface TableContent {
  readonly entries: readonly StoredEntry[]
  /** Blocks that are not as LevelDB wrote them. */
  readonly damageCount: number
}

/**
 * Checks every block of a table, the filter too.
 *
 * @param wanted - `checksums` reads no entries.
 */
export function readTable(bytes: Uint8Array, wanted: "checksums" | "entries"): TableContent {
  const table = new TableReader(bytes, wanted)
  table.guard(() => table.readAll())
  return table
}

interface Handle {
  readonly offset: number
  readonly size: number
}

class TableReader implements TableContent {
  readonly entries: StoredEntry[] = []
  damageCount = 0
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #wanted: "checksums" | "entries"

  constructor(bytes: Uint8Array, wanted: "checksums" | "entries") {
    this.#bytes = bytes
    this.#view = viewOf(bytes)
    this.#wanted = wanted
  }

  /** Counts what cannot be read and goes on with what can. */
  guard(read: () => void): void {
    try {
      read()
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      this.damageCount++
    }
  }

  readAll(): void {
    const at = this.#bytes.length - FOOTER_BYTES
    if (at < 0 || this.#view.getBigUint64(at + 40, true) !== MAGIC)
      throw new Unreadable("no footer")
    const footer = new Cursor(this.#bytes, at)
    const extras = readHandle(footer)
    const index = readHandle(footer)
    if (footer.take(footer.left - 8).some((byte) => byte !== 0)) throw new Unreadable("no footer")
    this.guard(() => {
      for (const { value } of readRows(this.#block(extras)))
        this.guard(() => this.#block(readHandle(new Cursor(value))))
    })
    // The index's keys are not put together: there is one for each block.
    for (const { value } of readRows(this.#block(index)))
      this.guard(() => this.#data(this.#block(readHandle(new Cursor(value)))))
  }

  #data(block: Uint8Array): void {
    if (this.#wanted === "checksums") return
    for (const [key, value] of readBlock(block)) this.entries.push(toEntry(key, value))
  }

  /** @throws {Unreadable} when the checksum differs or the block is compressed. */
  #block({ offset, size }: Handle): Uint8Array {
    const end = offset + size
    if (end + TRAILER_BYTES > this.#bytes.length) throw new Unreadable("a block lies outside")
    const stated = this.#view.getUint32(end + 1, true)
    if (stated !== maskedCrc32c(this.#bytes.subarray(offset, end + 1)))
      throw new Unreadable("a checksum differs")
    if (this.#bytes[end] !== 0) throw new Unreadable("a block is compressed")
    return this.#bytes.subarray(offset, end)
  }
}

function readHandle(cursor: Cursor): Handle {
  return { offset: cursor.varint(), size: cursor.varint() }
}

function* readBlock(block: Uint8Array): Generator<[key: Uint8Array, value: Uint8Array]> {
  let key = new Uint8Array()
  for (const { shared, rest, value } of readRows(block)) {
    key = new Uint8Array(Buffer.concat([key.subarray(0, shared), rest]))
    yield [key, value]
  }
}

/** An entry as it stands there: its key shares so many bytes with the key before. */
interface Row {
  readonly shared: number
  readonly rest: Uint8Array
  readonly value: Uint8Array
}

/** An array of restart points follows the entries. */
function* readRows(block: Uint8Array): Generator<Row> {
  if (block.length < 4) throw new Unreadable("a block is too short")
  const restarts = viewOf(block).getUint32(block.length - 4, true)
  const end = block.length - 4 * (restarts + 1)
  if (end < 0) throw new Unreadable("a block is too short")
  const cursor = new Cursor(block.subarray(0, end))
  let keyBytes = 0
  while (cursor.left > 0) {
    const shared = cursor.varint()
    const restBytes = cursor.varint()
    const valueBytes = cursor.varint()
    if (shared > keyBytes) throw new Unreadable("a key lacks its beginning")
    keyBytes = shared + restBytes
    yield { shared, rest: cursor.take(restBytes), value: cursor.take(valueBytes) }
  }
}

/** The last 8 bytes of a key: 1 byte of kind (0 removed, 1 put) and 7 of sequence, little-endian. */
function toEntry(internal: Uint8Array, value: Uint8Array): StoredEntry {
  if (internal.length < 8) throw new Unreadable("a key is too short")
  const tail = viewOf(internal).getBigUint64(internal.length - 8, true)
  const key = internal.slice(0, -8)
  return { key, value: (tail & 0xffn) === 1n ? value.slice() : undefined, sequence: tail >> 8n }
}

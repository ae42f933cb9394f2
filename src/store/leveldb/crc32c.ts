/**
 * CRC-32C as LevelDB writes it: Castagnoli, masked.
 *
 * @see https://github.com/google/leveldb/blob/main/util/crc32c.h
 * @module
 */

const POLYNOMIAL = 0x82f63b78
/** So many bytes pass at once, each through a table of its own; the tables stand behind one another. */
const TABLE_COUNT = 16
const TABLES = makeTables()

/** @returns CRC-32C of the parts one after another, unsigned. */
export function crc32c(...parts: readonly Uint8Array[]): number {
  let crc = 0xffffffff
  for (const part of parts) crc = update(crc, part)
  return ~crc >>> 0
}

/** LevelDB stores checksums turned and shifted, for data that holds checksums itself. */
export function maskedCrc32c(...parts: readonly Uint8Array[]): number {
  const crc = crc32c(...parts)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

function update(crc: number, bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = bytes.length - (bytes.length % 16)
  for (let at = 0; at < end; at += 16)
    crc =
      four(12, crc ^ view.getInt32(at, true)) ^
      four(8, view.getInt32(at + 4, true)) ^
      four(4, view.getInt32(at + 8, true)) ^
      four(0, view.getInt32(at + 12, true))
  for (let at = end; at < bytes.length; at++) crc = TABLES[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return crc
}

/** What four bytes add that have `behind` bytes of the sixteen behind them. */
function four(behind: number, word: number): number {
  const at = behind << 8
  return (
    TABLES[at + 768 + (word & 0xff)]! ^
    TABLES[at + 512 + ((word >>> 8) & 0xff)]! ^
    TABLES[at + 256 + ((word >>> 16) & 0xff)]! ^
    TABLES[at + (word >>> 24)]!
  )
}

function makeTables(): Int32Array {
  const tables = new Int32Array(256 * TABLE_COUNT)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    tables[byte] = crc
  }
  for (let at = 256; at < tables.length; at++) {
    const crc = tables[at - 256]!
    tables[at] = tables[crc & 0xff]! ^ (crc >>> 8)
  }
  return tables
}

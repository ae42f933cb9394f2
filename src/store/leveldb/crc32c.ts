/**
 * CRC-32C as LevelDB writes it: Castagnoli, masked.
 *
 * @see https://github.com/google/leveldb/blob/main/util/crc32c.h
 * @module
 */

const POLYNOMIAL = 0x82f63b78
/** Eight tables, so that eight bytes pass at once. */
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
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ]
  let at = 0
  for (const end = bytes.length - 7; at < end; at += 8) {
    const low =
      crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    crc =
      t7[low & 0xff]! ^
      t6[(low >>> 8) & 0xff]! ^
      t5[(low >>> 16) & 0xff]! ^
      t4[low >>> 24]! ^
      t3[bytes[at + 4]!]! ^
      t2[bytes[at + 5]!]! ^
      t1[bytes[at + 6]!]! ^
      t0[bytes[at + 7]!]!
  }
  for (; at < bytes.length; at++) crc = t0[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return crc
}

function makeTables(): readonly Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ POLYNOMIAL : byte >>> 1
    return byte
  })
  const tables = [first]
  for (let index = 1; index < 8; index++)
    tables.push(tables[index - 1]!.map((crc) => (first[crc & 0xff]! ^ (crc >>> 8)) >>> 0))
  return tables
}

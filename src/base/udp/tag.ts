/**
 * Who of several programs behind one destination a datagram is from or for: a few bytes ahead of it. I2P has ports
 * for that, but i2pd drops repliable datagrams which have any. Pure.
 *
 * @module
 */

/** Nothing a program says begins so by chance. */
const MARK = Uint8Array.of(0xa1, 0x75, 0x64, 0x70, 0x00, 0x01)

/** Bytes of a tag: a mark of 6, and the number, big-endian. */
const TAG_BYTES = MARK.length + 2

/** Numbers go round. */
const NUMBERS = 65_536

/**
 * A number that nobody has, as far away as can be from those used last: late answers reach nobody.
 *
 * @param last - The one given before this one.
 * @param taken - Fewer than all.
 */
export function nextNumber(last: number, taken: ReadonlyMap<number, unknown>): number {
  let next = last
  do next = (next + 1) % NUMBERS
  while (taken.has(next))
  return next
}

/** @param number - 0 to 65535, of the client's choice. Without one the payload stays as it is. */
export function addTag(number: number | undefined, payload: Uint8Array): Uint8Array {
  if (number === undefined) return payload
  const tagged = Buffer.allocUnsafe(TAG_BYTES + payload.length)
  tagged.set(MARK)
  tagged.writeUInt16BE(number, MARK.length)
  tagged.set(payload, TAG_BYTES)
  return tagged
}

/** The number, if there is a tag, and what is behind it; a part of `bytes`. */
export function readTag(bytes: Uint8Array): { number: number | undefined; payload: Uint8Array } {
  const isTagged = bytes.length >= TAG_BYTES && MARK.every((byte, index) => bytes[index] === byte)
  if (!isTagged) return { number: undefined, payload: bytes }
  const number = (bytes[MARK.length]! << 8) | bytes[MARK.length + 1]!
  return { number, payload: bytes.subarray(TAG_BYTES) }
}

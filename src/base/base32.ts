/**
 * Base32 as I2P writes it: lower case, no padding.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4648#section-6
 * @module
 */
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
const VALUES = new Map([...ALPHABET].map((letter, value) => [letter, value]))

/** Lower case, no padding: 8 characters for 5 bytes. */
export function encodeBase32(bytes: Uint8Array): string {
  let text = ""
  let bits = 0
  let bitCount = 0
  for (const byte of bytes) {
    bits = (bits << 8) | byte
    for (bitCount += 8; bitCount >= 5; bitCount -= 5)
      text += ALPHABET[(bits >>> (bitCount - 5)) & 31]
    bits &= (1 << bitCount) - 1
  }
  return bitCount > 0 ? text + ALPHABET[(bits << (5 - bitCount)) & 31] : text
}

/**
 * Reads what {@linkcode encodeBase32} writes, in either case.
 *
 * @returns Bytes the caller owns; `undefined` for a foreign character, an impossible length, or bits
 * left over that are not zero, so that two texts never mean the same bytes.
 */
export function decodeBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let bits = 0
  let bitCount = 0
  let at = 0
  for (const letter of text.toLowerCase()) {
    const value = VALUES.get(letter)
    if (value === undefined) return undefined
    bits = (bits << 5) | value
    bitCount += 5
    if (bitCount < 8) continue
    bitCount -= 8
    bytes[at++] = bits >>> bitCount
    bits &= (1 << bitCount) - 1
  }
  return bits === 0 && bitCount < 5 ? bytes : undefined
}

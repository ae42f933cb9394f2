/** How far bytes are from a fair draw. */

/** @returns Chi-square of the counts of the 256 values; 255 on average for random bytes, with a deviation of 22.6. */
export function chiSquareOfBytes(bytes: Uint8Array): number {
  const counts = new Array<number>(256).fill(0)
  for (const byte of bytes) counts[byte]!++
  const expected = bytes.length / 256
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

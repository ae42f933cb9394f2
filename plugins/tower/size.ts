/**
 * Disk space as people write it: `500MiB`, `2GB`.
 *
 * @module
 */
import { z } from "allium/plugin"

/** Less holds nothing worth running a tower for: 16 full queues. */
const CAP_BYTES_MIN = 16 * 1_048_576
/** More than LevelDB was tried with. */
const CAP_BYTES_MAX = 1_024 * 1_073_741_824
const PREFIXES = ["", "k", "m", "g", "t"]

/** A number of bytes, or a text: `MB` is 10^6, `MiB` and bare `M` are 2^20. */
export const capShape = z.union([z.number(), z.string()]).transform((value, context) => {
  const bytes = typeof value === "number" ? value : parseBytes(value)
  if (Number.isInteger(bytes) && bytes >= CAP_BYTES_MIN && bytes <= CAP_BYTES_MAX) return bytes
  context.addIssue({ code: "custom", message: "expected 16MiB to 1TiB, such as 500MiB or 2GB" })
  return z.NEVER
})

/** Whole bytes; `NaN` for what is no size. */
export function parseBytes(text: string): number {
  const match = /^([0-9]{1,16}(?:\.[0-9]{1,6})?) ?([kmgt]?)(i?b)?$/.exec(text.trim().toLowerCase())
  if (match === null) return Number.NaN
  const [, digits = "", prefix = "", ending] = match
  const base = ending === "b" ? 1_000 : 1_024
  return Math.floor(Number(digits) * base ** PREFIXES.indexOf(prefix))
}

/**
 * Sizes as people write them: `500k`, `10MiB`, `1.5 GB`.
 *
 * @module
 */
import { z } from "allium/plugin"

/** Most bytes of one transfer: 8 TiB. */
export const FILE_BYTES_MAX = 2 ** 43

const PREFIXES = ["", "k", "m", "g", "t"]

/** A number of bytes, or a text: `MB` is 10^6, `MiB` and bare `M` are 2^20. */
export const sizeShape = z.union([z.number(), z.string()]).transform((value, context) => {
  const size = typeof value === "number" ? value : parseSize(value)
  if (size !== undefined && Number.isInteger(size) && size >= 0 && size <= FILE_BYTES_MAX)
    return size
  context.addIssue({ code: "custom", message: "expected a size such as 500k, 10MiB or 2GB" })
  return z.NEVER
})

/** Whole bytes, or `undefined` for what is not a size. */
export function parseSize(text: string): number | undefined {
  const match = /^([0-9]{1,16}(?:\.[0-9]{1,6})?) ?([kmgt]?)(i?b)?$/.exec(text.trim().toLowerCase())
  if (match === null) return undefined
  const [, digits = "", prefix = "", ending] = match
  if (prefix === "" && ending === "ib") return undefined
  const base = ending === "b" ? 1_000 : 1_024
  return Math.floor(Number(digits) * base ** PREFIXES.indexOf(prefix))
}

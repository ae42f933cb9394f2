/**
 * Ranges of bytes, as resuming downloads ask for them.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-14
 * @module
 */

/** Part of a file; both ends are included. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/**
 * Reads a `Range` field.
 *
 * @returns The range; `"unsatisfiable"` when the file is too short for it; `undefined` when the whole file
 * is to be sent: no range, one we do not understand, or several (a server may ignore them, and many small
 * ones cost more than the file).
 */
export function parseByteRange(
  field: string | undefined,
  byteCount: number,
): ByteRange | "unsatisfiable" | undefined {
  const [, from = "", to = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(field ?? "") ?? []
  if (from === "" && to === "") return undefined
  if (from === "") return suffix(Number(to), byteCount)
  const first = Number(from)
  const last = to === "" ? byteCount - 1 : Math.min(Number(to), byteCount - 1)
  if (to !== "" && Number(to) < first) return undefined
  return first < byteCount ? { first, last } : "unsatisfiable"
}

function suffix(wanted: number, byteCount: number): ByteRange | "unsatisfiable" {
  if (wanted === 0 || byteCount === 0) return "unsatisfiable"
  return { first: Math.max(0, byteCount - wanted), last: byteCount - 1 }
}

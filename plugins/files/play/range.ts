/**
 * Which bytes of a file a player asks for. Pure.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-14
 * @module
 */

/** Both ends are included. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/**
 * Reads `Range`, with `If-Range` where it is there.
 *
 * @param tag - Strong entity tag of the file as it is, with quotes.
 * @returns `undefined` when all of it is to be sent: no range, several, one we do not understand, or one of another state.
 */
export function rangeOf(
  fields: { readonly range?: string | undefined; readonly "if-range"?: string | undefined },
  size: number,
  tag: string,
): ByteRange | "unsatisfiable" | undefined {
  const condition = fields["if-range"]
  if (condition !== undefined && condition.trim() !== tag) return undefined
  const [, from = "", to = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(fields.range ?? "") ?? []
  if (from === "") return to === "" ? undefined : lastBytes(Number(to), size)
  const first = Number(from)
  if (to !== "" && Number(to) < first) return undefined
  if (first >= size) return "unsatisfiable"
  return { first, last: to === "" ? size - 1 : Math.min(Number(to), size - 1) }
}

function lastBytes(wanted: number, size: number): ByteRange | "unsatisfiable" {
  if (wanted === 0 || size === 0) return "unsatisfiable"
  return { first: Math.max(0, size - wanted), last: size - 1 }
}

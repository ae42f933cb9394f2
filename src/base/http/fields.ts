/**
 * HTTP header fields as lists: order and repetition kept, names compared as servers compare them.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
 * @module
 */

/** One field: name as it came, value in latin1. */
export type Field = readonly [name: string, value: string]

/** More fields than this in one message are refused. */
export const HTTP_FIELDS_MAX = 100

/** From node's alternating list. */
export function readFields(raw: readonly string[]): Field[] {
  const fields: Field[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) fields.push([raw[at]!, raw[at + 1]!])
  return fields
}

/** To node's alternating list. */
export function writeFields(fields: readonly Field[]): string[] {
  const raw: string[] = []
  for (const [name, value] of fields) raw.push(name, value)
  return raw
}

/**
 * The name as a careless server sees it: CGI and its heirs make `X_A`, `x-a` and `X-A` one variable, so a
 * look-alike must not pass where the name itself would not.
 */
export function plainName(name: string): string {
  return name.toLowerCase().replaceAll("_", "-").trim()
}

/** Values of every field with this name, in order. */
export function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.filter(([own]) => own.toLowerCase() === name).map(([, value]) => value)
}

/** How many fields of node's alternating list have this name. */
export function countOf(raw: readonly string[], name: string): number {
  let count = 0
  for (let at = 0; at < raw.length; at += 2)
    if (raw[at]!.length === name.length && raw[at]!.toLowerCase() === name) count++
  return count
}

/** Without the fields that `drop` says yes to; it gets the plain name and the value. */
export function withoutFields(
  fields: readonly Field[],
  drop: (name: string, value: string) => boolean,
): Field[] {
  return fields.filter(([name, value]) => !drop(plainName(name), value))
}

/** Meant for the next hop only; `transfer-encoding` is made anew for the hop after it. */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
])

/** Named by `Connection`, these would still not be dropped: taking them away changes what a message means. */
const NEVER_NOMINATED = new Set(["host", "content-length", "cookie", "authorization"])

/** Without what is for this hop only, the names listed in `Connection` included. */
export function withoutHopByHop(fields: readonly Field[]): Field[] {
  const nominated = new Set(
    valuesOf(fields, "connection")
      .flatMap((value) => value.split(","))
      .map(plainName)
      .filter((name) => !NEVER_NOMINATED.has(name)),
  )
  return withoutFields(fields, (name) => HOP_BY_HOP.has(name) || nominated.has(name))
}

/** `token` stands in the comma-separated list of one of these values; letter case does not matter. */
export function listHas(values: readonly string[], token: string): boolean {
  return values.some((value) =>
    value.split(",").some((item) => item.trim().toLowerCase() === token),
  )
}

/**
 * Announce URLs we may follow: plain HTTP to a host inside I2P. Everything else would leave the network.
 *
 * @module
 */

/** Longest URL; one with a whole destination for a host has about 600 characters. */
const URL_CHARACTERS_MAX = 2_048
/** `http`, a host that ends in `.i2p` (a name, `….b32.i2p`, or a destination in base64), maybe a port, a path. */
const SHAPE =
  /^http:\/\/([a-z0-9~=-](?:[a-z0-9.~=-]*[a-z0-9~=-])?\.i2p)(?::([1-9][0-9]{0,4}))?(\/[!$-;=?-[\]_a-z~%]*)?$/i
/** Hosts as long as this are destinations in base64, where case matters. */
const BASE64_FROM = 516

/** An announce URL inside I2P. */
export interface TrackerUrl {
  /** With the host in lower case unless it is a destination, and a path. */
  readonly url: string
  /** `tracker2.postman.i2p`. */
  readonly host: string
  readonly port: number
  /** With the query, from `/` on. */
  readonly path: string
}

/** @returns `undefined` for what is no announce URL inside I2P: other schemes, clearnet hosts, users, fragments. */
export function parseTrackerUrl(text: string): TrackerUrl | undefined {
  if (text.length > URL_CHARACTERS_MAX) return undefined
  const [, name = "", portText = "80", path = "/"] = SHAPE.exec(text) ?? []
  const port = Number(portText)
  if (name === "" || port > 65_535 || name.includes("..")) return undefined
  const host = name.length < BASE64_FROM ? name.toLowerCase() : name
  return { url: `http://${host}${port === 80 ? "" : `:${port}`}${path}`, host, port, path }
}

/** The URLs of `texts` that may be followed, in order, each once. */
export function trackerUrls(texts: Iterable<string>): string[] {
  const urls = new Set<string>()
  for (const text of texts) {
    const parsed = parseTrackerUrl(text)
    if (parsed !== undefined) urls.add(parsed.url)
  }
  return [...urls]
}

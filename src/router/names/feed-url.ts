/**
 * Addresses of feeds: plain HTTP inside I2P, and nothing else.
 *
 * @module
 */
import { AlliumError } from "../../base/errors.ts"
import { readAddress } from "./address.ts"
import { canonicalName } from "./host-name.ts"

/** Longest URL of a feed. */
const URL_CHARACTERS_MAX = 1_024
/** No user, no fragment; the host is a name, or an address. */
const SHAPE =
  /^http:\/\/([a-z0-9.-]+\.i2p(?:\.alt)?)(?::([1-9][0-9]{0,4}))?(\/[!$-;=?-[\]_a-z~%]*)?$/i

/** Where a feed is. */
export interface FeedUrl {
  /** In its one spelling: it names the feed. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** With the query, from `/` on. */
  readonly path: string
}

/** @returns `undefined` for what is no URL inside I2P. */
export function parseFeedUrl(text: string): FeedUrl | undefined {
  if (text.length > URL_CHARACTERS_MAX) return undefined
  const [, written = "", portText = "80", path = "/"] = SHAPE.exec(text) ?? []
  const isAddress = /\.b32\.i2p(?:\.alt)?$/i.test(written)
  const host = isAddress ? readAddress(written) : canonicalName(written)
  const port = Number(portText)
  if (!host?.endsWith(".i2p") || port > 65_535) return undefined
  return { url: `http://${host}${port === 80 ? "" : `:${port}`}${path}`, host, port, path }
}

/** @throws {AlliumError} `BAD_FEED`. */
export function requireFeedUrl(text: string): FeedUrl {
  const url = parseFeedUrl(text)
  if (url !== undefined) return url
  throw new AlliumError("BAD_FEED", "Cannot use feed: expected http://, a name in .i2p and a path")
}

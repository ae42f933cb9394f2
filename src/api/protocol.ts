/**
 * What both ends of the local API know.
 *
 * @module
 */
import type { OfferDescription } from "../router/offer-description.ts"

/** Set on every answer while the network is embedded. */
export const NETWORK_HEADER = "allium-network"
/** Value of {@linkcode NETWORK_HEADER}. */
export const NETWORK_EMBEDDED = "embedded (NOT ANONYMOUS)"
/** What a person must read before anything else while the network is embedded. */
export const EMBEDDED_BANNER = "NOT ANONYMOUS: embedded network, this machine only"

/** A request body larger than this is refused: it is read into memory. A text of 1 MiB fits, whatever must be escaped in it. */
export const BODY_BYTES_MAX = 8_388_608

/** Answer of `GET /v1`. */
export interface Listing {
  readonly network: "i2p" | "embedded"
  /** Sentence to be shown to people, while there is something to warn of. */
  readonly banner?: string
  readonly offers: readonly OfferDescription[]
}

/** Body of every failure. */
export interface Failure {
  readonly error: { readonly code: string; readonly message: string; readonly next?: string }
}

/** Path of an offer: the words of its verb. */
export function pathOf(verb: string): string {
  return `/v1/${verb.replaceAll(" ", "/")}`
}

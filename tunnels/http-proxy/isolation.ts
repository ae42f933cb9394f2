/**
 * Which requests may be seen to come from one visitor.
 *
 * @module
 */
import type { IncomingHttpHeaders } from "node:http"

/**
 * `site`: every site meets another destination of ours, and so does what a page loads from elsewhere.
 * `user`: one destination for each user name given to the proxy. `none`: one for all.
 */
export const ISOLATIONS = ["site", "user", "none"] as const

/** One of {@linkcode ISOLATIONS}. */
export type Isolation = (typeof ISOLATIONS)[number]

const HOST_OF_URL = /^https?:\/\/([a-z0-9.-]{1,253})(?::\d{1,5})?(?:[/?#]|$)/i

/**
 * The host of the page that loads something, as the browser says; `undefined` when a page itself is
 * asked for: who follows a link is on the other site then.
 */
export function loadingHost(headers: IncomingHttpHeaders): string | undefined {
  const { accept = "", origin, referer } = headers
  if (accept.startsWith("text/html")) return undefined
  const [, host] = HOST_OF_URL.exec(referer ?? origin ?? "") ?? []
  return host?.toLowerCase().replace(/\.i2p\.alt$/, ".i2p")
}

/** Requests with the same key share a destination of ours; the empty key is the tunnel's own. */
export function isolationKey(
  isolation: Isolation,
  visit: { readonly user: string | undefined; readonly site: string },
): string {
  if (isolation === "none") return ""
  return isolation === "site" ? `site ${visit.site}` : userKey(visit.user)
}

function userKey(user: string | undefined): string {
  return user === undefined ? "" : `user ${user}`
}

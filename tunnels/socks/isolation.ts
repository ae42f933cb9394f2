/**
 * Which connections may be seen to come from one visitor.
 *
 * @module
 */
import type { Credentials } from "allium/tunnel"

/**
 * `user`: one destination of ours for each user name and password given to the proxy. `site`: one for each
 * site. `none`: one for all.
 */
export const ISOLATIONS = ["user", "site", "none"] as const

/** One of {@linkcode ISOLATIONS}. */
export type Isolation = (typeof ISOLATIONS)[number]

/** Connections with the same key share a destination of ours; the empty key is the tunnel's own. */
export function isolationKey(
  isolation: Isolation,
  visit: { readonly credentials: Credentials | undefined; readonly host: string },
): string {
  const { credentials, host } = visit
  if (isolation === "site") return `site ${host}`
  if (isolation === "none" || credentials === undefined) return ""
  return `user ${JSON.stringify([credentials.user, credentials.password])}`
}

/**
 * Header fields between a visitor and the program behind a site: the program learns who asks and cannot be
 * lied to about it; the visitor learns nothing of the machine.
 *
 * @module
 */
import { createHash } from "node:crypto"
import {
  claimsOrigin,
  type Destination,
  type Field,
  revealsServer,
  withoutFields,
  withoutHopByHop,
} from "allium/plugin"

/** What the program is told besides what the visitor sent. */
export interface BackendView {
  /** Value of `Host`: always ours, so that no visitor reaches another site of the same program. */
  readonly host: string
  readonly peer: Destination
}

/**
 * Fields of a request as the program gets them. Whatever speaks of the origin is taken out, look-alikes
 * (letter case, `_` for `-`) included; the true destination of the visitor is put in.
 */
export function fieldsForBackend(fields: readonly Field[], view: BackendView): Field[] {
  const { host, peer } = view
  const kept = withoutFields(withoutHopByHop(fields), isOurs).filter(
    ([name]) => !name.includes("_"),
  )
  return [
    ["Host", host],
    ...kept,
    ["X-I2P-DestHash", destinationHash(peer)],
    ["X-I2P-DestB32", peer.b32],
    ["X-I2P-DestB64", peer.base64],
  ]
}

function isOurs(name: string): boolean {
  return name === "host" || name === "content-length" || claimsOrigin(name)
}

/** SHA-256 of the destination in I2P's base64. */
function destinationHash(peer: Destination): string {
  const hash = createHash("sha256").update(peer.bytes).digest("base64")
  return hash.replaceAll("+", "-").replaceAll("/", "~")
}

/**
 * Fields of an answer as the visitor gets them: nothing that names software, clock or machine; links to the
 * program's own address become paths; cookies belong to the site that set them.
 *
 * @param ownNames - `host` and `host:port` under which the program knows itself, lower case.
 */
export function fieldsForVisitor(fields: readonly Field[], ownNames: ReadonlySet<string>): Field[] {
  return withoutFields(fields, revealsServer).map(([name, value]) => {
    const plain = name.toLowerCase()
    if (plain === "location" || plain === "content-location") return [name, asPath(value, ownNames)]
    if (plain === "refresh") return [name, refreshed(value, ownNames)]
    return plain === "set-cookie" ? [name, withoutDomain(value)] : [name, value]
  })
}

/** A link to the program itself, or to any address of this machine or its network, without the host. */
function asPath(link: string, ownNames: ReadonlySet<string>): string {
  const [, authority, rest = ""] = /^(?:https?:)?\/\/([^/?#]*)(.*)$/i.exec(link.trim()) ?? []
  if (authority === undefined || !isOfThisSide(authority.toLowerCase(), ownNames)) return link
  return rest.startsWith("/") ? rest.replace(/^\/+/, "/") : `/${rest}`
}

function refreshed(value: string, ownNames: ReadonlySet<string>): string {
  const [, before, link] = /^([^;,]*[;,]\s*(?:url\s*=\s*)?["']?)([^"']*)/i.exec(value) ?? []
  return link === undefined ? value : `${before?.replace(/["']$/, "")}${asPath(link, ownNames)}`
}

const PRIVATE_HOST =
  /^(?:localhost|.*\.localhost|.*\.local|.*\.internal|127\..*|10\..*|192\.168\..*|169\.254\..*|172\.(?:1[6-9]|2\d|3[01])\..*|0\.0\.0\.0|\[.*\])$/

function isOfThisSide(authority: string, ownNames: ReadonlySet<string>): boolean {
  const host = authority.replace(/:\d*$/, "")
  return ownNames.has(authority) || PRIVATE_HOST.test(host)
}

function withoutDomain(cookie: string): string {
  return cookie.replace(/;\s*domain\s*=[^;]*/gi, "")
}

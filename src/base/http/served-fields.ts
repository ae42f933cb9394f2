/**
 * Header fields between a visitor and the program behind a site: the program learns who asks and cannot be
 * lied to about it; the visitor learns nothing of the machine.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { type Field, withoutFields, withoutHopByHop } from "./fields.ts"
import { claimsOrigin, revealsServer } from "./privacy.ts"

/** Somebody who asks, as the router vouches for. */
export interface Visitor {
  /** `.b32.i2p` name of 52 characters. */
  readonly b32: string
  /** Whole destination, in I2P's base64 and in bytes. */
  readonly base64: string
  readonly bytes: Uint8Array
}

/** What the program is told besides what the visitor sent. */
export interface BackendView {
  /** Value of `Host`: always ours, so that no visitor reaches another site of the same program. */
  readonly host: string
  readonly peer: Visitor
  /** Name of a cookie that is ours, and none of the program's business. */
  readonly ownCookie?: string | undefined
}

/** Names with anything else become the name of another field somewhere: CGI makes `-` and `_` one. */
const PLAIN_NAME = /^[A-Za-z0-9-]+$/

/**
 * Fields of a request as the program gets them. Whatever speaks of the origin is taken out, look-alikes
 * (letter case, `_` and `.` for `-`) included; the true destination of the visitor is put in.
 */
export function fieldsForBackend(fields: readonly Field[], view: BackendView): Field[] {
  const { host, peer, ownCookie } = view
  const kept = withoutFields(withoutHopByHop(fields), isOurs)
    .filter(([name]) => PLAIN_NAME.test(name))
    .flatMap((field) => withoutCookie(field, ownCookie))
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

function withoutCookie([name, value]: Field, own: string | undefined): Field[] {
  if (own === undefined || name.toLowerCase() !== "cookie") return [[name, value]]
  const others = value.split(";").filter((one) => one.split("=")[0]?.trim() !== own)
  return others.length === 0 ? [] : [[name, others.join(";").trim()]]
}

/** Of visitors who are here: most ask more than once. */
const hashes = new WeakMap<Visitor, string>()

/** SHA-256 of the destination in I2P's base64. */
function destinationHash(peer: Visitor): string {
  const known = hashes.get(peer)
  if (known !== undefined) return known
  const base64 = createHash("sha256").update(peer.bytes).digest("base64")
  const hash = base64.replaceAll("+", "-").replaceAll("/", "~")
  hashes.set(peer, hash)
  return hash
}

/** How a site is known inside and outside. */
export interface SiteNames {
  /** `host` and `host:port` under which the program knows itself, lower case. */
  readonly own: ReadonlySet<string>
  /** The site's address in I2P. */
  readonly site: string
  /** Links to the clear net stay as they are; else they become paths, for they may name the machine. */
  readonly keepClearnet: boolean
}

/** Fields that hold one link, which a path can replace. */
const LINKS = new Set(["location", "content-location", "sourcemap", "x-sourcemap"])

/**
 * Fields of an answer as the visitor gets them: nothing that names software, clock or machine; links to the
 * program's own address become paths, or name the site where a path is not allowed; cookies belong to the site that
 * set them.
 */
export function fieldsForVisitor(fields: readonly Field[], names: SiteNames): Field[] {
  return withoutFields(fields, revealsServer).map(([name, value]) => [
    name,
    valueForVisitor(name.toLowerCase(), value, names),
  ])
}

function valueForVisitor(name: string, value: string, names: SiteNames): string {
  if (LINKS.has(name)) return asPath(value, names)
  if (name === "refresh") return refreshed(value, names)
  if (name === "link")
    return value.replace(/<([^<>]*)>/g, (_all, link: string) => `<${asPath(link, names)}>`)
  return named(name === "set-cookie" ? withoutDomain(value) : value, names)
}

/** A link to the program itself, or to any address of this machine or its network, without the host. */
function asPath(link: string, names: SiteNames): string {
  const [, authority, rest = ""] =
    /^(?:[a-z][a-z0-9+.-]*:)?[/\\]{2}([^/\\?#]*)(.*)$/i.exec(link.trim()) ?? []
  if (authority === undefined || !mustGo(authority, names)) return link
  return /^[/\\]/.test(rest) ? rest.replace(/^[/\\]+/, "/") : `/${rest}`
}

function refreshed(value: string, names: SiteNames): string {
  const [, before, link] = /^([^;,]*[;,]\s*(?:url\s*=\s*)?["']?)([^"']*)/i.exec(value) ?? []
  return link === undefined ? value : `${before?.replace(/["']$/, "")}${asPath(link, names)}`
}

/** Anywhere else, such as in a policy: the site's own address in place of the program's. */
function named(value: string, names: SiteNames): string {
  return value.replace(
    /\b(https?|wss?):\/\/([^\s/\\?#"'<>;,]+)/gi,
    (all, scheme: string, authority: string) =>
      isOfThisSide(authority, names)
        ? `${/^w/i.test(scheme) ? "ws" : "http"}://${names.site}`
        : all,
  )
}

/** In a redirection nothing may stay that is neither of I2P nor asked for. */
function mustGo(authority: string, names: SiteNames): boolean {
  if (isOfThisSide(authority, names)) return true
  const { host } = split(authority)
  return !names.keepClearnet && !/\.i2p(?:\.alt)?\.?$/.test(host)
}

const PRIVATE_HOST =
  /^(?:localhost|.*\.localhost|.*\.local|.*\.internal|.*\.lan|.*\.home|.*\.arpa|127\..*|10\..*|192\.168\..*|169\.254\..*|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\..*|172\.(?:1[6-9]|2\d|3[01])\..*|0(?:\.0\.0\.0)?|\[.*\]|[^.*]+)$/

function isOfThisSide(authority: string, { own }: SiteNames): boolean {
  const { host, withPort } = split(authority)
  return own.has(withPort) || own.has(host) || PRIVATE_HOST.test(host)
}

/** Without a user's name, in lower case. */
function split(authority: string): { host: string; withPort: string } {
  const withPort = authority.slice(authority.lastIndexOf("@") + 1).toLowerCase()
  return { host: withPort.replace(/:\d*$/, ""), withPort }
}

function withoutDomain(cookie: string): string {
  return cookie.replace(/;\s*domain\s*(?:=[^;]*)?(?=;|$)/gi, "")
}

/**
 * Where a request to the proxy wants to go: read strictly, and only I2P is a place.
 *
 * The text is never normalised by a URL parser: what looks odd is refused, so that nobody downstream can
 * read it differently.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 * @module
 */
import { AlliumError } from "allium/tunnel"

/** A place within I2P. */
export interface ProxyTarget {
  /** Lower case, ends in `.i2p`. */
  readonly host: string
  /** 1 to 65535. */
  readonly port: number
  /** Path and query, as typed; empty for CONNECT. */
  readonly path: string
}

const ABSOLUTE_FORM = /^http:\/\/([^/?#]*)([^#]*)(?:#.*)?$/i
const AUTHORITY = /^([a-z0-9.-]{1,253})(?::(\d{1,5}))?$/i
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** Names I2P routers answer themselves: nobody may be sent there through us. */
const RESERVED = /(?:^|\.)(?:proxy|router|console|mail|localhost)\.i2p$/
const HTTP_PORT = 80

/**
 * Reads `http://host.i2p:port/path?query`.
 *
 * @param text - The request target as it came.
 * @throws {AlliumError} `BAD_REQUEST` when it is not an absolute `http:` URL; `PROXY_REFUSED` when it leads
 * out of I2P.
 */
export function parseProxyUrl(text: string): ProxyTarget {
  const [, authority, rest = ""] = ABSOLUTE_FORM.exec(text) ?? []
  if (authority === undefined) throw notAbsolute(text)
  const path = rest.startsWith("/") ? rest : `/${rest}`
  if (!/^[\x21-\x7e\x80-\xff]*$/.test(path))
    throw new AlliumError("BAD_REQUEST", "Cannot open page: its path has control characters")
  return { ...parseAuthority(authority, HTTP_PORT), path }
}

/**
 * Reads the `host.i2p:port` of a CONNECT.
 *
 * @throws {AlliumError} as {@linkcode parseProxyUrl}.
 */
export function parseConnectTarget(text: string): ProxyTarget {
  return { ...parseAuthority(text, undefined), path: "" }
}

function parseAuthority(authority: string, usualPort: number | undefined) {
  if (authority.includes("@"))
    throw new AlliumError("BAD_REQUEST", "Cannot open page: the address holds a user name")
  const [, name, digits] = AUTHORITY.exec(authority) ?? []
  if (name === undefined) throw outside()
  const port = digits === undefined ? usualPort : Number(digits)
  if (port === undefined || port < 1 || port > 65_535)
    throw new AlliumError("BAD_REQUEST", "Cannot open page: expected a port from 1 to 65535")
  return { host: requireI2pHost(name.toLowerCase()), port }
}

function requireI2pHost(host: string): string {
  const labels = host.split(".")
  const isI2p =
    labels.length > 1 && labels.at(-1) === "i2p" && labels.every((label) => LABEL.test(label))
  if (!isI2p || RESERVED.test(host)) throw outside()
  return host
}

function outside(): AlliumError {
  const message =
    "Cannot open page: the address leads out of I2P, expected a name that ends in .i2p"
  return new AlliumError("PROXY_REFUSED", message)
}

function notAbsolute(text: string): AlliumError {
  if (/^https:/i.test(text)) return outside()
  const found = text.startsWith("/") ? "this is a proxy, not a site" : "its address is no http: URL"
  return new AlliumError("BAD_REQUEST", `Cannot open page: ${found}`)
}

/** The `Host` field says the same as the URL; RFC 9112 lets the URL win, but a difference is an attack. */
export function hostAgrees(host: string | undefined, target: ProxyTarget): boolean {
  if (host === undefined) return true // HTTP/1.0
  const stated = host.toLowerCase()
  const withPort = `${target.host}:${target.port}`
  return stated === withPort || (target.port === HTTP_PORT && stated === target.host)
}

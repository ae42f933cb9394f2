/**
 * Where a request to the proxy wants to go: read strictly, and only I2P is a place.
 *
 * The text is never normalised by a URL parser: what looks odd is refused, so that nobody downstream can
 * read it differently.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 * @module
 */
import { AlliumError, isHostName, isReaderKey, readI2pHost } from "allium/tunnel"

/** A place a request wants to go to. */
export interface ProxyTarget {
  /** As typed, in lower case. */
  readonly typedHost: string
  /** As looked for: lower case, without the `.alt` that RFC 9476 lets people put behind `.i2p`. */
  readonly host: string
  /** 1 to 65535. */
  readonly port: number
  /** Path and query, as typed; empty for CONNECT. */
  readonly path: string
  /** Outside I2P: only an outproxy leads there. */
  readonly isOutside: boolean
  /** Of an encrypted site: stands in front of its address, and is not sent there. */
  readonly readerKey?: string
}

/** Which places there are. */
export interface TargetRules {
  /** Public names outside I2P too. */
  readonly allowOutside: boolean
}

const ABSOLUTE_FORM = /^http:\/\/([^/?#]*)([^#]*)(?:#.*)?$/i
const AUTHORITY = /^([a-z0-9.-]{1,253})(?::(\d{1,5}))?$/i
/** A reader key and the blinded key of an encrypted site. */
const WITH_READER_KEY = /^([a-z2-7]{26})\.([a-z2-7]{56,63}\.b32\.i2p)(?:\.alt)?$/
/** Names that mean a machine nearby, whoever resolves them; and other overlays. */
const NEARBY =
  /(?:^|\.)(?:localhost|localdomain|local|lan|home|internal|intranet|corp|private|arpa|onion|alt|i2p)$/
const HTTP_PORT = 80

/**
 * Reads `http://host.i2p:port/path?query`.
 *
 * @param text - The request target as it came.
 * @throws {AlliumError} `BAD_REQUEST` when it is not an absolute `http:` URL, `BAD_NAME` for a damaged
 * address; `PROXY_REFUSED` when it leads out of I2P, or nearby.
 */
export function parseProxyUrl(text: string, rules: TargetRules): ProxyTarget {
  const [, authority, rest = ""] = ABSOLUTE_FORM.exec(text) ?? []
  if (authority === undefined) throw notAbsolute(text)
  const path = rest.startsWith("/") ? rest : `/${rest}`
  if (!/^[\x21-\x7e\x80-\xff]*$/.test(path))
    throw new AlliumError("BAD_REQUEST", "Cannot open page: its path has control characters")
  return { ...parseAuthority(authority, HTTP_PORT, rules), path }
}

/**
 * Reads the `host.i2p:port` of a CONNECT.
 *
 * @throws {AlliumError} as {@linkcode parseProxyUrl}.
 */
export function parseConnectTarget(text: string, rules: TargetRules): ProxyTarget {
  return { ...parseAuthority(text, undefined, rules), path: "" }
}

/** The usual port of `http:` is left out. */
export function formatAuthority(host: string, port: number): string {
  return port === HTTP_PORT ? host : `${host}:${port}`
}

function parseAuthority(authority: string, usualPort: number | undefined, rules: TargetRules) {
  if (authority.includes("@"))
    throw new AlliumError("BAD_REQUEST", "Cannot open page: the address holds a user name")
  const [, name, digits] = AUTHORITY.exec(authority) ?? []
  if (name === undefined) throw badAuthority(authority)
  const port = digits === undefined ? usualPort : Number(digits)
  if (port === undefined || port < 1 || port > 65_535) throw badPort()
  return { ...requireHost(name.toLowerCase(), rules), port }
}

function requireHost(typedHost: string, { allowOutside }: TargetRules) {
  const [, readerKey = "", host] = WITH_READER_KEY.exec(typedHost) ?? []
  if (host !== undefined && isReaderKey(readerKey))
    return { typedHost, host, isOutside: false, readerKey }
  const isOutside = allowOutside && isPublic(typedHost)
  return { typedHost, host: isOutside ? typedHost : readI2pHost(typedHost), isOutside }
}

/** A name of the public DNS. One that ends in a number is an IP address in one of its many spellings. */
function isPublic(host: string): boolean {
  return isHostName(host) && !NEARBY.test(host) && /\.[a-z][a-z0-9-]*$/.test(host)
}

function refused(): AlliumError {
  const message =
    "Cannot open page: the address leads out of I2P, expected a name that ends in .i2p"
  return new AlliumError("PROXY_REFUSED", message)
}

function badPort(): AlliumError {
  return new AlliumError("BAD_REQUEST", "Cannot open page: expected a port from 1 to 65535")
}

/** A port that is no number is a mistake; a host that is no name leads nowhere. */
function badAuthority(authority: string): AlliumError {
  return /^[a-z0-9.-]+\.i2p:[^\]]*$/i.test(authority) ? badPort() : refused()
}

function notAbsolute(text: string): AlliumError {
  if (/^https:/i.test(text)) return refused()
  const found = text.startsWith("/") ? "this is a proxy, not a site" : "its address is no http: URL"
  return new AlliumError("BAD_REQUEST", `Cannot open page: ${found}`)
}

/** The `Host` field says the same as the URL; RFC 9112 lets the URL win, but a difference is an attack. */
export function hostAgrees(
  host: string | undefined,
  { typedHost, port }: Pick<ProxyTarget, "typedHost" | "port">,
): boolean {
  if (host === undefined) return true // HTTP/1.0
  const stated = host.toLowerCase()
  return stated === `${typedHost}:${port}` || stated === formatAuthority(typedHost, port)
}

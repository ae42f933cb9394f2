/**
 * What a site sees of a request: the same for everybody, but for what they typed.
 *
 * Values follow I2P's own proxies, so that our users are among theirs.
 *
 * @module
 */
import {
  type Field,
  identifiesSender,
  plainName,
  withoutFields,
  withoutHopByHop,
} from "allium/tunnel"
import { formatAuthority } from "./target.ts"

/** What i2pd and Java I2P send for every browser. */
const USER_AGENT = "MYOB/6.66 (AN/ON)"
/** Outside I2P that would stand out: what i2pd sends there, and many with Tor. */
const OUTSIDE_USER_AGENT = "Mozilla/5.0 (Windows NT 10.0; rv:109.0) Gecko/20100101 Firefox/115.0"
const ACCEPT_PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
const ACCEPT_STYLE = "text/css,*/*;q=0.1"
/** One media type without parameters is a protocol's own word (`text/event-stream`), not a browser's mark. */
const ONE_TYPE = /^[a-z0-9.+*-]+\/[a-z0-9.+*-]+$/i
/** Schemes that carry a machine's or a domain's name. */
const TALKATIVE_SCHEMES = /^\s*(?:ntlm|negotiate|kerberos)\b/i

/** Set by us, made anew, or framing: never copied. */
const MADE_ANEW = new Set([
  "host",
  "user-agent",
  "accept",
  "accept-encoding",
  "content-length",
  "referer",
  "origin",
])

/** Whom the request goes to, as typed and as the site may know it. */
export interface FieldsTarget {
  /** As the user typed it; may be a private petname, so it never leaves. */
  readonly typedHost: string
  readonly port: number
  /** What the site may know itself as: its `.b32.i2p` name, or one that is public. */
  readonly saidHost: string
  readonly isOutside: boolean
}

/** Fields as they go to the site: `Host` first, the common ones next, the rest by name. */
export function fieldsForSite(fields: readonly Field[], target: FieldsTarget): Field[] {
  const first = (name: string) => fields.find(([own]) => own.toLowerCase() === name)?.[1]
  const common: (readonly [string, string | undefined])[] = [
    ["Host", originHost(target)],
    ["User-Agent", target.isOutside ? OUTSIDE_USER_AGENT : USER_AGENT],
    ["Accept", normalAccept(first("accept"))],
    ["Accept-Encoding", normalEncoding(first("accept-encoding"))],
    ["Referer", relativeReferer(first("referer"), target)],
    ["Origin", siteOrigin(first("origin"), target)],
  ]
  const rest = withoutFields(withoutHopByHop(fields), dropped).map(
    ([name, value]): Field => [titleCase(name), value],
  )
  const kept = rest.filter(([name]) => !name.includes("_"))
  return [...common.filter(isSet), ...kept.sort(byName)]
}

function isSet(field: readonly [string, string | undefined]): field is Field {
  return field[1] !== undefined
}

function dropped(name: string, value: string): boolean {
  if (MADE_ANEW.has(name) || identifiesSender(name)) return true
  if (name === "authorization") return TALKATIVE_SCHEMES.test(value)
  return name === "x-requested-with" && !value.endsWith("HttpRequest")
}

/** Name and port as the site may see them: no port where it is the usual one. */
function originHost({ saidHost, port }: FieldsTarget): string {
  return formatAuthority(saidHost, port)
}

function normalAccept(given: string | undefined): string {
  if (given === undefined) return "*/*"
  if (given.startsWith("text/html")) return ACCEPT_PAGE
  if (given.startsWith("text/css")) return ACCEPT_STYLE
  return ONE_TYPE.test(given) && !given.startsWith("image/") ? given : "*/*"
}

/** What every browser offers over plain HTTP, or nothing; lists of their own would tell them apart. */
function normalEncoding(given: string | undefined): string | undefined {
  if (given === undefined) return undefined
  const offers = given.toLowerCase()
  if (!offers.includes("gzip")) return undefined
  return offers.includes("deflate") ? "gzip, deflate" : "gzip"
}

/** Path of a page of the same site; any other page stays our secret. */
function relativeReferer(given: string | undefined, target: FieldsTarget): string | undefined {
  const rest = given === undefined ? undefined : withoutOrigin(given, target)
  return rest === undefined ? undefined : (/^\/[^#]*/.exec(rest)?.[0] ?? "/")
}

/** The site's own origin under the name it knows; `null` for any other. */
function siteOrigin(given: string | undefined, target: FieldsTarget): string | undefined {
  if (given === undefined) return undefined
  return withoutOrigin(given, target) === "" ? `http://${originHost(target)}` : "null"
}

/** What follows the site's own origin in `url`; `undefined` when it is another's. */
function withoutOrigin(url: string, { typedHost, port }: FieldsTarget): string | undefined {
  const lower = url.toLowerCase()
  const origins = [`http://${typedHost}:${port}`, ...(port === 80 ? [`http://${typedHost}`] : [])]
  const own = origins.find((origin) => lower.startsWith(origin))
  const rest = own === undefined ? undefined : url.slice(own.length)
  return rest === undefined || /^(?:$|[/?#])/.test(rest) ? rest : undefined
}

/** `accept-RANGES` and `Accept-Ranges` tell browsers apart: one spelling for all. */
function titleCase(name: string): string {
  return plainName(name).replace(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase())
}

function byName([one]: Field, [other]: Field): number {
  return one < other ? -1 : one > other ? 1 : 0
}

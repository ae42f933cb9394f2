/**
 * Header fields that tell who somebody is, or which machine answers.
 *
 * The lists hold what I2P's own proxies strip and what they were measured to forget. Names are plain
 * ({@linkcode plainName}): lower case, dashes.
 *
 * @module
 */
import { plainName } from "./fields.ts"

/** In requests: where it came from and through whom; true or pretended. */
const CLAIMING_ORIGIN = new Set([
  "client-ip",
  "fastly-client-ip",
  "forwarded",
  "forwarded-for",
  "proxy", // CGI makes it HTTP_PROXY, and programs believe that
  "true-client-ip",
  "via",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-host",
  "x-originating-ip",
  "x-real-ip",
  "x-remote-addr",
  "x-remote-ip",
])
const CLAIMING_PREFIXES = ["cf-", "proxy-", "x-envoy-", "x-forwarded", "x-i2p", "x-original-"]

/** In requests: with what machine, language and settings. */
const TELLING_HABITS = new Set([
  "accept-charset",
  "accept-datetime",
  "accept-language",
  "alt-used",
  "baggage",
  "date",
  "device-memory",
  "dnt",
  "downlink",
  "dpr",
  "early-data",
  "ect",
  "from",
  "priority",
  "rtt",
  "save-data",
  "sentry-trace",
  "traceparent",
  "tracestate",
  "upgrade-insecure-requests",
  "viewport-width",
  "warning",
  "width",
  "x-att-deviceid",
  "x-cloud-trace-context",
  "x-uidh",
  "x-wap-profile",
])
const TELLING_PREFIXES = ["sec-ch-", "sec-fetch-", "sec-gpc", "sec-purpose", "x-b3-"]

/** A request field that says, truly or not, where the request came from: a server might believe it. */
export function claimsOrigin(name: string): boolean {
  return isListed(name, CLAIMING_ORIGIN, CLAIMING_PREFIXES)
}

/** A request field that names the user, the machine or the way. */
export function identifiesSender(name: string): boolean {
  return claimsOrigin(name) || isListed(name, TELLING_HABITS, TELLING_PREFIXES)
}

function isListed(name: string, names: ReadonlySet<string>, prefixes: readonly string[]): boolean {
  const plain = plainName(name)
  return names.has(plain) || prefixes.some((prefix) => plain.startsWith(prefix))
}

/** In answers: which software and machine, which clock, and ways around the tunnel. */
const REVEALING = new Set([
  "alt-svc",
  "date",
  "expect-ct",
  "nel",
  "origin-agent-cluster",
  "public-key-pins",
  "public-key-pins-report-only",
  "report-to",
  "reporting-endpoints",
  "server",
  "server-timing",
  "strict-transport-security",
  "via",
  "x-backend-server",
  "x-generator",
  "x-powered-by",
  "x-real-ip",
  "x-runtime",
  "x-served-by",
  "x-server",
])
const REVEALING_PREFIXES = ["cf-", "x-amz-", "x-aspnet", "x-envoy-", "x-forwarded", "x-i2p"]

/** An answer's field that names the machine behind a hidden site, or leads past the tunnel. */
export function revealsServer(name: string): boolean {
  return isListed(name, REVEALING, REVEALING_PREFIXES)
}

/** An answer's field that would make a browser go around the proxy, or tell on the reader. */
const LEADING_ASTRAY = new Set([
  "alt-svc",
  "expect-ct",
  "nel",
  "public-key-pins",
  "public-key-pins-report-only",
  "report-to",
  "reporting-endpoints",
  "accept-ch",
  "critical-ch",
])

/** What a reader's proxy takes out of an answer. */
export function leadsAstray(name: string): boolean {
  return LEADING_ASTRAY.has(plainName(name))
}

/**
 * Header fields that tell who somebody is, or which machine answers.
 *
 * The lists hold what I2P's own proxies strip and what they were measured to forget. Names are plain
 * ({@linkcode plainName}): lower case, dashes.
 *
 * @module
 */
import { plainName } from "./fields.ts"

/** In requests: where it came from, through whom, with what machine, language and settings. */
const IDENTIFYING = new Set([
  "accept-charset",
  "accept-datetime",
  "accept-language",
  "alt-used",
  "baggage",
  "client-ip",
  "date",
  "device-memory",
  "dnt",
  "downlink",
  "dpr",
  "early-data",
  "ect",
  "fastly-client-ip",
  "forwarded",
  "forwarded-for",
  "from",
  "priority",
  "rtt",
  "save-data",
  "sentry-trace",
  "traceparent",
  "tracestate",
  "true-client-ip",
  "upgrade-insecure-requests",
  "via",
  "viewport-width",
  "warning",
  "width",
  "x-att-deviceid",
  "x-client-ip",
  "x-cloud-trace-context",
  "x-cluster-client-ip",
  "x-host",
  "x-originating-ip",
  "x-real-ip",
  "x-remote-addr",
  "x-remote-ip",
  "x-uidh",
  "x-wap-profile",
])
const IDENTIFYING_PREFIXES = [
  "cf-",
  "proxy-",
  "sec-ch-",
  "sec-fetch-",
  "sec-gpc",
  "sec-purpose",
  "x-b3-",
  "x-envoy-",
  "x-forwarded",
  "x-i2p",
  "x-original-",
]

/** A request field that names the user, the machine or the way, or pretends to. */
export function identifiesSender(name: string): boolean {
  const plain = plainName(name)
  return IDENTIFYING.has(plain) || IDENTIFYING_PREFIXES.some((prefix) => plain.startsWith(prefix))
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
  const plain = plainName(name)
  return REVEALING.has(plain) || REVEALING_PREFIXES.some((prefix) => plain.startsWith(prefix))
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

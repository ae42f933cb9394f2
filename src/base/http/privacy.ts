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
  "client-ip",
  "date",
  "expect-ct",
  "expect-staple",
  "forwarded",
  "host",
  "liferay-portal",
  "microsoftsharepointteamservices",
  "nel",
  "origin-agent-cluster",
  "powered-by",
  "public-key-pins",
  "public-key-pins-report-only",
  "report-to",
  "reporting-endpoints",
  "server",
  "server-timing",
  "strict-transport-security",
  "true-client-ip",
  "via",
  "x-backend",
  "x-client-ip",
  "x-correlation-id",
  "x-generator",
  "x-host",
  "x-hostname",
  "x-instance",
  "x-machine",
  "x-node",
  "x-owa-version",
  "x-pingback",
  "x-pod",
  "x-powered-by",
  "x-powered-cms",
  "x-rack-cache",
  "x-real-ip",
  "x-request-id",
  "x-request-start",
  "x-runtime",
  "x-served-by",
  "x-timer",
  "x-trace-id",
  "x-turbo-charged-by",
  "x-upstream",
  "x-varnish",
  "x-version",
  "x-vhost",
  "x-via",
])
const REVEALING_PREFIXES = [
  "cf-",
  "fly-",
  "proxy-",
  "x-amz-",
  "x-amzn-",
  "x-aspnet",
  "x-azure-",
  "x-backend-",
  "x-cache",
  "x-debug",
  "x-drupal-",
  "x-envoy-",
  "x-forwarded",
  "x-hosted",
  "x-i2p",
  "x-kong-",
  "x-litespeed",
  "x-ms-",
  "x-nginx-",
  "x-original-",
  "x-php-",
  "x-proxy-",
  "x-remote-",
  "x-server",
  "x-upstream-",
]

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

/**
 * What each line of i2pd's and Java I2P's tunnel files becomes here. Nothing is dropped without a word.
 *
 * @module
 */

import { encodeBase32 } from "../base/base32.ts"
import { decodeBase64 } from "../sam/base64.ts"
import type { ConfigLine, ConfigTunnel } from "./tunnel-config-files.ts"

/** What became of one line: an option, nothing because none is needed, or nothing although something was wanted. */
export interface LineFate extends Pick<ConfigLine, "line" | "key"> {
  readonly fate: "mapped" | "ignored" | "refused"
  readonly says: string
}

/** A tunnel as it would be added. */
export interface TunnelPlan {
  readonly title: string
  readonly line: number
  /** Wanted name, not yet checked. */
  readonly name: string
  /** `undefined` when there is no kind for it; `says` has the reason. */
  readonly kind: string | undefined
  readonly says: string
  readonly options: Record<string, unknown>
  /** Path as written. */
  readonly keyFile: string | undefined
  readonly stopped: boolean
  readonly fates: LineFate[]
}

/** Stands for the head of a section that became part of another's tunnel. */
export const SECTION_KEY = "[section]"

/** Kinds by `type=` of both routers; in lower case they never mean different things. */
const KINDS: Readonly<Record<string, string>> = {
  client: "tcp-client",
  server: "tcp-server",
  http: "http-server",
  httpserver: "http-server",
  httpproxy: "http-proxy",
  httpclient: "http-proxy",
  connectclient: "http-proxy",
  socks: "socks",
  sockstunnel: "socks",
  irc: "irc-server",
  ircserver: "irc-server",
  ircclient: "irc-client",
  udpclient: "udp-client",
  udpserver: "udp-server",
}
/** Types that have no kind, and what to do instead. */
const LACKING: Readonly<Record<string, string>> = {
  websocks: "i2pd itself starts none any more",
  httpbidirserver: "make an http-server and an http-proxy",
  socksirctunnel: "make a socks tunnel, or an irc-client",
  streamrclient: "Streamr is not spoken here",
  streamrserver: "Streamr is not spoken here",
}

/** Options of the I2P router for its own tunnels; sessions of ours are the same for everybody. */
const ROUTER_OPTIONS =
  /^(option\.)?(inbound|outbound|i2cp|i2p\.streaming|crypto|streaming)\.|^(signaturetype|cryptotype|explicitpeers|trustedrouters|gzip|keepaliveinterval|i2cphost|i2cpport)$/i
/** Who may read the LeaseSet, in both routers' spelling, without `option.`. */
const READERS =
  /^i2cp\.(leasesettype|leasesetauthtype|encryptleaseset|leasesetsecret|leasesetkey|leasesetprivkey|leasesetprivatekey|leasesetsigningprivatekey|leasesetclient\..*)$/
/** Values of {@linkcode READERS} that leave a LeaseSet open to everybody. */
const OPEN_TO_ALL: Readonly<Record<string, RegExp>> = {
  "i2cp.leasesettype": /^[^5]?$/,
  "i2cp.leasesetauthtype": /^0?$/,
  "i2cp.encryptleaseset": /^(|false|0|no|off)$/i,
}
/** Of no consequence here. */
const IDLE =
  /^(description|sharedclient|(option\.)?(i2ptunnel\..*|persistentclientkey|outproxytype|useoutproxyplugin|sslproxies|httpclient\.ssloutproxies)|i2pheaders|senduseragent|option\.i2ptunnel.*)$/i

type Map = (value: string, plan: Growing) => LineFate["says"] | undefined
/** Options, and what is known only when all lines were read. */
interface Growing {
  readonly kind: string
  readonly options: Record<string, unknown>
  readonly raw: ReadonlyMap<string, string>
  keyFile: string | undefined
  stopped: boolean
}

/** Plans one tunnel. Every line but its type has a fate. */
export function planTunnel(tunnel: ConfigTunnel): TunnelPlan {
  const entries = tunnel.lines.map(({ key, value }) => [key.toLowerCase(), value] as const)
  const raw = new Map(entries.toReversed()) // the first of two counts
  const type = raw.get("type")?.toLowerCase() ?? ""
  const kind = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined
  const base = { title: tunnel.title, line: tunnel.line, name: raw.get("name") ?? tunnel.title }
  if (kind === undefined) {
    const says = `type "${type.slice(0, 40)}": ${LACKING[type] ?? "not known"}`
    const fates = tunnel.lines.map(({ line, key }) =>
      refused({ line, key }, "its tunnel is not taken"),
    )
    return { ...base, kind, says, options: {}, keyFile: undefined, stopped: false, fates }
  }
  const growing: Growing = { kind, options: {}, raw, keyFile: undefined, stopped: false }
  const fates = tunnel.lines.map((entry) => fateOf(entry, growing))
  finish(growing)
  const { options, keyFile, stopped } = growing
  return { ...base, kind, says: kind, options, keyFile, stopped, fates }
}

function fateOf({ line, key, value }: ConfigLine, growing: Growing): LineFate {
  const at = { line, key }
  const short = key.toLowerCase().replace(/^option\./, "")
  const port = /^targetforport\.(\d{1,5})$/.exec(short)?.[1]
  if (port !== undefined) return mapped(at, addRule(growing, `${port} -> ${value}`))
  if (READERS.test(short) && !(OPEN_TO_ALL[short]?.test(value.trim()) ?? value === ""))
    return refused(at, closedSite(growing))
  const map = Object.hasOwn(MAPS, short) ? MAPS[short] : undefined
  const says = map?.(value, growing)
  if (says?.startsWith("!")) return refused(at, says.slice(1))
  if (says !== undefined) return mapped(at, says)
  if (map !== undefined || IDLE.test(key))
    return { ...at, fate: "ignored", says: "not needed here" }
  if (ROUTER_OPTIONS.test(key))
    return {
      ...at,
      fate: "ignored",
      says: "sessions have the router's defaults: three hops each way",
    }
  return refused(at, "there is no such option here")
}

/** A site that not everybody may find must not become one that everybody finds, unasked. */
function closedSite(growing: Growing): string {
  if (!isServer(growing)) return "encrypted LeaseSets are not read here"
  growing.stopped = true
  return "its LeaseSet would not be encrypted, so everybody could reach it: it is added stopped"
}

function mapped(at: Pick<ConfigLine, "line" | "key">, says: string): LineFate {
  return { ...at, fate: "mapped", says }
}

function refused(at: Pick<ConfigLine, "line" | "key">, says: string): LineFate {
  return { ...at, fate: "refused", says }
}

const isServer = ({ kind }: Growing) => kind.endsWith("-server")
const isTrue = (value: string) => /^(true|1|yes|on)$/i.test(value)

/** Sets an option and says so. */
function set({ options }: Growing, name: string, value: unknown): string {
  options[name] = value
  return `${name} ${Array.isArray(value) ? value.join(" ") : value}`.slice(0, 120)
}

function addRule({ options }: Growing, rule: string): string {
  const rules = [...((options.expose as string[] | undefined) ?? []), rule]
  options.expose = rules
  return `expose ${rule}`.slice(0, 120)
}

const count = (value: string) => (/^\d{1,9}$/.test(value) ? Number(value) : undefined)

/** `COUNT/SECONDS` from a count, unless it is 0, which means no limit. */
function rate(name: string, seconds: (growing: Growing) => number): Map {
  return (value, growing) => {
    const most = count(value)
    if (most === undefined) return "!no number"
    return most === 0 ? undefined : set(growing, name, `${most}/${seconds(growing)}`)
  }
}

const secondsOf = (key: string, otherwise: number) => (growing: Growing) =>
  count(growing.raw.get(`option.${key}`) ?? "") || otherwise

const listed =
  (name: string, enabled?: string): Map =>
  (value, growing) => {
    if (enabled !== undefined && !isTrue(growing.raw.get(`option.${enabled}`) ?? ""))
      return undefined
    const peers = value
      .split(/[\s,]+/)
      .filter(Boolean)
      .map(peerName)
    if (peers.length === 0) return undefined
    return peers.includes(undefined) ? "!holds what is no address" : set(growing, name, peers)
  }

/** A `.b32.i2p` name from one without its end, or from a hash in base64. */
function peerName(text: string): string | undefined {
  const bare = text.toLowerCase().replace(/\.b32\.i2p$/, "")
  if (/^[a-z2-7]{52}$/.test(bare)) return `${bare}.b32.i2p`
  if (!/^[A-Za-z0-9~-]{43}=$/.test(text)) return undefined
  return `${encodeBase32(decodeBase64(text))}.b32.i2p`
}

const keep: Map = () => undefined
const own = "read with the other lines of its tunnel"

const keyFile: Map = (value, growing) => {
  if (/^(transient|shareddest)/i.test(value)) return undefined
  growing.keyFile = value
  if (growing.kind === "tcp-client" || growing.kind === "irc-client")
    growing.options.keys = "persistent"
  return "the same address"
}

const refuseAgents: Map = (value, growing) => {
  const agents = value
    .split(",")
    .map((one) => one.trim())
    .filter(Boolean)
  return agents.length === 0 ? undefined : set(growing, "refuseUserAgent", agents)
}

const outproxies: Map = (value, growing) => {
  const all = value.split(",").map((one) =>
    one
      .trim()
      .replace(/^http:\/\//, "")
      .replace(/\/$/, ""),
  )
  if (growing.kind !== "http-proxy")
    return all.join("") === "" ? undefined : "!outproxies are for http-proxy"
  if (all.some((one) => one.includes("://") || one.includes("@")))
    return "!only HTTP without a password"
  const named = all.filter(Boolean)
  return named.length === 0 ? undefined : set(growing, "outproxy", named)
}

/** Said of what has no option, where something was wanted. */
const wanted =
  (says: string): Map =>
  (value) =>
    value === "" || /^(false|0|no|off)$/i.test(value) ? undefined : `!${says}`
const webirc = wanted(
  "put the password into a file of its own, then: tunnel edit NAME --webirc FILE",
)

/** By key in lower case, without `option.`; `undefined` from a map means that nothing needs to be done, `!` begins a refusal. */
const MAPS: Readonly<Record<string, Map>> = {
  [SECTION_KEY]: () => "one more port of the same address",
  type: (_, { kind }) => kind,
  name: () => own,
  address: (_, growing) => (isServer(growing) ? undefined : own),
  interface: (_, growing) => (isServer(growing) ? undefined : own),
  port: () => own,
  listenport: (_, growing) => (isServer(growing) ? undefined : own),
  host: () => own,
  inport: () => own,
  targethost: () => own,
  targetport: () => own,
  destination: (value, growing) => set(growing, "to", value.split(",").map(peerOrName)),
  targetdestination: (value, growing) =>
    value === ""
      ? undefined
      : set(
          growing,
          "to",
          value
            .split(/[\s,]+/)
            .filter(Boolean)
            .map(peerOrName),
        ),
  destinationport: (value, growing) => set(growing, "toPort", count(value) ?? value),
  connecttimeout: (value, growing) =>
    (count(value) ?? 0) === 0 ? undefined : set(growing, "waitSeconds", count(value)),
  keys: keyFile,
  privkeyfile: keyFile,
  startonload: (value, growing) => {
    if (isTrue(value)) return undefined
    growing.stopped = true
    return "stopped"
  },
  ssl: (value, growing) => (isTrue(value) ? set(growing, "tls", true) : undefined),
  usessl: (value, growing) => (isTrue(value) ? set(growing, "tls", true) : undefined),
  enableuniquelocal: (value, growing) =>
    isTrue(value) ? set(growing, "clientAddress", "loopback") : undefined,
  accesslist: listed("allow"),
  whitelist: listed("allow"),
  "i2cp.accesslist": (value, growing) =>
    isTrue(growing.raw.get("option.i2cp.enableblacklist") ?? "")
      ? listed("deny", "i2cp.enableblacklist")(value, growing)
      : listed("allow", "i2cp.enableaccesslist")(value, growing),
  "i2cp.enableaccesslist": keep,
  "i2cp.enableblacklist": keep,
  hostoverride: (value, growing) => (value === "" ? undefined : set(growing, "host", value)),
  spoofedhost: (value, growing) => (value === "" ? undefined : set(growing, "host", value)),
  filterdefinition: (value, growing) => (value === "" ? undefined : set(growing, "filter", value)),
  rejectinproxy: (value, growing) =>
    isTrue(value) ? set(growing, "refuseInproxy", true) : undefined,
  rejectreferer: (value, growing) =>
    isTrue(value) ? set(growing, "refuseReferer", true) : undefined,
  rejectuseragents: keep,
  useragentrejectlist: refuseAgents,
  maxposts: rate("postRate", secondsOf("postchecktime", 300)),
  maxtotalposts: rate("postRateTotal", secondsOf("postchecktime", 300)),
  postchecktime: keep,
  postbantime: (value, growing) => set(growing, "postBanSeconds", count(value) ?? value),
  "i2p.streaming.maxconcurrentstreams": (value, growing) =>
    (count(value) ?? 0) === 0 ? undefined : set(growing, "connections", count(value)),
  "i2p.streaming.maxconnsperminute": rate("connectionRate", () => 60),
  "i2p.streaming.maxtotalconnsperminute": rate("connectionRateTotal", () => 60),
  "i2p.streaming.maxconnsperhour": rateOtherwise("connectionRate", 3_600, "perminute"),
  "i2p.streaming.maxtotalconnsperhour": rateOtherwise("connectionRateTotal", 3_600, "perminute"),
  outproxy: outproxies,
  proxylist: outproxies,
  webircpassword: webirc,
  "ircserver.webircpassword": webirc,
  "ircserver.method": (value, growing) => (value === "user" ? undefined : webirc(value, growing)),
  "ircserver.fakehostname": (value) =>
    /^(%[cfh](\.b32)?\.i2p)?$/i.test(value)
      ? undefined
      : "!clients are named by their .b32.i2p names",
  "i2ptunnel.ircclient.enabledcc": wanted("file offers are dropped; send with: allium file send"),
  "i2ptunnel.socks.proxy.default": wanted("socks leads nowhere out of I2P; http-proxy can"),
  "i2cp.delayopen": (value, growing) => (isTrue(value) ? set(growing, "lazy", true) : undefined),
}

/** One rate is all we have: a second one is said to be left out. */
function rateOtherwise(name: string, seconds: number, first: string): Map {
  return (value, growing) => {
    if ((count(value) ?? 0) === 0) return undefined
    return name in growing.options || [...growing.raw.keys()].some((key) => key.endsWith(first))
      ? "!there is one rate for each; the one by the minute is taken"
      : rate(name, () => seconds)(value, growing)
  }
}

function peerOrName(text: string): string {
  return text.trim()
}

/** What takes several lines: where it listens, and where it leads. */
function finish(growing: Growing): void {
  const { raw, kind, options } = growing
  const port = raw.get("listenport") ?? raw.get("port")
  if (!isServer(growing)) {
    const host = raw.get("interface") ?? raw.get("address") ?? "127.0.0.1"
    if (port !== undefined) options.listen = `${host.includes(":") ? `[${host}]` : host}:${port}`
    if (!/^(127\.|localhost$|::1$)/.test(host)) options.allowLan = true
    return
  }
  const host = raw.get("targethost") ?? raw.get("host") ?? "127.0.0.1"
  const target = `${host.includes(":") ? `[${host}]` : host}:${raw.get("targetport") ?? port ?? ""}`
  if (!/^(127\.|localhost$|::1$)/.test(host)) options.allowLan = true
  const inport = raw.get("inport")
  const rules = (options.expose as string[] | undefined) ?? []
  const isOnly = inport === undefined || inport === "0"
  if (kind === "tcp-server") options.expose = [...rules, isOnly ? target : `${inport} -> ${target}`]
  else options.expose = target
}

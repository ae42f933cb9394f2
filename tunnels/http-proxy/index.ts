/**
 * A proxy for browsers and other programs that speak HTTP: it opens I2P sites, and nothing else.
 *
 * @module
 */
import { defineTunnel, type OpenTunnel, parseHostPort, type TunnelContext, z } from "allium/tunnel"
import { openHttpProxy } from "./http-proxy.ts"
import { ISOLATIONS } from "./isolation.ts"
import { requireJump, USUAL_JUMPS } from "./jump.ts"
import { parseOutproxy } from "./outproxy.ts"
import { anybody, openUsers } from "./users.ts"

const MIB = 2 ** 20
const SERVER_LIMITS = {
  headBytesMax: 64 * 1024,
  headMs: 30_000,
  requestMs: 0, // an upload may take hours; one that stalls runs into `answerMs`
  keepAliveMs: 75_000,
}
/** How long to wait for tunnels of a new session: 20 to 40 s are usual. */
const SESSION_WAIT_MS = 120_000
/** A new stream that is silent for so long may lead nowhere; most answers come within five. */
const SECOND_MS = 15_000
/** A WebSocket or CONNECT on which nothing moves. */
const OPAQUE_IDLE_MS = 3_600_000

const seconds = (max: number) => z.number().int().min(1).max(max)

const options = z.object({
  listen: z
    .string()
    .default("127.0.0.1:4444")
    .meta({ description: "PORT or HOST:PORT of this machine; port 0 takes a free one" }),
  allowLan: z
    .boolean()
    .default(false)
    .meta({ description: "Allow a HOST that other machines can reach" }),
  isolate: z.enum(ISOLATIONS).default("none").meta({
    description: "Another I2P address of ours for each site, for each proxy user name, or one",
  }),
  sessions: z
    .number()
    .int()
    .min(1)
    .max(32)
    .default(8)
    .meta({ description: "I2P addresses open at a time; the one unused longest is closed" }),
  closeMinutes: z
    .number()
    .int()
    .min(0)
    .max(1_440)
    .default(30)
    .meta({ description: "Close an address nobody used for so long; 0 never" }),
  resume: z
    .enum(["new", "same"])
    .default("new")
    .meta({ description: "After that, come back under a new address or the same" }),
  lazy: z
    .boolean()
    .default(false)
    .meta({ description: "Open the first address with the first request instead of at once" }),
  users: z.string().max(4_096).optional().meta({
    description: "A file of user:password lines, mode 0600: only they may use the proxy",
  }),
  refusePorts: z
    .array(z.number().int().min(1).max(65_535))
    .max(64)
    .default([22, 25])
    .meta({ description: "Ports that CONNECT does not go to" }),
  jump: z
    .array(z.string().max(500))
    .max(16)
    .default(USUAL_JUMPS)
    .meta({ description: "Services to ask for an unknown name; URLs to which it is added" }),
  outproxy: z.array(z.string().max(300)).max(8).optional().meta({
    description: "HTTP proxies in I2P that lead out of it, NAME.i2p:PORT; the first that answers",
  }),
  waitSeconds: seconds(600)
    .default(60)
    .meta({ description: "How long to look for a site before giving up" }),
  answerSeconds: seconds(3_600)
    .default(180)
    .meta({ description: "How long to wait for the beginning of an answer" }),
  idleSeconds: seconds(3_600)
    .default(120)
    .meta({ description: "Longest pause within an answer; one hour for server-sent events" }),
  connections: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(512)
    .meta({ description: "Connections of programs at a time; more are refused" }),
  spoolMib: z.number().int().min(1).max(1_048_576).default(1_024).meta({
    description: "Disk for answers that wait for slow programs, in MiB, for the whole tunnel",
  }),
})

/** Options of `http-proxy` after they were checked. */
type HttpProxyOptions = z.output<typeof options>

async function open(context: TunnelContext, given: HttpProxyOptions): Promise<OpenTunnel> {
  const waitMs = given.waitSeconds * 1_000
  const outproxies = (given.outproxy ?? []).map(parseOutproxy)
  return openHttpProxy(context, {
    ...parseHostPort(given.listen, { allowLan: given.allowLan, allowAnyPort: true }),
    server: SERVER_LIMITS,
    waitMs,
    sessionWaitMs: SESSION_WAIT_MS,
    limits: {
      connectMs: SESSION_WAIT_MS + waitMs * Math.max(1, outproxies.length),
      secondMs: SECOND_MS,
      answerMs: given.answerSeconds * 1_000,
      idleMs: given.idleSeconds * 1_000,
      waitForReader: true,
    },
    opaqueIdleMs: OPAQUE_IDLE_MS,
    isolation: given.isolate,
    sessionsMax: given.sessions,
    idleMs: given.closeMinutes * 60_000,
    keepAddress: given.resume === "same",
    isLazy: given.lazy || given.isolate === "site",
    users: given.users === undefined ? anybody : await openUsers(given.users),
    refusedPorts: given.refusePorts,
    jumps: given.jump.map(requireJump),
    outproxies,
    connectionsMax: given.connections,
    spoolBytesMax: given.spoolMib * MIB,
  })
}

/** The kind `http-proxy`. */
export const httpProxy = defineTunnel({
  kind: "http-proxy",
  summary: "A proxy through which programs open I2P sites",
  options,
  examples: [
    "tunnel add http-proxy",
    "tunnel add http-proxy --listen 127.0.0.1:8118 --isolate site",
  ],
  open,
})

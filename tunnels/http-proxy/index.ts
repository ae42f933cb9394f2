/**
 * A proxy for browsers and other programs that speak HTTP: it opens I2P sites, and nothing else.
 *
 * @module
 */
import {
  defineTunnel,
  type OpenTunnel,
  proxyOptions,
  readProxy,
  type TunnelContext,
  whole,
  z,
} from "allium/tunnel"
import { openHttpProxy } from "./http-proxy.ts"
import { ISOLATIONS } from "./isolation.ts"
import { requireJump, USUAL_JUMPS } from "./jump.ts"
import { parseOutproxy } from "./outproxy.ts"
import { anybody, openUsers } from "./users.ts"

const SERVER_LIMITS = {
  headBytesMax: 64 * 1024,
  headMs: 30_000,
  requestMs: 0, // an upload may take hours; one that stalls runs into `answerMs`
  keepAliveMs: 75_000,
}
/** A new stream that is silent for so long may lead nowhere; most answers come within five. */
const SECOND_MS = 15_000
/** A WebSocket or CONNECT on which nothing moves. */
const OPAQUE_IDLE_MS = 3_600_000

const options = z.object({
  ...proxyOptions("127.0.0.1:4444"),
  isolate: z.enum(ISOLATIONS).default("none").meta({
    description: "Another I2P address of ours for each site, for each proxy user name, or one",
  }),
  refusePorts: z
    .array(whole(1, 65_535))
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
  answerSeconds: whole(1, 3_600)
    .default(180)
    .meta({ description: "How long to wait for the beginning of an answer" }),
  idleSeconds: whole(1, 3_600)
    .default(120)
    .meta({ description: "Longest pause within an answer; one hour for server-sent events" }),
})

/** Options of `http-proxy` after they were checked. */
type HttpProxyOptions = z.output<typeof options>

async function open(context: TunnelContext, given: HttpProxyOptions): Promise<OpenTunnel> {
  const rules = readProxy(given)
  const outproxies = (given.outproxy ?? []).map(parseOutproxy)
  return openHttpProxy(context, {
    ...rules,
    server: SERVER_LIMITS,
    limits: {
      connectMs: rules.sessionWaitMs + rules.waitMs * Math.max(1, outproxies.length),
      secondMs: SECOND_MS,
      answerMs: given.answerSeconds * 1_000,
      idleMs: given.idleSeconds * 1_000,
      waitForReader: true,
    },
    opaqueIdleMs: OPAQUE_IDLE_MS,
    isolation: given.isolate,
    isLazy: given.lazy || given.isolate === "site",
    users: given.users === undefined ? anybody : await openUsers(given.users, context.clock),
    refusedPorts: given.refusePorts,
    jumps: given.jump.map(requireJump),
    outproxies,
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

/**
 * A proxy for browsers and other programs that speak HTTP: it opens I2P sites, and nothing else.
 *
 * @module
 */
import { defineTunnel, type OpenTunnel, parseHostPort, type TunnelContext, z } from "allium/tunnel"
import { openHttpProxy } from "./http-proxy.ts"

const MIB = 2 ** 20

const options = z.object({
  listen: z
    .string()
    .default("127.0.0.1:4444")
    .meta({ description: "PORT or HOST:PORT of this machine; port 0 takes a free one" }),
  allowLan: z
    .boolean()
    .default(false)
    .meta({ description: "Allow a HOST that other machines can reach" }),
  waitSeconds: z
    .number()
    .int()
    .min(1)
    .max(600)
    .default(60)
    .meta({ description: "How long to look for a site before giving up" }),
  answerSeconds: z
    .number()
    .int()
    .min(1)
    .max(3_600)
    .default(180)
    .meta({ description: "How long to wait for the beginning of an answer" }),
  idleSeconds: z
    .number()
    .int()
    .min(1)
    .max(3_600)
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
  return openHttpProxy(context, {
    ...parseHostPort(given.listen, { allowLan: given.allowLan, allowAnyPort: true }),
    waitMs: given.waitSeconds * 1_000,
    limits: {
      answerMs: given.answerSeconds * 1_000,
      idleMs: given.idleSeconds * 1_000,
      waitForReader: true,
    },
    connectionsMax: given.connections,
    spoolBytesMax: given.spoolMib * MIB,
  })
}

/** The kind `http-proxy`. */
export const httpProxy = defineTunnel({
  kind: "http-proxy",
  summary: "A proxy through which programs open I2P sites",
  options,
  examples: ["tunnel add http-proxy", "tunnel add http-proxy --listen 127.0.0.1:8118"],
  open,
})

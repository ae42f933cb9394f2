/**
 * A port of this machine that leads to a destination: for programs that know a host and a port, such as
 * `ssh`, `git` or a chat client.
 *
 * @module
 */
import { defineTunnel, type OpenTunnel, parseHostPort, type TunnelContext, z } from "allium/tunnel"
import { openTcpClient } from "./tcp-client.ts"

const MIB = 2 ** 20

const options = z.object({
  to: z
    .array(z.string().min(1).max(1_024).regex(/^\S+$/))
    .min(1)
    .max(16)
    .meta({ description: "Where to connect: names, .b32.i2p or base64; the first that answers" }),
  toPort: z
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(0)
    .meta({ description: "Port at the other end; i2pd ignores it" }),
  listen: z
    .string()
    .default("127.0.0.1:0")
    .meta({ description: "PORT or HOST:PORT of this machine; port 0 takes a free one" }),
  allowLan: z
    .boolean()
    .default(false)
    .meta({ description: "Allow a HOST that other machines can reach" }),
  keys: z
    .enum(["transient", "persistent"])
    .default("transient")
    .meta({ description: "transient: a new address each start; persistent: the same one" }),
  lazy: z
    .boolean()
    .default(false)
    .meta({ description: "Open the address with the first connection instead of at once" }),
  closeMinutes: z
    .number()
    .int()
    .min(0)
    .max(1_440)
    .default(0)
    .meta({ description: "Close an address nobody used for so long; 0 never" }),
  waitSeconds: z
    .number()
    .int()
    .min(1)
    .max(600)
    .default(60)
    .meta({ description: "How long to try one destination" }),
  lingerSeconds: z
    .number()
    .int()
    .min(1)
    .max(3_600)
    .default(60)
    .meta({ description: "How long to wait for an answer after the program's last word" }),
  connections: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(128)
    .meta({ description: "Connections at a time; more are refused" }),
  spoolMib: z.number().int().min(1).max(1_048_576).default(1_024).meta({
    description: "Disk for answers that wait for slow programs, in MiB, for the whole tunnel",
  }),
})

/** Options of `tcp-client` after they were checked. */
type TcpClientOptions = z.output<typeof options>

async function open(context: TunnelContext, given: TcpClientOptions): Promise<OpenTunnel> {
  const at = parseHostPort(given.listen, { allowLan: given.allowLan, allowAnyPort: true })
  return openTcpClient(context, {
    ...at,
    targets: given.to,
    toPort: given.toPort,
    keys: given.keys,
    isLazy: given.lazy,
    idleMs: given.closeMinutes * 60_000,
    waitMs: given.waitSeconds * 1_000,
    lingerMs: given.lingerSeconds * 1_000,
    connectionsMax: given.connections,
    spoolBytesMax: given.spoolMib * MIB,
  })
}

/** The kind `tcp-client`. */
export const tcpClient = defineTunnel({
  kind: "tcp-client",
  summary: "Lead a port of this machine to a destination",
  options,
  examples: [
    "tunnel add tcp-client --to git.example.i2p --listen 9418",
    "tunnel add tcp-client --to first.i2p --to second.i2p --listen 127.0.0.1:6667",
  ],
  open,
})

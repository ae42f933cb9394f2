/**
 * A destination that leads to a port of this machine: for a program that listens and knows nothing of I2P.
 *
 * @module
 */
import { defineTunnel, type OpenTunnel, parseHostPort, type TunnelContext, z } from "allium/tunnel"
import { openTcpServer } from "./tcp-server.ts"

const MIB = 2 ** 20

const options = z.object({
  expose: z.string().meta({ description: "PORT or HOST:PORT where the program listens" }),
  allowLan: z
    .boolean()
    .default(false)
    .meta({ description: "Allow a HOST that is another machine, by its IP address" }),
  allow: z
    .array(
      z.string().regex(/^[a-z2-7]{52}\.b32\.i2p$/, "expected a .b32.i2p name of 52 characters"),
    )
    .max(1_024)
    .default([])
    .meta({ description: "Only these .b32.i2p names may connect; everybody, when none is given" }),
  connections: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(128)
    .meta({ description: "Connections at a time, from all together" }),
  connectionsPerPeer: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(32)
    .meta({ description: "Connections at a time from one destination" }),
  lingerSeconds: z.number().int().min(0).max(3_600).default(30).meta({
    description: "How long to wait for the other side to close first, after the last byte",
  }),
  spoolMib: z
    .number()
    .int()
    .min(1)
    .max(1_048_576)
    .default(1_024)
    .meta({ description: "Disk for what waits for a slow program, in MiB, for the whole tunnel" }),
})

/** Options of `tcp-server` after they were checked. */
type TcpServerOptions = z.output<typeof options>

async function open(context: TunnelContext, given: TcpServerOptions): Promise<OpenTunnel> {
  return openTcpServer(context, {
    backend: parseHostPort(given.expose, { allowLan: given.allowLan }),
    allow: new Set(given.allow),
    connectionsMax: given.connections,
    connectionsPerPeerMax: given.connectionsPerPeer,
    lingerMs: given.lingerSeconds * 1_000,
    spoolBytesMax: given.spoolMib * MIB,
  })
}

/** The kind `tcp-server`. */
export const tcpServer = defineTunnel({
  kind: "tcp-server",
  summary: "Lead a destination of its own to a port of this machine",
  options,
  examples: [
    "tunnel add tcp-server --expose 127.0.0.1:22 --name ssh",
    "tunnel add tcp-server --expose 6667 --connections-per-peer 4",
  ],
  open,
})

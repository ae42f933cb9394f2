/**
 * A destination that leads to a UDP port of this machine.
 *
 * @module
 */
import {
  accessOptions,
  defineTunnel,
  type OpenTunnel,
  parseHostPort,
  requirePossible,
  type TunnelContext,
  whole,
  z,
} from "allium/tunnel"
import { openUdpServer } from "./udp-server.ts"

const options = z.object({
  expose: z
    .string()
    .min(1)
    .max(512)
    .meta({ description: "Where the program listens: PORT or HOST:PORT, UDP" }),
  allowLan: z
    .boolean()
    .default(false)
    .meta({ description: "Allow a HOST that is another machine, by its IP address" }),
  clientAddress: z.enum(["none", "loopback"]).default("none").meta({
    description: "Tell the program who sends: loopback (127.x.y.z, Linux)",
  }),
  ...accessOptions,
  idleSeconds: whole(1, 86_400)
    .default(120)
    .meta({ description: "Forget a client that sent and got nothing for so long" }),
})

/** Options of `udp-server` after they were checked. */
type UdpServerOptions = z.output<typeof options>

async function open(context: TunnelContext, given: UdpServerOptions): Promise<OpenTunnel> {
  const { clientAddress } = given
  const backend = parseHostPort(given.expose, given)
  requirePossible({ address: backend, clientAddress })
  return openUdpServer(context, {
    backend,
    clientAddress,
    access: given,
    talksPerPeerMax: given.connectionsPerPeer,
    idleMs: given.idleSeconds * 1_000,
  })
}

/** The kind `udp-server`. */
export const udpServer = defineTunnel({
  kind: "udp-server",
  summary: "Lead a destination of its own to a UDP port of this machine",
  options,
  positional: ["expose"],
  examples: ["tunnel add udp-server 53", "tunnel add udp-server 127.0.0.1:64738 --connections 32"],
  open,
})

/**
 * A UDP port of this machine that leads to a destination: for DNS, games, voice, anything in datagrams.
 *
 * @module
 */
import {
  defineTunnel,
  keyOptions,
  listenOptions,
  type OpenTunnel,
  parseHostPort,
  type TunnelContext,
  targetOptions,
  whole,
  z,
} from "allium/tunnel"
import { openUdpClient } from "./udp-client.ts"

const options = z.object({
  ...targetOptions(1, "Where datagrams go: a name, .b32.i2p or base64"),
  ...listenOptions("127.0.0.1:0"),
  ...keyOptions,
  plain: z.boolean().default(false).meta({
    description:
      "The other end is no udp-server of Allium: one program at a time, bytes as they are",
  }),
  waitSeconds: whole(1, 600)
    .default(60)
    .meta({ description: "How long to look for the destination while datagrams wait" }),
  idleSeconds: whole(1, 86_400)
    .default(120)
    .meta({ description: "Forget a program that sent and got nothing for so long" }),
  programs: whole(1, 4_096)
    .default(256)
    .meta({ description: "Programs at a time; the one quiet longest makes room" }),
})

/** Options of `udp-client` after they were checked. */
type UdpClientOptions = z.output<typeof options>

async function open(context: TunnelContext, given: UdpClientOptions): Promise<OpenTunnel> {
  return openUdpClient(context, {
    at: parseHostPort(given.listen, { allowLan: given.allowLan, allowAnyPort: true }),
    target: given.to[0]!,
    keys: given.keys,
    isPlain: given.plain,
    waitMs: given.waitSeconds * 1_000,
    idleMs: given.idleSeconds * 1_000,
    programsMax: given.programs,
  })
}

/** The kind `udp-client`. */
export const udpClient = defineTunnel({
  kind: "udp-client",
  summary: "Lead a UDP port of this machine to a destination",
  options,
  examples: ["tunnel add udp-client --to dns.example.i2p --listen 5353"],
  open,
})

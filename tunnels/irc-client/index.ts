/**
 * A port of this machine that leads chat programs to an IRC server, and lets nothing pass that tells who sits
 * there.
 *
 * @module
 */
import type { Socket } from "node:net"
import {
  clientOptions,
  defineTunnel,
  filterLines,
  type Meter,
  openClientTunnel,
  readClient,
  z,
} from "allium/tunnel"
import { filterIncoming } from "./incoming.ts"
import { filterOutgoing, type IrcMemory } from "./outgoing.ts"

const options = z.object({
  ...clientOptions("127.0.0.1:6668"),
  tellNames: z
    .boolean()
    .default(false)
    .meta({ description: "Let the user name and real name pass that the program is set to" }),
})

/** The program's lines, both ways, without what tells who it is. */
function filtered(local: Socket, { tellsNames, meter }: { tellsNames: boolean; meter: Meter }) {
  const memory: IrcMemory = { tellsNames }
  return filterLines(local, {
    read: (line) => filterOutgoing(line, memory),
    write: (line) => filterIncoming(line, memory),
    onDropped: (count) => meter.add("dropped", count),
  })
}

/** The kind `irc-client`. */
export const ircClient = defineTunnel({
  kind: "irc-client",
  summary: "Lead chat programs to an IRC server, without what tells who you are",
  options,
  examples: [
    "tunnel add irc-client --to irc.postman.i2p --listen 6668",
    "tunnel add irc-client --to irc.postman.i2p --to irc.echelon.i2p --keys persistent",
  ],
  open: async (context, given) =>
    openClientTunnel(context, readClient(given), {
      counts: ["dropped"],
      wrap: (local, meter) => filtered(local, { tellsNames: given.tellNames, meter }),
    }),
})

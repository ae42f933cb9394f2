/**
 * A port of this machine that leads to a destination: for programs that know a host and a port, such as
 * `ssh`, `git` or a chat client.
 *
 * @module
 */
import { clientOptions, defineTunnel, openClientTunnel, readClient, z } from "allium/tunnel"

/** The kind `tcp-client`. */
export const tcpClient = defineTunnel({
  kind: "tcp-client",
  summary: "Lead a port of this machine to a destination",
  options: z.object(clientOptions("127.0.0.1:0")),
  examples: [
    "tunnel add tcp-client --to git.example.i2p --listen 9418",
    "tunnel add tcp-client --to first.i2p --to second.i2p --listen 127.0.0.1:6667",
  ],
  open: async (context, given) => openClientTunnel(context, readClient(given)),
})

/**
 * A destination that leads to an IRC server of this machine, and tells it who each client is.
 *
 * @module
 */
import { readFile } from "node:fs/promises"
import {
  AlliumError,
  chooseBackend,
  defineTunnel,
  type OpenTunnel,
  openServerTunnel,
  readServer,
  serverOptions,
  type TunnelContext,
  z,
} from "allium/tunnel"
import { leadToIrc } from "./lead-to-irc.ts"

const options = z.object({
  expose: z
    .string()
    .min(1)
    .max(512)
    .default("127.0.0.1:6667")
    .meta({ description: "Where the IRC server listens: PORT, HOST:PORT or unix:PATH" }),
  webirc: z.string().max(4_096).optional().meta({
    kind: "path",
    description:
      "A file with the server's WEBIRC password, mode 0600; without it, USER names the client",
  }),
  ...serverOptions,
})

/** Options of `irc-server` after they were checked. */
type IrcServerOptions = z.output<typeof options>

async function open(context: TunnelContext, given: IrcServerOptions): Promise<OpenTunnel> {
  const irc = {
    backend: await chooseBackend(given.expose, given),
    webircPassword: given.webirc === undefined ? undefined : await readPassword(given.webirc),
  }
  return openServerTunnel(context, readServer(given), {
    counts: ["dropped"],
    choose: (stream) => leadToIrc(stream, irc),
  })
}

/** The first line of a file; a word, as it stands in a line of IRC. */
async function readPassword(path: string): Promise<string> {
  const text = await readFile(path, "latin1").catch(() => "")
  const [line = ""] = text.split(/\r?\n/, 1)
  if (/^[\x21-\x39\x3b-\x7e][\x21-\x7e]{0,127}$/.test(line)) return line
  const message = "Cannot use the WEBIRC file: expected a password of 1 to 128 printable characters"
  throw new AlliumError("BAD_INPUT", message)
}

/** The kind `irc-server`. */
export const ircServer = defineTunnel({
  kind: "irc-server",
  summary: "Lead a destination of its own to an IRC server, and tell it who each client is",
  options,
  examples: [
    "tunnel add irc-server --expose 127.0.0.1:6667",
    "tunnel add irc-server --webirc ~/webirc-password --connections-per-peer 4",
  ],
  open,
})

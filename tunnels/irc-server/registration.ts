/**
 * The first lines of a chat program, and what is done to its lines later. Pure.
 *
 * @see https://ircv3.net/specs/extensions/webirc
 * @module
 */
import { formatIrcLine, parseIrcLine } from "allium/tunnel"

/** Name of the gateway in WEBIRC. */
const GATEWAY = "i2p"

/** What goes first to a server that believes us: `WEBIRC password gateway host address`, without its end. */
export function webircLine(password: string, client: { b32: string; address: string }): string {
  return `WEBIRC ${password} ${GATEWAY} ${client.b32} ${client.address}`
}

/**
 * What becomes of a line of a client: nobody says WEBIRC but we. Without WEBIRC the host in USER, and in no
 * other command, is the client's `.b32.i2p` name.
 */
export function filterClient(text: string, cloak: string | undefined): string | undefined {
  const line = parseIrcLine(text)
  if (line === undefined || line.command === "WEBIRC" || line.prefix !== "") return undefined
  if (line.command !== "USER" || cloak === undefined) return text
  const [user = "user", , , realName = ""] = line.params
  const params = [user, cloak, "localhost", realName]
  return formatIrcLine({ ...line, params }, { colon: true })
}

/** `done`: who it is has been said. `talking`: asks for abilities first, and may wait for an answer. */
export type Registration = "silent" | "talking" | "done"

/** Where the registration stands after a line. */
export function register(before: Registration, text: string): Registration {
  const command = parseIrcLine(text)?.command
  if (before === "done" || command === "USER") return "done"
  return command === "CAP" ? "talking" : before
}

/**
 * What comes from the server: a list of commands, without what would make a program tell something. Pure.
 *
 * @module
 */
import { formatIrcLine, type IrcLine, parseIrcLine } from "allium/tunnel"
import { mayPass } from "./ctcp.ts"
import type { IrcMemory } from "./outgoing.ts"
import { incomingTags } from "./tags.ts"

const PASSING = new Set(
  `ACCOUNT AUTHENTICATE AWAY BATCH CAP CHGHOST ERROR FAIL H INVITE JOIN KICK KILL MARKREAD METADATA MODE NICK NOTE
  PART PROTOCOL PROTOCTL QUIT REDACT REGISTER RENAME SETNAME TAGMSG TOPIC VERIFY WALLOPS WARN`.split(
    /\s+/,
  ),
)

/**
 * What becomes of a line of the server.
 *
 * @param text - Without its end.
 * @returns Without its end; `undefined` for what is dropped.
 */
export function filterIncoming(text: string, memory: IrcMemory): string | undefined {
  const line = parseIrcLine(text)
  if (line === undefined) return undefined
  const clean = { ...line, tags: incomingTags(line.tags) }
  if (line.command === "PING") return pingOf(clean, memory)
  if (line.command === "PONG") return pongOf(clean, memory)
  if (line.command === "PRIVMSG" || line.command === "NOTICE")
    return line.params.length === 2 ? passing(clean) : undefined
  const isKnown = /^\d{3}$/.test(line.command) || PASSING.has(line.command)
  return isKnown ? passing(clean) : undefined
}

function passing(line: IrcLine): string | undefined {
  if (!line.params.every(mayPass)) return undefined
  return formatIrcLine(line, { colon: line.params.length > 1 })
}

/** The program answers what we ask it; the server gets its own words back. */
function pingOf({ tags, params }: IrcLine, memory: IrcMemory): string {
  memory.serverPing = params[0]
  return formatIrcLine({ tags, prefix: "", command: "PING", params: ["127.0.0.1"] })
}

/** The program waits for the words it sent, which we had replaced. */
function pongOf({ tags }: IrcLine, memory: IrcMemory): string {
  const token = memory.ping ?? "127.0.0.1"
  memory.ping = undefined
  const params = ["127.0.0.1", token]
  return formatIrcLine({ tags, prefix: "127.0.0.1", command: "PONG", params }, { colon: true })
}

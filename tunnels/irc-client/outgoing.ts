/**
 * What leaves for the server: a list of commands, and what is written anew in them. Pure.
 *
 * @see https://geti2p.net/en/docs/api/i2ptunnel
 * @module
 */
import { formatIrcLine, type IrcLine, parseIrcLine } from "allium/tunnel"
import { mayPass } from "./ctcp.ts"
import { outgoingTags } from "./tags.ts"

/** Commands that pass as they are; nothing a program says by itself about its machine is among them. */
const PASSING = new Set(
  `ACCEPT ADMIN AUTHENTICATE AWAY BATCH CAP CHATHISTORY CYCLE DIE GHOST GLINE GLOBOPS HELP HELPOP INFO
  INVITE ISON JOIN KICK KILL KLINE KNOCK LINKS LIST LUSERS MAP MARKREAD METADATA MODE MONITOR MOTD NAMES NICK
  OPER PASS RECOVER REDACT REGISTER REHASH RELEASE REMOVE RENAME RESTART RULES SILENCE STATS TIME TOPIC UNINVITE
  UNKLINE USERHOST USERIP USERS VERIFY VERSION WALLOPS WATCH WHO WHOIS WHOWAS BOTSERV BS CHANSERV CS HELPSERV
  HOSTSERV HS MEMOSERV MS NICKSERV NS OPERSERV OS`.split(/\s+/),
)
/** Whatever a program writes there by itself names it and its version. */
const FAREWELL = "leaving"
/** Programs take the name of the system's user, and the full name of the person. */
const NOBODY = "user"

/** What the filter of one connection knows. */
export interface IrcMemory {
  /** Whether user name and real name pass as the program says them. */
  readonly tellsNames: boolean
  /** What the program wrote in its last PING; the answer is made to fit. */
  ping?: string | undefined
  /** What the server wrote in its last PING; some want it back before anybody is let in. */
  serverPing?: string | undefined
}

type Rewrite = (line: IrcLine, memory: IrcMemory) => string | undefined

const REWRITTEN: Readonly<Record<string, Rewrite>> = {
  USER: ({ params: [user, , , realName = ""] }, { tellsNames }) => {
    const [name, real] = tellsNames ? [safeUser(user), realName] : [NOBODY, NOBODY]
    return mayPass(real) ? say("USER", [name, "hostname", "localhost", real]) : undefined
  },
  SETNAME: ({ params: [realName = ""] }, { tellsNames }) =>
    tellsNames && mayPass(realName) ? say("SETNAME", [realName]) : undefined,
  PING: ({ params: [token = ""] }, memory) => {
    memory.ping = token
    return say("PING", [isPlain(token) ? token : "1"])
  },
  PONG: (_line, memory) => say("PONG", [memory.serverPing ?? "127.0.0.1"]),
  QUIT: () => say("QUIT", [FAREWELL]),
  PART: ({ params: [channels] }) =>
    channels !== undefined && mayPass(channels) ? say("PART", [channels, FAREWELL]) : undefined,
  PRIVMSG: speech,
  NOTICE: speech,
  TAGMSG: ({ tags, params: [to] }) => {
    const kept = outgoingTags(tags)
    if (kept === "" || to === undefined || !mayPass(to)) return undefined
    return formatIrcLine({ tags: kept, prefix: "", command: "TAGMSG", params: [to] })
  },
}

/**
 * What becomes of a line of the program. One that begins with a prefix is dropped: only servers say who
 * speaks.
 *
 * @param text - Without its end.
 * @returns Without its end; `undefined` for what is dropped.
 */
export function filterOutgoing(text: string, memory: IrcMemory): string | undefined {
  const line = parseIrcLine(text)
  if (line === undefined || /^(?:@[^ ]* +)?:/.test(text)) return undefined
  const rewrite = Object.hasOwn(REWRITTEN, line.command) ? REWRITTEN[line.command] : undefined
  if (rewrite !== undefined) return rewrite(line, memory)
  if (!PASSING.has(line.command) || !line.params.every(mayPass)) return undefined
  return formatIrcLine({ ...line, tags: outgoingTags(line.tags) })
}

function speech({ tags, command, params }: IrcLine): string | undefined {
  const [to = "", text] = params
  if (text === undefined || params.length > 2 || to.includes("\x01") || !mayPass(text))
    return undefined
  const line = { tags: outgoingTags(tags), prefix: "", command, params }
  return formatIrcLine(line, { colon: true })
}

function say(command: string, params: readonly string[]): string {
  return formatIrcLine({ tags: "", prefix: "", command, params }, { colon: true })
}

/** Some put a host behind an `@`. */
function safeUser(user = ""): string {
  return isPlain(user) ? user : NOBODY
}

function isPlain(word: string): boolean {
  return /^[A-Za-z0-9]{1,32}$/.test(word)
}

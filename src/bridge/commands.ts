/**
 * The commands a SAM bridge obeys, by name.
 *
 * @see https://geti2p.net/en/docs/api/samv3
 * @module
 */
import { parseSamLine, type SamLine } from "../sam/message.ts"
import { sendDatagram } from "./command-datagram.ts"
import { answerHello, auth, help, ping, quit } from "./command-hello.ts"
import { generateDestination, lookupName } from "./command-naming.ts"
import { addSession, createSession, removeSession } from "./command-session.ts"
import { acceptStream, connectStream, forwardStreams } from "./command-stream.ts"
import type { Connection } from "./connection.ts"
import type { BridgeContext, Caller } from "./context.ts"

/** Does what one line says. Expected refusals are answered; only faults of ours are thrown. */
type Command = (caller: Caller, line: SamLine, context: BridgeContext) => Promise<void>

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ["SESSION CREATE", createSession],
  ["SESSION ADD", addSession],
  ["SESSION REMOVE", removeSession],
  ["STREAM CONNECT", connectStream],
  ["STREAM ACCEPT", acceptStream],
  ["STREAM FORWARD", forwardStreams],
  ["DATAGRAM SEND", sendDatagram],
  ["RAW SEND", sendDatagram],
  ["NAMING LOOKUP", lookupName],
  ["DEST GENERATE", generateDestination],
  ["AUTH ENABLE", auth],
  ["AUTH DISABLE", auth],
  ["AUTH ADD", auth],
  ["AUTH REMOVE", auth],
  ["PING", ping],
  ["PONG", async () => {}],
  ["QUIT", quit],
  ["STOP", quit],
  ["EXIT", quit],
  ["HELP", help],
])

/** Only these may be followed by bytes of their own in one segment on i2pd. */
const WITH_PAYLOAD = new Set(["DATAGRAM SEND", "RAW SEND", "STREAM CONNECT"])

/** Obeys one line of a client. */
export async function obey(
  connection: Connection,
  text: string,
  context: BridgeContext,
): Promise<void> {
  if (text.trim() === "" && !context.traits.errorsClose) return
  const line = parse(text, context)
  if (line === undefined) return refuseLine(connection, text, context)
  if (connection.agreedVersion === undefined) return answerHello(connection, line, context)
  const name = line.subcommand === "" ? line.command : `${line.command} ${line.subcommand}`
  if (context.knobs.faults.has("pipelineDrop") && !WITH_PAYLOAD.has(name)) connection.dropAhead()
  const command = COMMANDS.get(name)
  if (command === undefined) return refuseLine(connection, text, context)
  context.log.debug("command", { connection: connection.number, name })
  await command(connection, line, context)
}

function parse(text: string, { knobs }: BridgeContext): SamLine | undefined {
  const spoken = knobs.faults.has("quotesKept") ? cutQuotes(text) : text
  try {
    return parseSamLine(spoken)
  } catch {
    return undefined
  }
}

/** i2pd knows no quotes: a value ends at the first space, whatever stands around it. */
function cutQuotes(text: string): string {
  const words = text.split(" ").map((word) => word.replaceAll('"', "'"))
  return words.filter((word, at) => at < 2 || /^[^=]+=/.test(word)).join(" ")
}

/** Unknown commands close the connection on every router; Java says something before. */
async function refuseLine(
  connection: Connection,
  text: string,
  { traits, log }: BridgeContext,
): Promise<void> {
  log.warn("command.refused", { connection: connection.number })
  const [word = ""] = text.split(" ", 1)
  const isTopic = /^(SESSION|STREAM|DATAGRAM|RAW|NAMING|DEST|AUTH)$/.test(word)
  if (traits.errorsClose || !isTopic || connection.agreedVersion === undefined)
    return connection.close()
  await connection.reply(`${word} STATUS RESULT=I2P_ERROR MESSAGE="command not understood"`)
}

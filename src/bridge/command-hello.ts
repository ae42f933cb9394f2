/**
 * HELLO, AUTH, PING, QUIT and HELP.
 *
 * @module
 */
import type { SamLine } from "../sam/message.ts"
import type { Connection } from "./connection.ts"
import type { BridgeContext, Caller } from "./context.ts"
import { formatReply, refuse } from "./replies.ts"
import type { RouterTraits } from "./routers.ts"

/** A reply that never ends stops here, so that a patient client is not filled for ever. */
const FLOOD_BYTES = 64 * 1024 * 1024

/** The first line of every connection. */
export async function answerHello(
  connection: Connection,
  line: SamLine,
  context: BridgeContext,
): Promise<void> {
  const { traits, accounts, knobs } = context
  if (line.command !== "HELLO" || line.subcommand !== "VERSION")
    return sayGoodbye(connection, "I2P_ERROR", "must start with HELLO VERSION")
  if (knobs.faults.has("endlessReply"))
    return connection.flood(Buffer.alloc(64 * 1024, "A"), FLOOD_BYTES)
  if (knobs.faults.has("pipelineDrop")) connection.dropAhead()
  const version = negotiate(line.values.get("MIN"), line.values.get("MAX"), traits)
  if (version === undefined) return sayGoodbye(connection, "NOVERSION")
  if (!accounts.admits(line.values.get("USER"), line.values.get("PASSWORD")))
    return sayGoodbye(connection, "I2P_ERROR", "authorization required")
  connection.agreedVersion = version
  await connection.reply(formatReply("HELLO", "REPLY", { RESULT: "OK", VERSION: `3.${version}` }))
}

async function sayGoodbye(connection: Connection, result: string, message?: string) {
  await connection.reply(formatReply("HELLO", "REPLY", { RESULT: result, MESSAGE: message }))
  connection.close()
}

/**
 * @param least - MIN as sent, such as "3.1".
 * @param most - MAX as sent.
 * @returns Minor version of SAM 3, `undefined` for none that fits.
 */
function negotiate(
  least: string | undefined,
  most: string | undefined,
  traits: RouterTraits,
): number | undefined {
  if (least === undefined && most === undefined) return traits.versionBare
  const from = parseVersion(least) ?? traits.versionMin
  const to = parseVersion(most) ?? traits.versionMax
  if (traits.versionRule === "maxOrMin") return [to, from].find((minor) => isKnown(minor, traits))
  const best = Math.min(to, traits.versionMax)
  return best >= Math.max(from, traits.versionMin) ? best : undefined
}

/** Counted in minors of SAM 3: "2.9" is below 0, "4.0" is far above. */
function parseVersion(text: string | undefined): number | undefined {
  const [, major = "", minor = "0"] = /^(\d{1,3})(?:\.(\d{1,3}))?$/.exec(text ?? "") ?? []
  return major === "" ? undefined : (Number(major) - 3) * 1000 + Number(minor)
}

function isKnown(minor: number, traits: RouterTraits): boolean {
  return minor >= traits.versionMin && minor <= traits.versionMax
}

/** PING: answered with the same text, where the router lives to do so. */
export async function ping(caller: Caller, line: SamLine, context: BridgeContext): Promise<void> {
  const { traits, knobs } = context
  if (traits.ping === "close") return caller.close()
  await caller.reply(line.rest === "" ? "PONG" : `PONG ${line.rest}`)
  if (traits.ping === "pongAndClose" || knobs.faults.has("pingKillsSession")) caller.close()
}

/** QUIT, STOP and EXIT. */
export async function quit(caller: Caller, line: SamLine, context: BridgeContext): Promise<void> {
  if (context.traits.housekeeping)
    await caller.reply(formatReply(line.command, "STATUS", { RESULT: "OK", MESSAGE: "bye" }))
  caller.close()
}

/** HELP names the specification. */
export async function help(caller: Caller, _line: SamLine, context: BridgeContext): Promise<void> {
  if (!context.traits.housekeeping) return caller.close()
  const MESSAGE = "https://geti2p.net/en/docs/api/samv3"
  await caller.reply(formatReply("HELP", "STATUS", { RESULT: "OK", MESSAGE }))
}

/** AUTH ENABLE, DISABLE, ADD and REMOVE. */
export async function auth(caller: Caller, line: SamLine, context: BridgeContext): Promise<void> {
  const { accounts, traits } = context
  if (!traits.housekeeping) return caller.close()
  const user = line.values.get("USER")
  const password = line.values.get("PASSWORD")
  if (line.subcommand === "ENABLE" || line.subcommand === "DISABLE")
    accounts.needed = line.subcommand === "ENABLE"
  else if (!user || (line.subcommand === "ADD" && !password))
    return refuse(caller, context, "AUTH", {
      RESULT: "I2P_ERROR",
      MESSAGE: "USER or PASSWORD missing",
    })
  else if (
    !(line.subcommand === "ADD" ? accounts.add(user, password ?? "") : accounts.remove(user))
  )
    return refuse(caller, context, "AUTH", { RESULT: "I2P_ERROR", MESSAGE: "no such change" })
  await caller.reply(formatReply("AUTH", "STATUS", { RESULT: "OK" }))
}

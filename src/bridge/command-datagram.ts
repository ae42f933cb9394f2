/**
 * DATAGRAM SEND, RAW SEND, and the same over UDP.
 *
 * @module
 */
import type { SamLine } from "../sam/message.ts"
import { parseSamLine } from "../sam/message.ts"
import { resolveTarget } from "./command-naming.ts"
import type { BridgeContext, Caller } from "./context.ts"
import { type DatagramStyle, PROTOCOLS } from "./endpoint.ts"
import { parsePort, refuse } from "./replies.ts"
import type { BridgeSession } from "./session.ts"

/** Largest payloads; a repliable datagram carries its sender and signature too. */
const PAYLOAD_BYTES_MAX = { DATAGRAM: 31_744, RAW: 32_768, DATAGRAM2: 31_744, DATAGRAM3: 31_744 }
/** What i2pd's UDP socket reads. */
const I2PD_UDP_BYTES = 32_768
const UDP_HEADER_BYTES_MAX = 4096

/** DATAGRAM SEND and RAW SEND on the control socket; without an answer when all is well. */
export async function sendDatagram(
  caller: Caller,
  line: SamLine,
  context: BridgeContext,
): Promise<void> {
  const style = line.command as DatagramStyle
  const size = line.values.get("SIZE") ?? ""
  if (!/^\d{1,5}$/.test(size) || Number(size) === 0 || Number(size) > PAYLOAD_BYTES_MAX[style]) {
    await refuse(caller, context, "SESSION", { RESULT: "I2P_ERROR", MESSAGE: "SIZE out of range" })
    return caller.close() // Where the next line begins, nobody knows.
  }
  const payload = await caller.take(Number(size))
  if (payload === undefined) return
  const session = ownSession(caller, line, context)
  if (session === undefined)
    return refuse(caller, context, "SESSION", {
      RESULT: "I2P_ERROR",
      MESSAGE: `no ${style} session`,
    })
  pass(session, line.values.get("DESTINATION") ?? "", line.values, payload, context)
}

/** The session of this control socket, or, on a PRIMARY's, its subsession of that style. */
function ownSession(
  { session }: Caller,
  { command, values }: SamLine,
  { sessions }: BridgeContext,
): BridgeSession | undefined {
  if (session === undefined || session.style === command) return session
  const children = sessions.childrenOf(session).filter(({ style }) => style === command)
  const id = values.get("ID")
  return id === undefined ? children[0] : children.find((child) => child.id === id)
}

/**
 * A UDP datagram from a client: `3.0 ID DESTINATION [options]`, newline, payload.
 *
 * @returns False when it was thrown away; UDP has no answers.
 */
export function receiveUdp(message: Buffer, context: BridgeContext): boolean {
  const isCut = context.knobs.faults.has("datagramCut")
  const bytes = isCut ? message.subarray(0, I2PD_UDP_BYTES) : message
  const end = bytes.subarray(0, UDP_HEADER_BYTES_MAX).indexOf(0x0a)
  if (end < 0) return false
  const head = bytes.subarray(0, end).toString("utf8").trimEnd()
  const [version = "", id, destination = "", ...options] = head.split(" ")
  const session = context.sessions.find(id)
  if (!/^3\.[0-3]$/.test(version) || session?.receiver === undefined) return false
  const values = readOptions(options)
  return (
    values !== undefined && pass(session, destination, values, bytes.subarray(end + 1), context)
  )
}

function readOptions(options: readonly string[]): ReadonlyMap<string, string> | undefined {
  try {
    return parseSamLine(`UDP OPTIONS ${options.join(" ")}`).values
  } catch {
    return undefined
  }
}

function pass(
  session: BridgeSession,
  destination: string,
  values: ReadonlyMap<string, string>,
  payload: Uint8Array,
  context: BridgeContext,
): boolean {
  const to = resolveTarget(destination, context)
  const style = session.style as DatagramStyle
  if (to === undefined || !(style in PROTOCOLS) || payload.length > PAYLOAD_BYTES_MAX[style])
    return false
  context.network.send(session.endpoint, to, {
    style,
    from: session.endpoint.destination,
    fromPort: parsePort(values.get("FROM_PORT")) ?? session.fromPort,
    toPort: parsePort(values.get("TO_PORT")) ?? session.toPort,
    protocol: style === "RAW" ? rawProtocol(values, session) : PROTOCOLS[style],
    payload: payload.slice(),
  })
  return true
}

function rawProtocol(values: ReadonlyMap<string, string>, session: BridgeSession): number {
  const protocol = parsePort(values.get("PROTOCOL"))
  return protocol !== undefined && protocol <= 255 ? protocol : session.protocol
}

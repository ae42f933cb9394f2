/**
 * STREAM CONNECT, ACCEPT and FORWARD.
 *
 * @module
 */
import { once } from "node:events"
import { connect, isIP } from "node:net"
import type { SamLine } from "../sam/message.ts"
import { resolveTarget } from "./command-naming.ts"
import type { BridgeContext, Caller } from "./context.ts"
import type { Acceptor } from "./listener.ts"
import { formatReply, parsePort, refuse } from "./replies.ts"
import type { BridgeSession } from "./session.ts"
import { type EmbeddedStream, swallow } from "./stream.ts"

/** A local server behind FORWARD must take a stream within this time. */
const FORWARD_MS = 3000

/** STREAM CONNECT: the socket becomes the stream. */
export async function connectStream(
  caller: Caller,
  line: SamLine,
  context: BridgeContext,
): Promise<void> {
  const session = await streamSession(caller, line, context)
  if (session === undefined) return
  const to = resolveTarget(line.values.get("DESTINATION") ?? "", context)
  if (to === undefined) return say(caller, line, context, { RESULT: "INVALID_KEY" })
  const from = session.endpoint.destination
  const fromPort = parsePort(line.values.get("FROM_PORT")) ?? session.fromPort
  const toPort = parsePort(line.values.get("TO_PORT")) ?? session.toPort
  const dialled = await context.network.dial(session.endpoint, { from, to, fromPort, toPort })
  if (dialled.result !== "OK")
    return say(caller, line, context, { RESULT: dialled.result, MESSAGE: dialled.message })
  if (!isSilent(line)) await caller.reply(formatReply("STREAM", "STATUS", { RESULT: "OK" }))
  const released = caller.release()
  const keepsEarly = !context.knobs.faults.has("lostEarlyBytes")
  const side = keepsEarly ? released : { ...released, surplus: new Uint8Array(0) }
  if (dialled.stream === "silent") swallow(side)
  else dialled.stream.join(side)
}

/** STREAM ACCEPT: answered at once; the socket becomes a stream when somebody calls. */
export async function acceptStream(
  caller: Caller,
  line: SamLine,
  context: BridgeContext,
): Promise<void> {
  const session = await streamSession(caller, line, context)
  const listener = session?.listener
  if (session === undefined || listener === undefined) return
  if (listener.forwarding && context.traits.acceptWhileForward === "refused")
    return say(caller, line, context, { RESULT: "ALREADY_ACCEPTING" })
  if (!isSilent(line)) await caller.reply(formatReply("STREAM", "STATUS", { RESULT: "OK" }))
  const acceptor: Acceptor = {
    sinceMs: context.clock.monotonicMs(),
    take: (stream) => void hand(caller, line, stream, context),
    close: () => caller.close(),
  }
  if (!listener.accept(acceptor)) return caller.close()
  caller.signal.addEventListener("abort", () => listener.withdraw(acceptor), { once: true })
}

async function hand(
  caller: Caller,
  line: SamLine,
  stream: EmbeddedStream,
  context: BridgeContext,
): Promise<void> {
  if (!isSilent(line)) await caller.reply(destinationLine(stream, context, caller.version))
  stream.join(caller.release())
}

function destinationLine(
  { route }: EmbeddedStream,
  { traits }: BridgeContext,
  version: number,
): string {
  const ports = ` FROM_PORT=${route.fromPort} TO_PORT=${route.toPort}`
  return traits.ports && version >= 2 ? route.from.base64 + ports : route.from.base64
}

/** STREAM FORWARD: the bridge dials a local server for every stream, while this socket is open. */
export async function forwardStreams(
  caller: Caller,
  line: SamLine,
  context: BridgeContext,
): Promise<void> {
  const session = await streamSession(caller, line, context)
  const listener = session?.listener
  if (listener === undefined) return
  const port = parsePort(line.values.get("PORT"))
  const problem = forwardProblem(port, line)
  if (problem !== undefined)
    return refuse(caller, context, "STREAM", { RESULT: "I2P_ERROR", MESSAGE: problem })
  if (listener.forwarding || listener.acceptorCount > 0)
    return refuse(caller, context, "STREAM", { RESULT: "ALREADY_ACCEPTING" })
  await caller.reply(formatReply("STREAM", "STATUS", { RESULT: "OK" }))
  const asked = context.traits.forwardHost ? line.values.get("HOST") : undefined
  const host = asked ?? caller.remoteHost
  listener.forward(
    (stream) => void dialLocal(stream, { host, port: port ?? 0 }, caller, line, context),
  )
  caller.signal.addEventListener("abort", () => listener.forward(undefined), { once: true })
}

function forwardProblem(port: number | undefined, { values }: SamLine): string | undefined {
  const host = values.get("HOST") ?? "127.0.0.1"
  if (port === undefined || port === 0) return "PORT missing or out of range"
  if (values.get("SSL") === "true") return "SSL is not supported"
  return isIP(host) > 0 || host === "localhost" ? undefined : "HOST is not an address"
}

async function dialLocal(
  stream: EmbeddedStream,
  to: { host: string; port: number },
  caller: Caller,
  line: SamLine,
  context: BridgeContext,
): Promise<void> {
  const socket = connect({ ...to, noDelay: true, allowHalfOpen: true })
  socket.on("error", () => {}) // `close` follows.
  const timeout = AbortSignal.timeout(FORWARD_MS)
  try {
    await once(socket, "connect", { signal: AbortSignal.any([timeout, caller.signal]) })
  } catch {
    context.log.warn("forward.unreachable", { port: to.port })
    socket.destroy()
    return stream.cut()
  }
  if (!isSilent(line)) socket.write(`${destinationLine(stream, context, caller.version)}\n`)
  stream.join({ socket, surplus: new Uint8Array(0) })
}

/** The session a STREAM command names, or the answer that there is none. */
async function streamSession(
  caller: Caller,
  line: SamLine,
  context: BridgeContext,
): Promise<BridgeSession | undefined> {
  const session = context.sessions.find(line.values.get("ID"))
  if (context.knobs.faults.has("wrongTopic") && session?.listener === undefined)
    await refuse(caller, context, "SESSION", {
      RESULT: "I2P_ERROR",
      MESSAGE: "Socket already in use",
    })
  else if (session === undefined) await say(caller, line, context, { RESULT: "INVALID_ID" })
  else if (session.listener === undefined || caller.session !== undefined)
    await say(caller, line, context, { RESULT: "I2P_ERROR", MESSAGE: "not a STREAM session" })
  else return session
  return undefined
}

/** A refusal; with SILENT=true only the closing tells. */
async function say(
  caller: Caller,
  line: SamLine,
  context: BridgeContext,
  values: { RESULT: string; MESSAGE?: string | undefined },
): Promise<void> {
  if (isSilent(line)) caller.close()
  else await refuse(caller, context, "STREAM", values)
}

function isSilent(line: SamLine): boolean {
  return line.values.get("SILENT") === "true"
}

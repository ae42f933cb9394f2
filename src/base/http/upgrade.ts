/**
 * A request to switch protocols (WebSocket), passed on with its answer; after a 101 both connections
 * belong to the caller, to be joined.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-7.8
 * @module
 */
import { type ClientRequest, type IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import { AlliumError } from "../errors.ts"
import { answerFault, type Exchange, type ExchangeLimits, giveBack, openAsk } from "./exchange.ts"
import { type Field, readFields, withoutHopByHop } from "./fields.ts"
import { hasBody } from "./server.ts"

/** A request to switch, as `node:http` hands it over: its connection has no parser any more. */
export interface UpgradeCall extends Omit<Exchange, "response"> {
  readonly connection: Duplex
  /** Bytes that came behind the request's head. */
  readonly head: Buffer
}

/**
 * Asks to switch. When the other side agrees, the asker has been told and the other side's connection is
 * returned; bytes that came early are put back on both. When it declines, its answer was passed on, the
 * asker's connection ends, and `undefined` is returned.
 *
 * @throws {AlliumError} as {@linkcode exchange}: nothing was answered then.
 */
export async function upgrade(call: UpgradeCall): Promise<Duplex | undefined> {
  const token = call.request.headers.upgrade ?? ""
  if (hasBody(call.request))
    throw new AlliumError("BAD_REQUEST", "Cannot switch protocols: the request has a body")
  const switching: Field[] = [
    ["Connection", "Upgrade"],
    ["Upgrade", token],
  ]
  const ask = openAsk(call, switching)
  const leave = () => void ask.destroy()
  call.connection.once("close", leave)
  try {
    const reply = await awaitReply(ask, call.limits)
    if (reply.connection === undefined) return await declined(reply.answer, call)
    return agreed(reply.answer, reply.connection, token, call)
  } finally {
    call.connection.off("close", leave)
  }
}

interface Reply {
  readonly answer: IncomingMessage
  /** Given when the other side switched. */
  readonly connection?: Duplex
}

function awaitReply(ask: ClientRequest, limits: ExchangeLimits): Promise<Reply> {
  const { answerMs, connectMs = answerMs } = limits
  return new Promise<Reply>((resolve, reject) => {
    const late = (ms: number) => setTimeout(() => ask.destroy(noReply(ms)), ms).unref()
    let watch = late(connectMs)
    ask.once("socket", () => {
      clearTimeout(watch)
      watch = late(answerMs)
    })
    ask.once("close", () => clearTimeout(watch))
    ask.once("upgrade", (answer, connection, head: Buffer) => {
      clearTimeout(watch)
      if (head.length > 0) connection.unshift(head)
      resolve({ answer, connection })
    })
    ask.once("response", (answer) => {
      clearTimeout(watch)
      resolve({ answer })
    })
    ask.once("error", (error) => reject(answerFault(error)))
    ask.end()
  })
}

function noReply(waitedMs: number): AlliumError {
  const message = `Cannot switch protocols: nothing came for ${waitedMs / 1_000} s`
  return new AlliumError("NO_ANSWER", message)
}

function agreed(answer: IncomingMessage, theirs: Duplex, token: string, call: UpgradeCall): Duplex {
  theirs.on("error", () => {}) // told by whoever joins it; until then its close says enough
  if (answer.headers.upgrade?.toLowerCase() !== token.toLowerCase()) {
    theirs.destroy()
    throw new AlliumError("BAD_ANSWER", "Cannot switch protocols: it switched to another one")
  }
  const fields = call.answerFields(withoutHopByHop(readFields(answer.rawHeaders)))
  const lines = [...fields, ["Connection", "Upgrade"], ["Upgrade", token]].map(
    ([name, value]) => `${name}: ${value}`,
  )
  const head = ["HTTP/1.1 101 Switching Protocols", ...lines, "", ""].join("\r\n")
  call.connection.write(Buffer.from(head, "latin1"))
  if (call.head.length > 0) call.connection.unshift(call.head)
  return theirs
}

async function declined(answer: IncomingMessage, call: UpgradeCall): Promise<undefined> {
  const response = new ServerResponse(call.request)
  response.assignSocket(call.connection as Parameters<typeof response.assignSocket>[0])
  response.shouldKeepAlive = false
  await giveBack(answer, { ...call, response })
  call.connection.end()
  return undefined
}

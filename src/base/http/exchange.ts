/**
 * One request passed on, and its answer passed back: read and written anew, never copied blindly.
 *
 * Bodies flow with back-pressure; an answer that ends too early destroys the asker's connection, so that
 * it is never taken for whole; an answer that stalls is ended.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-7.6
 * @module
 */
import type { Agent, ClientRequest, IncomingMessage, ServerResponse } from "node:http"
import { request as openRequest } from "node:http"
import type { Duplex } from "node:stream"
import { setTimeout as pause } from "node:timers/promises"
import { AlliumError } from "../errors.ts"
import { type Field, HTTP_FIELDS_MAX, readFields, withoutHopByHop, writeFields } from "./fields.ts"
import { identifiesSender } from "./privacy.ts"
import { hasBody } from "./server.ts"

/** Head of an answer: status line and fields together, in bytes. */
const ANSWER_HEAD_BYTES_MAX = 64 * 1024
/** Interim answers (1xx) to one request. */
const INTERIM_MAX = 16
/** A body that lives by being quiet: server-sent events. */
const EVENT_STREAM_IDLE_MS = 3_600_000
/** Before what changes nothing is asked again whose new connection was cut; then four times that. */
const AGAIN_AFTER_MS = 250
/** A whole answer of so much body or less is passed on in one piece. */
const AT_ONCE_BYTES_MAX = 64 * 1024

/** Time limits of an exchange. */
export interface ExchangeLimits {
  /** Until there is a connection; `answerMs` unless given. */
  readonly connectMs?: number
  /**
   * How long a new connection may be silent before a request that changes nothing is sent once more, on
   * another one: a stream may be called open while nobody is at its end, or be cut at once, which is tried
   * a few times more. Never, unless given.
   */
  readonly secondMs?: number
  /** Until the head of the answer, counted anew with each piece of the request's body. */
  readonly answerMs: number
  /** Longest pause within the answer's body. */
  readonly idleMs: number
  /** Whether a reader who takes nothing for `idleMs` is waited for. */
  readonly waitForReader: boolean
}

/** Where a request goes, and how it looks there. */
export interface ExchangeTarget {
  readonly agent: Agent
  readonly host: string
  readonly port: number
  /** Path and query. */
  readonly path: string
  /** All fields except framing and `Connection`; `Host` is among them. */
  readonly fields: readonly Field[]
}

/** One request and what to make of it. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly target: ExchangeTarget
  readonly limits: ExchangeLimits
  /** Fields of the answer, without those of one hop, as the asker may see them. */
  readonly answerFields: (fields: Field[]) => Field[]
  /** What the body of this answer passes through on its way, if anything; made anew for each. A short one that is whole does not. */
  readonly through?: (answer: IncomingMessage) => Duplex | undefined
}

/**
 * Asks, and answers. Resolves when the answer is whole.
 *
 * @throws {AlliumError} `NO_ANSWER`, `BAD_ANSWER`, `BACKEND_DOWN` or what the agent's dial said: nothing was
 * answered then. After the head was sent: the response is destroyed, and it throws all the same.
 */
export async function exchange(call: Exchange): Promise<void> {
  const answer = await askTwice(call)
  await giveBack(answer, call)
}

/**
 * A kept connection may have been closed while the request was on its way, and a new one may lead nowhere:
 * what changes nothing is asked once more, on another one. The first to answer is listened to.
 */
async function askTwice(call: Exchange): Promise<IncomingMessage> {
  const first = openAsk(call)
  const answer = awaitAnswer(first, call)
  if (!isSafe(call.request) || hasBody(call.request)) return answer
  const early = await firstSign(first, answer, call.limits.secondMs)
  if (early === undefined) return await race(first, answer, call)
  return early instanceof Error ? await askAgain(first, early, call) : early
}

/**
 * A kept connection that was cut says nothing about the site: another is opened at once. A new one that was cut
 * may be the site's trouble or a limit of it, so what follows waits, and keeps within the agent's bounds.
 */
async function askAgain(
  last: ClientRequest,
  failed: AlliumError,
  call: Exchange,
): Promise<IncomingMessage> {
  const pausesMs = call.limits.secondMs === undefined ? [] : [AGAIN_AFTER_MS, 4 * AGAIN_AFTER_MS]
  const waitsMs = isKept(last) ? [0, ...pausesMs] : pausesMs
  for (const ms of waitsMs) {
    if (!isCut(failed)) break
    if (ms > 0) await pause(ms, undefined, { ref: false })
    if (call.response.destroyed) break
    last = openAsk(call, KEPT, { fresh: isKept(last) })
    const answer = await awaitAnswer(last, call).catch((error: AlliumError) => error)
    if (!(answer instanceof Error)) return answer
    failed = answer
  }
  throw failed
}

/** Connections that have carried an answer; `reusedSocket` is not set for one that somebody waited in line for. */
const kept = new WeakSet<Duplex>()

function isKept({ reusedSocket, socket }: ClientRequest): boolean {
  return reusedSocket || (socket !== null && kept.has(socket))
}

/** The connection ended before the answer; what was read of it, if anything, was no offence. */
function isCut({ code, cause }: AlliumError): boolean {
  const { code: reason = "" } = (cause ?? { code: "HPE_" }) as NodeJS.ErrnoException
  return code === "BAD_ANSWER" && !reason.startsWith("HPE_")
}

/**
 * The answer, or what went wrong; `undefined` when `ask` had a connection and nothing came on it for `ms`, which is no
 * longer waited for once something came.
 */
function firstSign(
  ask: ClientRequest,
  answer: Promise<IncomingMessage>,
  ms: number | undefined,
): Promise<IncomingMessage | AlliumError | undefined> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined
    const settle = (outcome: IncomingMessage | AlliumError) => {
      clearTimeout(timer)
      resolve(outcome)
    }
    answer.then(settle, settle)
    if (ms === undefined) return
    ask.once("socket", () => {
      timer = setTimeout(() => resolve(undefined), ms).unref()
    })
    ask.once("information", () => clearTimeout(timer))
  })
}

async function race(
  first: ClientRequest,
  answer: Promise<IncomingMessage>,
  call: Exchange,
): Promise<IncomingMessage> {
  const second = openAsk(call, KEPT, { fresh: true })
  try {
    const won = await Promise.any([answer, awaitAnswer(second, call)])
    for (const ask of [first, second]) if (ask.socket !== won.socket) ask.destroy()
    return won
  } catch (failures) {
    throw (failures as AggregateError).errors[0]
  }
}

function isSafe({ method }: IncomingMessage): boolean {
  return method === "GET" || method === "HEAD" || method === "OPTIONS"
}

const KEPT: readonly Field[] = [["Connection", "keep-alive"]]

/**
 * Opens the request towards the target; framing follows what the asker sent.
 *
 * @param options - `fresh`: on a connection of its own, which is not kept.
 */
export function openAsk(
  { request, target }: Pick<Exchange, "request" | "target">,
  more: readonly Field[] = KEPT,
  { fresh = false } = {},
): ClientRequest {
  const { agent, host, port, path } = target
  const headers = writeFields([...target.fields, ...more, ...framing(request)])
  const { method = "GET" } = request
  const way = fresh ? { createConnection: agent.createConnection.bind(agent) } : { agent }
  const options = { ...way, host, port, path, method, maxHeaderSize: ANSWER_HEAD_BYTES_MAX }
  const ask = openRequest({ ...options, headers, insecureHTTPParser: false, setHost: false })
  ask.maxHeadersCount = 0 // counted in giveBack(), where it is an error
  return ask
}

function framing(request: IncomingMessage): Field[] {
  if (request.headers["transfer-encoding"] !== undefined) return [["Transfer-Encoding", "chunked"]]
  const { "content-length": length } = request.headers
  if (length !== undefined) return [["Content-Length", length]]
  return isSafe(request) || request.method === "DELETE" ? [] : [["Content-Length", "0"]]
}

function awaitAnswer(ask: ClientRequest, call: Exchange): Promise<IncomingMessage> {
  const { request, response, limits } = call
  return new Promise<IncomingMessage>((resolve, reject) => {
    // One that waits in line for a connection would tell of its end only when it gets one.
    const stop = (error: AlliumError) => {
      reject(error)
      ask.destroy(error)
    }
    const late = (ms: number) => setTimeout(() => stop(noAnswer(ms)), ms).unref()
    let watch = late(limits.connectMs ?? limits.answerMs)
    const refresh = () => void watch.refresh()
    const leave = () => ask.destroyed || stop(readerLeft())
    let isAnswered = false
    const done = () => {
      clearTimeout(watch)
      request.off("data", refresh)
    }
    ask.once("socket", () => {
      clearTimeout(watch)
      watch = late(limits.answerMs)
    })
    response.once("close", leave)
    passInterim(ask, call)
    ask.once("response", (answer) => {
      isAnswered = true
      done()
      kept.add(answer.socket)
      resolve(answer)
    })
    ask.once("upgrade", (_answer, connection) => {
      reject(badAnswer("it switches protocols unasked"))
      connection.destroy()
    })
    ask.on("error", (error) => reject(answerFault(error)))
    ask.once("close", () => {
      done()
      response.off("close", leave)
      if (!isAnswered) reject(badAnswer("the connection was closed", new Error("closed")))
    })
    sendBody(ask, request)
    if (hasBody(request)) request.on("data", refresh)
  })
}

/** "Go on" is passed to an asker who waits for it; other interim answers end here. */
function passInterim(ask: ClientRequest, { request, response }: Exchange): void {
  let interimCount = 0
  if (request.headers.expect !== undefined) ask.on("continue", () => response.writeContinue())
  ask.on("information", () => {
    if (++interimCount > INTERIM_MAX) ask.destroy(badAnswer("it never comes to an end"))
  })
}

function sendBody(ask: ClientRequest, request: IncomingMessage): void {
  if (!hasBody(request)) return void ask.end()
  ask.flushHeaders()
  request.once("end", () => ask.addTrailers(trailers(request)))
  request.once("aborted", () => ask.destroy())
  ask.once("close", () => request.unpipe(ask).resume())
  request.pipe(ask)
}

/** Names that change what a message means must not come late, nor those that were refused at its head. */
const NOT_IN_TRAILERS =
  /^(?:content-.*|transfer-encoding|host|trailer|te|authorization|cookie|set-cookie|connection|location|range)$/i

function trailers({ rawTrailers }: IncomingMessage): [string, string][] {
  return readFields(rawTrailers)
    .filter(([name]) => !NOT_IN_TRAILERS.test(name) && !identifiesSender(name))
    .slice(0, HTTP_FIELDS_MAX)
    .map(([name, value]) => [name, value])
}

/** What may not be said at the head may not be said behind the body either. */
function lateFields(answer: IncomingMessage, call: Exchange): [string, string][] {
  return call.answerFields(trailers(answer)).map(([name, value]) => [name, value])
}

/** Passes the answer on; resolves when its last byte was handed to the asker's connection. */
export async function giveBack(answer: IncomingMessage, call: Exchange): Promise<void> {
  const { request, response } = call
  const fields = readFields(answer.rawHeaders)
  if (fields.length > HTTP_FIELDS_MAX) {
    answer.destroy()
    throw badAnswer(`it has more than ${HTTP_FIELDS_MAX} fields`)
  }
  response.sendDate = false
  response.writeHead(answer.statusCode!, writeFields(call.answerFields(withoutHopByHop(fields))))
  if (isShort(answer)) await handOver(answer, call)
  else await passOn(answer, call)
  // A refusal of what is still being sent: nobody wants the rest.
  if (answer.statusCode! >= 400 && !request.complete) answer.socket.destroy()
}

function isShort({ complete, destroyed, readableLength }: IncomingMessage): boolean {
  return complete && !destroyed && readableLength <= AT_ONCE_BYTES_MAX
}

/** Pages are short and many: one that is here whole needs no pipe, and nobody who watches it. */
function handOver(answer: IncomingMessage, call: Exchange): Promise<void> {
  const { response } = call
  return new Promise((resolve, reject) => {
    listenForEnd(response, resolve, reject)
    if (response.destroyed) return reject(readerLeft())
    const body: Buffer | null = answer.read()
    response.addTrailers(lateFields(answer, call))
    response.end(body)
  })
}

async function passOn(answer: IncomingMessage, call: Exchange): Promise<void> {
  const { response, limits } = call
  answer.once("end", () => response.addTrailers(lateFields(answer, call)))
  answer.once("error", () => cutOff(call, answer))
  const stop = watchForStall(answer, response, limits)
  try {
    await pour(answer, call.through?.(answer), response)
  } catch (error) {
    throw answerFault(error as Error)
  } finally {
    stop()
  }
}

/** As `pipeline()`, without its cost of an abort signal for each answer. */
function pour(
  answer: IncomingMessage,
  through: Duplex | undefined,
  response: ServerResponse,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      reject(error)
      answer.destroy()
      through?.destroy()
      response.destroy()
    }
    answer.once("error", fail)
    answer.once("close", () => answer.readableEnded || fail(badAnswer("it was cut short")))
    through?.once("error", fail)
    listenForEnd(response, resolve, fail)
    if (response.destroyed) fail(readerLeft())
    else if (answer.destroyed)
      fail(badAnswer("it was cut short")) // before anybody listened
    else if (through === undefined) answer.pipe(response)
    else answer.pipe(through).pipe(response)
  })
}

/** Calls one of the two, when the last byte was handed to the asker's connection, or never will be. */
function listenForEnd(
  response: ServerResponse,
  done: () => void,
  fail: (error: Error) => void,
): void {
  response.once("error", fail)
  response.once("finish", done)
  response.once("close", () => response.writableFinished || fail(readerLeft()))
}

function readerLeft(): AlliumError {
  return new AlliumError("ABORTED", "Cannot go on: the reader went away")
}

/** To HTTP/1.0 without a length, the end of the connection is the end of the answer: only a reset tells. */
function cutOff({ request, response }: Exchange, { headers }: IncomingMessage): void {
  const connection: { resetAndDestroy?(): void } | null = response.socket
  const endTells = request.httpVersion === "1.0" && headers["content-length"] === undefined
  if (endTells) connection?.resetAndDestroy?.()
}

/** Destroys an answer that brings nothing for too long; a slow reader is not the answer's fault. */
function watchForStall(
  answer: IncomingMessage,
  response: ServerResponse,
  limits: ExchangeLimits,
): () => void {
  const isEventStream = answer.headers["content-type"]?.startsWith("text/event-stream") === true
  const idleMs = isEventStream ? Math.max(EVENT_STREAM_IDLE_MS, limits.idleMs) : limits.idleMs
  const timer = setTimeout(() => {
    if (limits.waitForReader && response.writableNeedDrain) timer.refresh()
    else answer.destroy(noAnswer(idleMs))
  }, idleMs).unref()
  answer.on("data", () => void timer.refresh())
  return () => clearTimeout(timer)
}

function noAnswer(waitedMs: number): AlliumError {
  const message = `Cannot read answer: nothing came for ${waitedMs / 1_000} s`
  return new AlliumError("NO_ANSWER", message)
}

function badAnswer(found: string, cause?: unknown): AlliumError {
  return new AlliumError("BAD_ANSWER", `Cannot read answer: ${found}`, { cause })
}

const NOBODY_LISTENS = ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"]

/** Gives what `node:http` says a code of ours. */
export function answerFault(error: Error): AlliumError {
  if (error instanceof AlliumError) return error
  const { code = "" } = error as NodeJS.ErrnoException
  if (NOBODY_LISTENS.includes(code))
    return new AlliumError("BACKEND_DOWN", "Cannot ask: the server does not run", { cause: error })
  const broken = code.startsWith("HPE_")
  return badAnswer(broken ? "it is not valid HTTP/1.1" : "the connection broke off", error)
}

/**
 * One socket to the bridge while lines are spoken on it: one command at a time, one write for each.
 *
 * @module
 */
import type { Socket } from "node:net"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { Turns } from "../base/turns.ts"
import type { SamContext } from "./context.ts"
import { dialBridge } from "./dial-bridge.ts"
import { LineReader } from "./line-reader.ts"
import { formatPing, parseSamLine, type SamLine } from "./message.ts"
import type { RouterProfile } from "./profile.ts"
import { redactSamLine } from "./redact.ts"
import { helloRequest, type SamRequest } from "./requests.ts"
import { abortError, unlessAborted, within } from "./within.ts"

/** A bridge that does not say HELLO within this time is broken; the slowest router seen needed 1 s. */
const HELLO_TIMEOUT_MS = 20_000
/** Questions that may wait for their turn on one socket. */
const WAITING_MAX = 64
/** Largest payload of `DATAGRAM RECEIVED` we take, in bytes; the specification ends at 32,768. */
const PAYLOAD_BYTES_MAX = 65_536
/** Answers to PING that a bridge may leave unread, in bytes. */
const UNREAD_BYTES_MAX = 65_536

/** How long to wait. */
export interface AskCall {
  readonly signal: AbortSignal
  /** From writing the line on; for ever without it. After it the bridge counts as broken: all ends. */
  readonly timeoutMs?: number
}

/** Takes what the router says unasked on the control socket of a datagram session. */
export type TakePayload = (header: SamLine, payload: Uint8Array) => void

interface Waiting {
  readonly deed: string
  readonly after: SamRequest<unknown>["after"]
  /** Takes a line. Throws what the router said. */
  readonly understand: (line: string) => void
  readonly reject: (error: AlliumError) => void
}

/** Lines to a bridge and back. Ends with its socket; PING is answered, and never sent: it kills i2pd's sessions. */
export class Conversation implements AsyncDisposable {
  readonly socket: Socket
  /** Resolves, never rejects, when no more can be said, with the reason. */
  readonly closed: Promise<AlliumError>
  readonly #clock: Clock
  readonly #log: Log
  readonly #reader = new LineReader()
  readonly #turns = new Turns()
  readonly #takePayload: TakePayload | undefined
  #end: AlliumError | undefined
  #tellClosed: (reason: AlliumError) => void = () => {}
  #waitingCount = 0
  #waiting: Waiting | undefined
  /** `reading` lines; `holding` them back until the next question; `over`: the socket is a stream now. */
  #phase: "reading" | "holding" | "over" = "reading"
  #owed: { header: SamLine; byteCount: number } | undefined

  constructor(socket: Socket, tools: { clock: Clock; log: Log; takePayload?: TakePayload }) {
    this.socket = socket
    this.#clock = tools.clock
    this.#log = tools.log
    this.#takePayload = tools.takePayload
    this.closed = new Promise((resolve) => {
      this.#tellClosed = resolve
    })
    socket.on("readable", this.#onReadable)
    socket.on("close", this.#onClose)
  }

  /**
   * Asks, when those who asked before have their answers. When the caller gives up, the answer is
   * still awaited and dropped, so that it is not taken for that of the next question.
   *
   * @throws {AlliumError} what the request makes of the answer; `BRIDGE_UNREACHABLE`, `BRIDGE_SILENT`,
   * `BRIDGE_BAD_REPLY`, `BUSY` when 64 wait already, `ABORTED`, `TIMED_OUT`.
   */
  ask<T>(request: SamRequest<T>, call: AskCall): Promise<T> {
    if (this.#waitingCount >= WAITING_MAX) {
      const found = `${WAITING_MAX} questions wait already, expected fewer`
      return Promise.reject(new AlliumError("BUSY", `Cannot ${request.deed}: ${found}`))
    }
    this.#waitingCount++
    const answer = this.#turns.take(() => this.#exchange(request, call))
    return unlessAborted(
      answer.finally(() => this.#waitingCount--),
      call.signal,
    )
  }

  /** Writes bytes that have no reply. @throws {AlliumError} when the conversation is over. */
  tell(bytes: Uint8Array): void {
    if (this.#end) throw this.#end
    this.socket.write(bytes)
  }

  /** Ends at once; also the stream the socket may have become. */
  close(reason?: AlliumError): void {
    const bye = new AlliumError("SESSION_CLOSED", "Cannot go on: the connection was closed by us")
    this.#fail(reason ?? bye)
    this.socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  async #exchange<T>(request: SamRequest<T>, call: AskCall): Promise<T> {
    if (call.signal.aborted) throw abortError(call.signal)
    if (this.#end) throw this.#end
    const answer = this.#listenFor(request)
    if (request.line !== undefined) this.socket.write(`${request.line}\n`)
    this.#phase = "reading"
    this.#onReadable()
    const { timeoutMs: ms } = call
    if (ms === undefined) return answer
    return within(answer, { clock: this.#clock, ms, late: () => this.#silent(request, ms) })
  }

  #listenFor<T>({ deed, after, read }: SamRequest<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting = { deed, after, reject, understand: (line) => resolve(read(line)) }
    })
  }

  #silent(request: SamRequest<unknown>, ms: number): AlliumError {
    const found = `bridge said nothing for ${ms} ms, expected an answer`
    this.close(new AlliumError("BRIDGE_SILENT", `Cannot ${request.deed}: ${found}`))
    return this.#end as AlliumError
  }

  readonly #onReadable = (): void => {
    try {
      this.#drain()
      while (this.#phase === "reading") {
        const chunk: Buffer | null = this.socket.read()
        if (chunk === null) return
        this.#reader.push(chunk)
        this.#drain()
      }
    } catch (error) {
      this.close(this.#badReply(error))
    }
  }

  readonly #onClose = (): void => {
    const deed = this.#waiting?.deed ?? "go on"
    const found = "bridge closed the connection, expected it to stay open"
    this.#fail(new AlliumError("BRIDGE_UNREACHABLE", `Cannot ${deed}: ${found}`))
  }

  /** Takes every whole line there is, as long as lines are wanted. */
  #drain(): void {
    while (this.#phase === "reading" && this.#takePayloadOwed()) {
      const line = this.#reader.next()
      if (line === undefined) return
      this.#take(line)
    }
  }

  #take(line: string): void {
    const waiting = this.#waiting
    if (/^P[IO]NG(?: |$)/.test(line)) this.#takePing(line)
    else if (waiting === undefined || /^(?:DATAGRAM|RAW) RECEIVED /.test(line))
      this.#takeUnasked(parseSamLine(line))
    else this.#takeAnswer(line, waiting)
  }

  #takeAnswer(line: string, waiting: Waiting): void {
    this.#waiting = undefined
    try {
      waiting.understand(line)
      if (waiting.after === "hold") this.#phase = "holding"
      else if (waiting.after === "stream") this.#handOver()
    } catch (error) {
      waiting.reject(toAlliumError(error))
    }
  }

  #takePing(line: string): void {
    const { command, rest } = parseSamLine(line)
    if (command !== "PING") return
    if (this.socket.writableLength > UNREAD_BYTES_MAX)
      throw new AlliumError("BAD_SAM_LINE", "Cannot answer PING: bridge reads nothing")
    this.socket.write(`${formatPing("PONG", rest)}\n`)
  }

  #takeUnasked(line: SamLine): void {
    const { command, subcommand, values } = line
    if (subcommand === "RECEIVED") this.#owe(line, Number(values.get("SIZE") ?? "?"))
    else if (command === "SESSION" && values.get("RESULT") !== "OK")
      this.close(new AlliumError("SESSION_LOST", "Cannot keep session: the router ended it"))
    else this.#log.debug("sam.unasked", { command: redactSamLine(command) })
  }

  #owe(header: SamLine, byteCount: number): void {
    if (!(Number.isInteger(byteCount) && byteCount >= 0 && byteCount <= PAYLOAD_BYTES_MAX))
      throw new AlliumError("BAD_SAM_LINE", "Cannot read SAM line: SIZE is no size, expected one")
    this.#owed = { header, byteCount }
  }

  /** False while a payload has not arrived whole. */
  #takePayloadOwed(): boolean {
    if (this.#owed === undefined) return true
    const payload = this.#reader.take(this.#owed.byteCount)
    if (payload === undefined) return false
    const { header } = this.#owed
    this.#owed = undefined
    this.#takePayload?.(header, payload)
    return true
  }

  /**
   * Must happen in the same tick as reading the line: later the socket may have ended, and what came
   * behind the line could not be given back any more.
   */
  #handOver(): void {
    this.#phase = "over"
    this.socket.off("readable", this.#onReadable)
    this.socket.off("close", this.#onClose)
    const surplus = this.#reader.rest()
    if (surplus.length > 0) this.socket.unshift(surplus)
  }

  #badReply(error: unknown): AlliumError {
    const { message } = toAlliumError(error)
    const deed = this.#waiting?.deed ?? "go on"
    const found = `bridge sent no SAM (${message}), expected a reply`
    return new AlliumError("BRIDGE_BAD_REPLY", `Cannot ${deed}: ${found}`, { cause: error })
  }

  #fail(reason: AlliumError): void {
    if (this.#end) return
    this.#end = reason
    this.#waiting?.reject(reason)
    this.#waiting = undefined
    this.#tellClosed(reason)
  }
}

/** A conversation after HELLO. */
export interface Greeted {
  readonly conversation: Conversation
  readonly profile: RouterProfile
}

/**
 * Connects and says HELLO.
 *
 * @throws {AlliumError} `BRIDGE_UNREACHABLE`, `BRIDGE_SILENT`, `BRIDGE_REFUSED`, `BRIDGE_BAD_REPLY`,
 * `ABORTED`, `TIMED_OUT`.
 */
export async function openConversation(
  context: Pick<SamContext, "bridge" | "clock" | "log">,
  call: { signal: AbortSignal; takePayload?: TakePayload },
): Promise<Greeted> {
  const { bridge, clock, log } = context
  const socket = await dialBridge(bridge, call)
  const { takePayload } = call
  const conversation = new Conversation(socket, { clock, log, ...(takePayload && { takePayload }) })
  try {
    const ask = { signal: call.signal, timeoutMs: HELLO_TIMEOUT_MS }
    return { conversation, profile: await conversation.ask(helloRequest(bridge), ask) }
  } catch (error) {
    conversation.close()
    throw error
  }
}

/**
 * Answers: one JSON document, one failure, or a stream of events.
 *
 * @module
 */
import { once } from "node:events"
import type { ServerResponse } from "node:http"
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import type { Failure } from "./protocol.ts"
import { type Frame, writeFrame } from "./sse.ts"

/** A silent stream says "I am here" this often, so that a dead peer is noticed. */
const HEARTBEAT_MS = 15_000

/** Nothing here is a page, and nothing here is for other pages. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
}

/** Sends one document and ends the answer. */
export function sendJson(response: ServerResponse, status: number, document: unknown): void {
  const body = Buffer.from(`${JSON.stringify(document)}\n`)
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": body.length,
  })
  response.end(body)
}

/** Sends a text of the given media type and ends the answer. */
export function sendText(response: ServerResponse, type: string, text: string): void {
  const body = Buffer.from(text)
  response.writeHead(200, { "content-type": type, "content-length": body.length })
  response.end(body)
}

/** Sends a failure with its code's status and ends the answer. */
export function sendFailure(response: ServerResponse, error: AlliumError): void {
  if (error.code === "METHOD_NOT_ALLOWED") response.setHeader("allow", "GET, POST")
  if (error.code === "TOO_MANY_ATTEMPTS") response.setHeader("retry-after", "60")
  sendJson(response, error.outcome.status, failureOf(error))
}

/** The failure as a document: code, sentence, advice; never the cause. */
export function failureOf(error: AlliumError): Failure {
  const { next } = error.outcome
  return { error: { code: error.code, message: error.message, ...(next && { next }) } }
}

/** A stream of server-sent events. Begins with the first frame, so a failure before has its status. */
export class EventStream {
  readonly #response: ServerResponse
  readonly #clock: Pick<Clock, "sleep">
  readonly #stallMsMax: number

  /** @param options.stallMsMax - A reader that takes nothing for so long is cut off. */
  constructor(
    response: ServerResponse,
    options: { clock: Pick<Clock, "sleep">; stallMsMax: number; signal: AbortSignal },
  ) {
    this.#response = response
    this.#clock = options.clock
    this.#stallMsMax = options.stallMsMax
    void this.#beat(options.signal)
  }

  /** Whether anything was sent. */
  get begun(): boolean {
    return this.#response.headersSent
  }

  /** Sends the headers. */
  begin(): void {
    if (this.begun) return
    this.#response.writeHead(200, { "content-type": "text/event-stream" })
    this.#response.flushHeaders()
  }

  /**
   * Sends, and resolves when there is room for more.
   *
   * @throws {AlliumError} `ABORTED` when the reader is gone or stalls.
   */
  async send(frame: Frame): Promise<void> {
    if (!this.trySend(frame)) await this.#room()
  }

  /** Sends at once; `false` when the reader is behind. */
  trySend(frame: Frame): boolean {
    this.begin()
    return this.#response.write(writeFrame(frame))
  }

  /** Whether a frame can be left out for the reader's sake. */
  get behind(): boolean {
    return this.#response.writableNeedDrain
  }

  async #room(): Promise<void> {
    const stop = new AbortController()
    const response = this.#response
    const stalled = this.#clock.sleep(this.#stallMsMax, stop).then(() => response.destroy())
    const events = ["drain", "close"].map((name) => once(response, name, stop))
    await Promise.race([stalled, ...events]).finally(() => stop.abort())
    if (response.closed || response.destroyed)
      throw new AlliumError("ABORTED", "Cannot finish: the caller went away")
  }

  async #beat(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await this.#clock.sleep(HEARTBEAT_MS, { signal })
        if (this.#response.writableEnded) return
        this.begin()
        if (!this.behind) this.#response.write(": here\n\n")
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}

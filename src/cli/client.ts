/**
 * The command line's end of the local API; over the Unix socket only.
 *
 * @module
 */
import { existsSync } from "node:fs"
import type { IncomingMessage, RequestOptions } from "node:http"
import { text } from "node:stream/consumers"
import { type Failure, type Listing, NETWORK_HEADER, pathOf } from "../api/protocol.ts"
import { type Frame, FrameReader } from "../api/sse.ts"
import type { ErrorCode } from "../base/error-codes.ts"
import { AlliumError } from "../base/errors.ts"

/** A router that has not listed its offers by then hangs. */
const LIST_PATIENCE_MS = 10_000

/** Says whether the network is embedded, as soon as an answer begins. */
export type OnNetwork = (isEmbedded: boolean) => void

/** Asks the router behind a socket. */
export class Client {
  readonly #socketPath: string
  readonly #signal: AbortSignal
  readonly #onNetwork: OnNetwork

  constructor(options: { socketPath: string; signal: AbortSignal; onNetwork: OnNetwork }) {
    this.#socketPath = options.socketPath
    this.#signal = options.signal
    this.#onNetwork = options.onNetwork
  }

  /** What the router can do; `undefined` when none runs. @throws {AlliumError} `TIMED_OUT`. */
  async list(): Promise<Listing | undefined> {
    if (!existsSync(this.#socketPath)) return undefined // before node:http is loaded: help is quick
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(LIST_PATIENCE_MS)])
    try {
      const response = await this.#ask({ method: "GET", path: "/v1", signal })
      return (await readJson(response)) as Listing
    } catch (error) {
      if (error instanceof AlliumError && error.code === "NO_ROUTER") return undefined
      throw error
    }
  }

  /**
   * Runs an offer: `progress`, `item`, and `done` at the end.
   *
   * @throws {AlliumError} What the router answered; `NO_ROUTER` when it goes away.
   */
  async *run(verb: string, input: unknown): AsyncGenerator<Frame, void, undefined> {
    const headers = { accept: "text/event-stream", "content-type": "application/json" }
    const ask = { method: "POST", path: pathOf(verb), headers, signal: this.#signal }
    const response = await this.#ask(ask, JSON.stringify(input))
    if (response.statusCode !== 200) throw failureIn(await readJson(response))
    for await (const frame of framesOf(response)) {
      if (frame.event === "error") throw failureIn(JSON.parse(frame.data))
      yield frame
      if (frame.event === "done") return
    }
    throw new AlliumError("NO_ROUTER", "Cannot finish: the router went away before it answered")
  }

  async #ask(options: RequestOptions, body = ""): Promise<IncomingMessage> {
    const { request } = await import("node:http")
    const headers = { host: "allium", ...(options.headers as Record<string, string>) }
    return new Promise((resolve, reject) => {
      const asked = request({ ...options, socketPath: this.#socketPath, headers })
      asked.on("error", (error) => reject(this.#noRouter(error)))
      asked.on("response", (response) => {
        this.#onNetwork(response.headers[NETWORK_HEADER] !== undefined)
        resolve(response)
      })
      asked.end(body)
    })
  }

  #noRouter(cause: NodeJS.ErrnoException): Error {
    if (cause.name === "AbortError" || cause.name === "TimeoutError") return cause
    const found =
      cause.code === "ENOENT" || cause.code === "ECONNREFUSED"
        ? "none runs for this home"
        : `its socket says ${cause.code ?? cause.message}`
    return new AlliumError("NO_ROUTER", `Cannot reach the router: ${found}`, { cause })
  }
}

async function* framesOf(response: IncomingMessage): AsyncGenerator<Frame, void, undefined> {
  const reader = new FrameReader()
  const decoder = new TextDecoder()
  try {
    for await (const chunk of response)
      yield* reader.push(decoder.decode(chunk as Uint8Array, { stream: true }))
  } catch (error) {
    // Cut off by the router's end; an abort of ours goes on as it is.
    if ((error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error
  }
}

async function readJson(response: IncomingMessage): Promise<unknown> {
  const body = await text(response)
  try {
    return JSON.parse(body)
  } catch (cause) {
    throw new AlliumError("NO_ROUTER", "Cannot read answer: it is no JSON", { cause })
  }
}

function failureIn(document: unknown): AlliumError {
  const { code, message } = (document as Failure).error
  return new AlliumError(code as ErrorCode, message)
}

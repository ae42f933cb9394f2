/**
 * One life of a supervised session: from SESSION STATUS OK until it is lost.
 *
 * @module
 */
import { setMaxListeners } from "node:events"
import { type AlliumError, toAlliumError } from "../base/errors.ts"
import { acceptStreams } from "./accept.ts"
import type { Backlog } from "./backlog.ts"
import type { Destination } from "./destination.ts"
import { watchSession } from "./heartbeat.ts"
import { lookupName } from "./names.ts"
import type { OpenedSession } from "./open-session.ts"
import { probeSession } from "./probe.ts"
import type { ConnectCall, SamStream } from "./session.ts"
import { connectByName, connectStream, toSamStream } from "./stream.ts"
import { withSignals } from "./within.ts"

/** A session that is up, with its streams. Whatever is under way on it ends with it. */
export class LiveSession {
  readonly #opened: OpenedSession
  readonly #streams = new Set<SamStream>()
  readonly #life = new AbortController()

  /** @param opened - Taken over. */
  constructor(opened: OpenedSession) {
    this.#opened = opened
    setMaxListeners(0, this.#life.signal) // one for each stream being opened
  }

  /**
   * Listens, accepts and asks for signs of life until the session is lost; then ends its streams.
   *
   * @returns Why it is over; never rejects.
   */
  async run(call: { incoming: Backlog<SamStream>; heartbeatMs: number }): Promise<AlliumError> {
    const { signal } = this.#life
    const { destination: own } = this.#opened
    const arrived = (stream: SamStream) => this.#own(stream)
    try {
      return await Promise.race([
        this.#opened.closed,
        watchSession(this.#opened, { signal, everyMs: call.heartbeatMs }),
        probeSession(this.#opened, signal),
        acceptStreams(this.#opened, call.incoming, { signal, own, arrived }),
        this.#given(),
      ])
    } catch (error) {
      return signal.aborted ? signal.reason : toAlliumError(error)
    }
  }

  /** Declares the session lost; only the first reason counts. */
  lose(reason: AlliumError): void {
    if (!this.#life.signal.aborted) this.#life.abort(reason)
  }

  /** Ends everything that is under way, for `reason`. */
  end(reason: AlliumError): void {
    this.lose(reason)
    this.#opened.control.close(reason)
    for (const stream of this.#streams) stream.destroy(reason)
  }

  /** @throws {AlliumError} as `connectStream`, or the reason why the session was lost meanwhile. */
  connect(peer: Destination, call: ConnectCall): Promise<SamStream> {
    return withSignals([call.signal, this.#life.signal], async (signal) => {
      return this.#own(await connectStream(this.#opened, peer, { ...call, signal }))
    })
  }

  /**
   * The router finds the name and connects, side by side with others; then it is asked, on the control
   * socket and at no cost, who that was. The other way round, one peer who is away would keep all others waiting.
   *
   * @throws {AlliumError} as `connectByName` and `lookupName`, or the reason why the session was lost.
   */
  connectByName(name: string, call: ConnectCall): Promise<SamStream> {
    return withSignals([call.signal, this.#life.signal], async (signal) => {
      const socket = await connectByName(this.#opened, name, { ...call, signal })
      try {
        const peer = await this.lookup(name, signal)
        return this.#own(toSamStream(socket, peer, "out"))
      } catch (error) {
        socket.destroy()
        throw error
      }
    })
  }

  /** @throws {AlliumError} as `lookupName`. */
  lookup(name: string, signal: AbortSignal): Promise<Destination> {
    return lookupName(this.#opened.control, name, { signal })
  }

  #own(stream: SamStream): SamStream {
    this.#streams.add(stream)
    stream.once("close", () => this.#streams.delete(stream))
    return stream
  }

  /** Resolves with the reason given to {@linkcode lose}. */
  #given(): Promise<AlliumError> {
    const { signal } = this.#life
    return new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve(signal.reason), { once: true })
    })
  }
}

/**
 * Requests of one connection, one after another: what is asked later may depend on what was asked before.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-9.3.2
 * @module
 */
import type { ServerResponse } from "node:http"
import type { Duplex } from "node:stream"

/** Requests that may wait on one connection; one that sends more ahead is closed. */
const PIPELINED_MAX = 64

/** Keeps the order of requests. */
export class InTurn {
  /** What waits behind the request under way; a connection without one is not in it. */
  readonly #waiting = new WeakMap<Duplex, (() => void)[]>()

  /** A request of this connection is under way. */
  isBusy(connection: Duplex): boolean {
    return this.#waiting.has(connection)
  }

  /** Calls `serve` when every earlier request of the connection was answered. */
  run(connection: Duplex, response: ServerResponse, serve: () => void): void {
    response.once("close", () => this.#next(connection))
    const waiting = this.#waiting.get(connection)
    if (waiting === undefined) {
      this.#waiting.set(connection, [])
      serve()
    } else if (waiting.length >= PIPELINED_MAX) connection.destroy()
    else waiting.push(serve)
  }

  #next(connection: Duplex): void {
    const waiting = this.#waiting.get(connection)
    const serve = waiting?.shift()
    if (serve === undefined) this.#waiting.delete(connection)
    else if (!connection.destroyed) serve()
  }
}

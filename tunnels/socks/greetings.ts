/**
 * Programs that have not said yet what they want: for a bounded time, and not too many.
 *
 * @module
 */
import type { Socket } from "node:net"
import { AlliumError, type Users } from "allium/tunnel"
import { openByteReader } from "./byte-reader.ts"
import { readSocks, type SocksRequest } from "./request.ts"

/** A program says what it wants in less. */
const GREETING_MS = 15_000
/** Connections that have not said yet what they want; the oldest makes room. */
const GREETINGS_MAX = 64

/** Reads what programs want. */
export class Greetings {
  readonly #users: Users
  readonly #waiting = new Set<Socket>()

  constructor(users: Users) {
    this.#users = users
  }

  /**
   * Reads a request, and nothing behind it.
   *
   * @throws {AlliumError} `TOO_SLOW`, and as {@linkcode readSocks}.
   */
  async read(local: Socket, signal: AbortSignal): Promise<SocksRequest> {
    const [oldest] = this.#waiting
    if (this.#waiting.size >= GREETINGS_MAX) oldest?.destroy()
    this.#waiting.add(local)
    const slow = new AbortController()
    const timer = setTimeout(() => slow.abort(tooSlow()), GREETING_MS).unref()
    const reader = openByteReader(local, AbortSignal.any([signal, slow.signal]))
    try {
      const say = (bytes: Uint8Array) => local.write(bytes)
      const from = local.remoteAddress ?? ""
      return await readSocks(reader, { say, admit: (given) => this.#users.refusal(given, from) })
    } catch (error) {
      throw slow.signal.aborted ? slow.signal.reason : error
    } finally {
      reader.close()
      clearTimeout(timer)
      this.#waiting.delete(local)
    }
  }
}

function tooSlow(): AlliumError {
  return new AlliumError("TOO_SLOW", "Cannot read request: it did not come in time")
}

/**
 * Where a session stands, who wants to know, and who waits for it to be up.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { SessionState } from "./session.ts"
import { unlessAborted } from "./within.ts"

/** The state of one session and its watchers. */
export class Standing {
  readonly #clock: Clock
  readonly #log: Log
  readonly #listeners = new Set<(state: SessionState) => void>()
  #state: SessionState

  constructor(tools: { clock: Clock; log: Log }) {
    this.#clock = tools.clock
    this.#log = tools.log
    this.#state = { name: "opening", sinceMs: tools.clock.now() }
  }

  get state(): SessionState {
    return this.#state
  }

  opened(): void {
    this.#change({ name: "up", sinceMs: this.#clock.now() })
  }

  /** The same reason again changes nothing; another one does not begin a new outage. */
  lost(reason: AlliumError): void {
    const { name, sinceMs } = this.#state
    if (name !== "down") this.#change({ name: "down", sinceMs: this.#clock.now(), reason })
    else if (this.#state.reason.code !== reason.code) this.#change({ name, sinceMs, reason })
  }

  /** The bridge that was away answers; what was down for want of it is only being built now. */
  answered(): void {
    const isAway = this.#state.name === "down" && this.#state.reason.code === "BRIDGE_UNREACHABLE"
    if (isAway) this.lost(stillBuilding())
  }

  closed(): void {
    this.#change({ name: "closed", sinceMs: this.#clock.now() })
  }

  watch(listener: (state: SessionState) => void): () => void {
    const own = (state: SessionState) => listener(state)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /** @throws {AlliumError} `SESSION_CLOSED`, `ABORTED`, `TIMED_OUT`. */
  async up(signal: AbortSignal): Promise<void> {
    if (this.#state.name === "up") return
    let stop = () => {}
    const settled = new Promise<void>((resolve) => {
      const look = ({ name }: SessionState) => {
        if (name === "up" || name === "closed") resolve()
      }
      stop = this.watch(look)
      look(this.#state)
    })
    try {
      await unlessAborted(settled, signal)
    } finally {
      stop()
    }
    if (this.#state.name === "closed") throw sessionClosed()
  }

  /** After `closed` nothing changes any more. A watcher that fails hinders nobody else. */
  #change(state: SessionState): void {
    if (this.#state.name === "closed") return
    this.#state = state
    for (const listener of [...this.#listeners]) {
      try {
        listener(state)
      } catch (error) {
        const name = error instanceof Error ? error.name : typeof error
        this.#log.error("sam.watcher-failed", { error: name })
      }
    }
  }
}

function stillBuilding(): AlliumError {
  const found = "the router is there again and builds tunnels, expected it to have them"
  return new AlliumError("SESSION_LOST", `Cannot use session: ${found}`)
}

/** What everybody gets who still wants something of a closed session. */
export function sessionClosed(): AlliumError {
  return new AlliumError("SESSION_CLOSED", "Cannot use session: it is closed, expected an open one")
}

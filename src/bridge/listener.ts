/**
 * Who takes the streams that arrive at a session: ACCEPTs in line, or one FORWARD, or a bounded backlog.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import type { Knobs } from "./knobs.ts"
import type { RouterTraits } from "./routers.ts"
import type { EmbeddedStream } from "./stream.ts"

/** i2pd 2.58 closes ACCEPTs younger than this. */
const YOUNG_MS = 3000
/** ACCEPTs one session may have waiting. */
const ACCEPTORS_MAX = 1024

/** One ACCEPT that waits. */
export interface Acceptor {
  readonly sinceMs: number
  take(stream: EmbeddedStream): void
  close(): void
}

/** What a listener needs from its network. */
export interface ListenerOptions {
  /** Streams to this port come here; `undefined` takes what no other listener wants. */
  readonly port: number | undefined
  readonly traits: RouterTraits
  readonly knobs: Knobs
  readonly clock: Clock
}

/** The receiving half of a STREAM session or subsession. */
export class Listener {
  readonly port: number | undefined
  readonly #options: ListenerOptions
  #acceptors: Acceptor[] = []
  #backlog: { stream: EmbeddedStream; expiry: AbortController }[] = []
  #forward: ((stream: EmbeddedStream) => void) | undefined

  constructor(options: ListenerOptions) {
    this.port = options.port
    this.#options = options
  }

  /** True when another stream finds no place. */
  get full(): boolean {
    return this.#backlog.length >= this.#options.traits.backlogMax
  }

  get forwarding(): boolean {
    return this.#forward !== undefined
  }

  /** ACCEPTs that wait. */
  get acceptorCount(): number {
    return this.#acceptors.length
  }

  /** Adds an ACCEPT; `false` when it may not be added. It may be served before this returns. */
  accept(acceptor: Acceptor): boolean {
    if (this.#acceptors.length >= ACCEPTORS_MAX) return false
    if (this.#options.knobs.faults.has("acceptYoungClosed")) this.#closeYoungest(acceptor.sinceMs)
    this.#acceptors.push(acceptor)
    this.#serve()
    return true
  }

  /** An ACCEPT's socket closed. With the fault `acceptDeaf`, closing the first one strands the rest. */
  withdraw(acceptor: Acceptor): void {
    const at = this.#acceptors.indexOf(acceptor)
    if (at < 0) return
    const strands = at === 0 && this.#options.knobs.faults.has("acceptDeaf")
    if (strands) this.#acceptors = []
    else this.#acceptors.splice(at, 1)
  }

  /** Sends every stream to `dial` from now on; `undefined` ends that. */
  forward(dial: ((stream: EmbeddedStream) => void) | undefined): void {
    this.#forward = dial
    this.#serve()
  }

  /** A stream arrived. The caller has looked at {@linkcode Listener.full}. */
  offer(stream: EmbeddedStream): void {
    const expiry = new AbortController()
    const entry = { stream, expiry }
    this.#backlog.push(entry)
    this.#serve()
    if (!this.#backlog.includes(entry)) return
    this.#options.clock.sleep(this.#options.traits.backlogMs, { signal: expiry.signal }).then(
      () => stream.cut(),
      () => undefined, // Somebody took it.
    )
  }

  /** The session is over: nothing waits any more. */
  close(): void {
    for (const { stream, expiry } of this.#backlog.splice(0)) {
      expiry.abort()
      stream.cut()
    }
    for (const acceptor of this.#acceptors.splice(0)) acceptor.close()
  }

  #serve(): void {
    for (;;) {
      const [first] = this.#backlog
      if (first?.stream.closed) this.#backlog.shift()
      else if (first === undefined || !(this.#forward ?? this.#acceptors[0])) return
      else {
        this.#backlog.shift()
        first.expiry.abort()
        this.#hand(first.stream)
      }
    }
  }

  #hand(stream: EmbeddedStream): void {
    if (this.#forward) {
      this.#forward(stream)
      return
    }
    const acceptor = this.#acceptors.shift()
    if (this.#options.knobs.faults.has("acceptYoungClosed")) this.#closeYoung()
    acceptor?.take(stream)
  }

  /** A third ACCEPT closes the one before it when that is young; the armed one stays. */
  #closeYoungest(nowMs: number): void {
    const last = this.#acceptors.at(-1)
    if (this.#acceptors.length < 2 || last === undefined || nowMs - last.sinceMs >= YOUNG_MS) return
    this.#acceptors.pop()
    last.close()
  }

  #closeYoung(): void {
    const nowMs = this.#options.clock.monotonicMs()
    const isYoung = (acceptor: Acceptor) => nowMs - acceptor.sinceMs < YOUNG_MS
    const young = this.#acceptors.filter(isYoung)
    this.#acceptors = this.#acceptors.filter((acceptor) => !isYoung(acceptor))
    for (const acceptor of young) acceptor.close()
  }
}

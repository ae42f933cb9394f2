/**
 * Finding peers of one torrent: whom to dial, when, and when again.
 *
 * I2PSnark takes two streams a minute from one peer, and 20 an hour; whoever knocks more often is not let in at all. So each
 * peer is dialled at most every 30 seconds, and more and more rarely while it does not answer. As long as nobody is there at
 * all, the few that are known are neither forgotten nor left alone for long: a link may have named them, and no tracker would
 * name them again.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import {
  Alarm,
  AlliumError,
  type Backoff,
  type Clock,
  encodeBase32,
  type Log,
  openBackoff,
  Scope,
  type Slots,
  toAlliumError,
} from "allium/plugin"
import type { PeerEnd, SwarmPeer } from "../swarm/index.ts"
import type { PeerAddress } from "../torrent/peer-hash.ts"

/** Peers of one torrent that are remembered. */
const KNOWN_MAX = 1_000
/** A stream may take that long: I2PSnark waits as long. */
const CONNECT_MS = 75_000
/** Dials of one torrent at once. */
const DIALS_MAX = 8
/** Shortest wait before a peer is dialled again, and the longest. */
const AGAIN = { firstMs: 60_000, mostMs: 3_600_000 }
/** Longest wait while nobody is there: fifteen dials an hour at least; I2PSnark lets one in twenty times. */
const LONELY_MS = 240_000
/** A peer that could not be reached so often is forgotten; a tracker may name it again. */
const FAILURES_MAX = 6
/** A stream that lasted so long was a good one. */
const GOOD_MS = 60_000
/** Until there is one of these again: the peer has nothing for us now, or we nothing for it. */
const RARELY_MS = 1_800_000

/** What {@linkcode openPeerHunt} needs. */
export interface PeerHuntOptions {
  /** Our own name: we are among the peers a tracker names. */
  readonly own: string
  readonly connect: (target: string, call: { signal: AbortSignal }) => Promise<Duplex>
  /** Speaks with a peer until the stream ends; owns it. */
  readonly join: (stream: Duplex, peer: SwarmPeer) => Promise<PeerEnd>
  /** Whether a peer of that name would be let in, and is not there already. */
  readonly admits: (name: string) => boolean
  /** How many more streams are wanted now, dials under way not counted. */
  readonly wanted: () => number
  /** Dials of all torrents on one session. */
  readonly slots: Slots
  readonly clock: Clock
  readonly chance: () => number
  readonly log: Log
}

/** Dials until it is closed; streams that stand are the swarm's to close. */
export interface PeerHunt extends AsyncDisposable {
  /** Peers somebody told of. */
  found(peers: readonly PeerAddress[]): void
  /** Somebody opened a stream to us: no need to dial. */
  met(name: string): void
  /** More may be wanted. */
  wake(): void
  /** Peers known, and dials under way. */
  report(): { known: number; dialling: number }
}

interface Known {
  readonly name: string
  /** What to dial: the whole destination where that was said, since asking for it takes seconds. */
  readonly target: string
  readonly hash: Uint8Array
  readonly backoff: Backoff
  state: "idle" | "dialling" | "joined"
  failures: number
  /** Monotonic. */
  notBeforeMs: number
}

/** Begins to dial as soon as there is somebody. */
export function openPeerHunt(options: PeerHuntOptions): PeerHunt {
  const hunt = new Hunt(options)
  const running = hunt.run()
  return {
    found: (peers) => hunt.found(peers),
    met: (name) => hunt.met(name),
    wake: () => hunt.alarm.ring(),
    report: () => hunt.report(),
    async [Symbol.asyncDispose]() {
      await hunt.scope.close()
      await running
    },
  }
}

class Hunt {
  readonly scope = new Scope()
  readonly alarm = new Alarm()
  readonly #options: PeerHuntOptions
  readonly #known = new Map<string, Known>()
  #dialling = 0

  constructor(options: PeerHuntOptions) {
    this.#options = options
  }

  async run(): Promise<void> {
    const { signal } = this.scope
    const { clock } = this.#options
    try {
      for (;;) {
        const waitMs = this.#begin()
        await this.alarm.wait({ signal, clock, ...(waitMs !== undefined && { atMostMs: waitMs }) })
      }
    } catch (error) {
      if (!signal.aborted)
        this.#options.log.error("hunt.broken", { code: toAlliumError(error).code })
    }
  }

  found(peers: readonly PeerAddress[]): void {
    for (const { hash, destination } of peers) {
      const name = `${encodeBase32(hash)}.b32.i2p`
      if (name === this.#options.own || this.#known.has(name) || !this.#makeRoom()) continue
      this.#known.set(name, {
        ...{ name, target: destination ?? name, hash, state: "idle", failures: 0, notBeforeMs: 0 },
        backoff: openBackoff({ ...AGAIN, chance: this.#options.chance }),
      })
    }
    this.alarm.ring()
  }

  met(name: string): void {
    const known = this.#known.get(name)
    if (known === undefined) return
    known.failures = 0
    known.backoff.reset()
    known.notBeforeMs = this.#nowMs + known.backoff.next()
  }

  report(): { known: number; dialling: number } {
    return { known: this.#known.size, dialling: this.#dialling }
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }

  /** Forgets one that was never reached, if need be. */
  #makeRoom(): boolean {
    if (this.#known.size < KNOWN_MAX) return true
    const worst = [...this.#known.values()]
      .filter(({ state, failures }) => state === "idle" && failures > 0)
      .sort((one, other) => other.failures - one.failures)[0]
    return worst !== undefined && this.#known.delete(worst.name)
  }

  /** Dials who is due, as long as more are wanted. @returns How long until the next is due. */
  #begin(): number | undefined {
    const nowMs = this.#nowMs
    const idle = [...this.#known.values()].filter(({ state }) => state === "idle")
    const due = idle.filter(({ notBeforeMs }) => notBeforeMs <= nowMs)
    const room = Math.min(this.#options.wanted(), DIALS_MAX) - this.#dialling
    const mostMs = this.#isLonely ? LONELY_MS : AGAIN.mostMs
    for (const known of this.#inOrder(due).slice(0, Math.max(0, room))) {
      known.notBeforeMs = nowMs + Math.min(known.backoff.next(), mostMs)
      if (this.#options.admits(known.name)) void this.#dial(known)
    }
    const later = idle.map(({ notBeforeMs }) => notBeforeMs - nowMs).filter((ms) => ms > 0)
    return later.length > 0 ? Math.min(...later) : undefined
  }

  /** Those who answered before come first, the others by chance. */
  #inOrder(due: Known[]): Known[] {
    return due
      .map((known) => ({ known, place: known.failures + this.#options.chance() }))
      .sort((one, other) => one.place - other.place)
      .map(({ known }) => known)
  }

  async #dial(known: Known): Promise<void> {
    known.state = "dialling"
    this.#dialling++
    const stream = await this.#connect(known)
    this.#dialling--
    if (stream === undefined) this.#missed(known)
    else await this.#speak(known, stream)
    known.state = "idle"
    this.alarm.ring()
  }

  async #connect({ target }: Known): Promise<Duplex | undefined> {
    const { slots, connect, log } = this.#options
    const { signal } = this.scope
    const limit = new AbortController()
    const stop = () => limit.abort(new AlliumError("ABORTED", "Cannot dial: no longer needed"))
    signal.addEventListener("abort", stop)
    try {
      return await slots.take(
        () => {
          const timer = setTimeout(() => limit.abort(late()), CONNECT_MS)
          return connect(target, { signal: limit.signal }).finally(() => clearTimeout(timer))
        },
        { signal },
      )
    } catch (error) {
      if (!signal.aborted) log.debug("peer.unreachable", { code: toAlliumError(error).code })
      return undefined
    } finally {
      signal.removeEventListener("abort", stop)
    }
  }

  #missed(known: Known): void {
    known.failures++
    if (known.failures >= FAILURES_MAX && !this.#isLonely) this.#known.delete(known.name)
  }

  /** Whether nobody is there, and few may ever be. */
  get #isLonely(): boolean {
    if (this.#known.size > DIALS_MAX) return false
    return [...this.#known.values()].every(({ state }) => state !== "joined")
  }

  async #speak(known: Known, stream: Duplex): Promise<void> {
    if (this.scope.signal.aborted) {
      stream.on("error", () => {})
      return void stream.destroy()
    }
    known.state = "joined"
    const sinceMs = this.#nowMs
    const { name, hash } = known
    const end = await this.#options.join(stream, { name, hash, outgoing: true })
    if (this.#nowMs - sinceMs >= GOOD_MS) this.met(name)
    if (isFinal(end)) known.notBeforeMs = this.#nowMs + RARELY_MS
  }
}

function isFinal(end: PeerEnd): boolean {
  return end === "done" || end === "banned" || end === "broken rules"
}

function late(): AlliumError {
  return new AlliumError("PEER_UNREACHABLE", "Cannot dial: the peer did not answer in time")
}

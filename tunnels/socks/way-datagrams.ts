/**
 * The datagrams of one way: several programs and several sites over one session.
 *
 * @module
 */
import {
  addTag,
  type Datagram,
  type DatagramSession,
  DatagramTarget,
  type Meter,
  nextNumber,
  readTag,
  type TunnelContext,
} from "allium/tunnel"

/** Sites a way remembers; the one written to longest ago is forgotten, and its answers reach nobody. */
const SITES_MAX = 64

/** What they stand on. */
export interface WayDatagramsTools {
  readonly context: TunnelContext
  /** Asked with the first datagram. */
  readonly session: () => Promise<DatagramSession>
  /** Without tags: bytes as they are. */
  readonly isPlain: boolean
  /** How long to look for a site. */
  readonly waitMs: number
  readonly meter: Meter
}

/** Told what came from a site; `hosts` are the names it was written to by, the last one first. */
export type Hear = (hosts: readonly string[], payload: Uint8Array) => void

/** One program's place at a way. */
export interface Place {
  /** `host` as `readI2pHost` gives it. What cannot be sent is counted as lost. */
  send(host: string, payload: Uint8Array): void
  leave(): void
}

interface Site {
  readonly target: DatagramTarget
  readonly end: AbortController
  /** Who wrote to it last: it is answered when there are no tags. */
  number: number
}

/** Opens its session with the first datagram. */
export class WayDatagrams {
  readonly #tools: WayDatagramsTools
  readonly #sites = new Map<string, Site>()
  readonly #programs = new Map<number, Hear>()
  #lastNumber = 0
  #isHearing = false

  constructor(tools: WayDatagramsTools) {
    this.#tools = tools
  }

  /** A place for one program. */
  join(hear: Hear): Place {
    const number = nextNumber(this.#lastNumber, this.#programs)
    this.#lastNumber = number
    this.#programs.set(number, hear)
    return {
      send: (host, payload) => this.#send(number, host, payload),
      leave: () => void this.#programs.delete(number),
    }
  }

  /** @throws {AlliumError} `SESSION_LIMIT`, `SESSION_CLOSED`. */
  readonly session = async (): Promise<DatagramSession> => {
    const session = await this.#tools.session()
    if (!this.#isHearing) void this.#hear(session)
    this.#isHearing = true
    return session
  }

  destroy(): void {
    for (const host of [...this.#sites.keys()]) this.#forget(host)
  }

  #send(number: number, host: string, payload: Uint8Array): void {
    const { isPlain, meter } = this.#tools
    const site = this.#siteOf(host)
    site.number = number
    meter.add("datagramsOut")
    meter.moved(0, payload.length)
    site.target.send(addTag(isPlain ? undefined : number, payload))
  }

  /** The site written to last stands last. */
  #siteOf(host: string): Site {
    const site = this.#sites.get(host) ?? this.#newSite(host)
    this.#sites.delete(host)
    const [oldest] = this.#sites.keys()
    if (this.#sites.size >= SITES_MAX && oldest !== undefined) this.#forget(oldest)
    this.#sites.set(host, site)
    return site
  }

  #newSite(host: string): Site {
    const { context, waitMs, meter } = this.#tools
    const end = new AbortController()
    const onLost = (error: unknown, count: number) => {
      meter.add("lost", count)
      context.log.info("datagram.lost", { code: meter.fail(error) })
    }
    const tools = { ...context, session: this.session, signal: end.signal, waitMs, onLost }
    return { target: new DatagramTarget(host, tools), end, number: 0 }
  }

  #forget(host: string): void {
    this.#sites.get(host)?.end.abort()
    this.#sites.delete(host)
  }

  async #hear(session: DatagramSession): Promise<void> {
    let lostBefore = 0
    for await (const datagram of session.incoming) {
      this.#take(datagram)
      this.#tools.meter.add("lost", session.lostCount - lostBefore)
      lostBefore = session.lostCount
    }
  }

  /** Only a site that was written to may answer, and only those who wrote. */
  #take({ payload: bytes, peerB32 }: Datagram): void {
    const { isPlain, meter } = this.#tools
    const known = [...this.#sites].filter(([, { target }]) => target.b32 === peerB32).reverse()
    const number = known[0]?.[1].number
    const tagged = isPlain ? { number, payload: bytes } : readTag(bytes)
    const hear = this.#programs.get(tagged.number ?? -1)
    const isAnswer = peerB32 !== undefined && known.length > 0
    if (!isAnswer || hear === undefined) meter.add("refused")
    else
      hear(
        known.map(([host]) => host),
        tagged.payload,
      )
  }
}

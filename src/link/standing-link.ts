/**
 * A link that stands: its channels go on while the stream beneath is lost and found again.
 *
 * Every byte of every frame has a place in one long stream that began with the link. Both sides count
 * what they received and keep what is not acknowledged, so a new stream goes on where the old one broke,
 * in the middle of a frame if need be.
 *
 * @see docs/protocol/link.md#resumption
 * @module
 */
import { setMaxListeners } from "node:events"
import { addAbortSignal, type Duplex } from "node:stream"
import type { Clock } from "../base/clock.ts"
import { type AlliumError, isAlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { type Carrier, type CarrierOwner, carry } from "./carrier.ts"
import { Channels, type ChannelsOwner } from "./channels.ts"
import { encodeFrame } from "./frames.ts"
import { Heartbeat } from "./heartbeat.ts"
import type { LinkLimits } from "./limits.ts"
import type { Channel, Link, LinkPeer } from "./link.ts"
import { CLOSE, cannotOpen, linkLostError, linkProtocolError } from "./link-errors.ts"
import { NuisanceBucket } from "./nuisance.ts"
import { Receiver } from "./receiver.ts"
import { slept } from "./slept.ts"
import { Transmitter } from "./transmitter.ts"

/** What a link needs to stand. */
export interface StandingLinkOptions {
  /** Who dialled when the link began: `out` opens odd channels. */
  readonly role: "out" | "in"
  readonly peer: LinkPeer
  /** 0 unless said. */
  readonly lane?: number | undefined
  readonly linkId: Uint8Array
  readonly limits: LinkLimits
  readonly terms: { readonly channelsMax: number; readonly firstWindowBytes: number }
  readonly clock: Clock
  readonly log: Log
  /** Absent when the link ends with its stream. */
  readonly recover?: Recover
}

/** Finds a new stream, until `signal` aborts; calls {@linkcode StandingLink.attach}. */
type Recover = (link: StandingLink, call: { signal: AbortSignal }) => Promise<void>

/** How long the last frame may take to leave, and the peer to hang up after it. */
const FAREWELL_MS = 5_000

/** See {@linkcode Link}. */
export class StandingLink implements Link, ChannelsOwner, CarrierOwner {
  readonly peer: LinkPeer
  readonly lane: number
  readonly linkId: Uint8Array
  readonly incoming: AsyncIterable<Channel>
  readonly closed: Promise<Error | undefined>
  readonly #options: StandingLinkOptions
  readonly #channels: Channels
  readonly #receiver: Receiver
  readonly #transmitter: Transmitter
  readonly #heartbeat = new Heartbeat()
  readonly #nuisances: NuisanceBucket
  readonly #life = new AbortController()
  #carrier: Carrier | undefined
  #recovery: AbortController | undefined
  #generation = 0
  #received = 0
  #pumpDue = false
  #closing: Promise<void> | undefined
  #whenIdle: (() => void) | undefined
  #tellClosed!: (error: Error | undefined) => void

  constructor(options: StandingLinkOptions) {
    this.#options = options
    this.peer = options.peer
    this.lane = options.lane ?? 0
    this.linkId = options.linkId
    const { role, limits, terms } = options
    this.#channels = new Channels({ role, limits, peer: terms, owner: this })
    this.#transmitter = new Transmitter({
      channels: this.#channels,
      keptBytesMax: limits.keptBytes,
      received: () => this.#received,
    })
    this.#nuisances = new NuisanceBucket(() => options.clock.monotonicMs())
    this.#receiver = new Receiver({
      channels: this.#channels,
      transmitter: this.#transmitter,
      heartbeat: this.#heartbeat,
      nuisances: this.#nuisances,
      monotonicMs: () => options.clock.monotonicMs(),
      onClose: (code) => this.#receiveClose(code),
      isOver: () => this.over,
    })
    this.incoming = this.#channels.incoming
    this.closed = new Promise((resolve) => {
      this.#tellClosed = resolve
    })
    void this.#beat()
  }

  get roundTripMs(): number | undefined {
    return this.#heartbeat.roundTripMs
  }

  /** Bytes of frames received since the link began; stands still while no stream is attached. */
  get received(): number {
    return this.#received
  }

  /** Counts the streams this link has had. */
  get generation(): number {
    return this.#generation
  }

  get channelCount(): number {
    return this.#channels.size
  }

  get over(): boolean {
    return this.#life.signal.aborted
  }

  /** Waits for a new stream. */
  get adrift(): boolean {
    return this.#recovery !== undefined
  }

  open(protocol: string, call: { signal: AbortSignal }): Channel {
    if (this.over) throw cannotOpen("LINK_LOST", "the link is over, expected a standing one")
    if (call.signal.aborted) throw toAlliumError(call.signal.reason)
    // One signal may well end a hundred channels: no leak to warn of.
    setMaxListeners(0, call.signal)
    return addAbortSignal(call.signal, this.#channels.open(protocol))
  }

  /** True when the peer can go on from there. */
  canResume(receivedByPeer: number): boolean {
    return !this.over && this.#transmitter.covers(receivedByPeer)
  }

  /** Takes a stream whose handshake is done and goes on from what the peer has. */
  attach(stream: Duplex, receivedByPeer: number): void {
    this.#recovery?.abort()
    this.#recovery = undefined
    this.#carrier?.drop()
    this.#generation += 1
    this.#transmitter.rewind(receivedByPeer)
    this.#heartbeat.reset()
    this.#carrier = carry(stream, this)
    this.wake()
  }

  /** The peer is about to come on a new stream: the old one is of no use any more. */
  suspend(): void {
    this.#carrier?.drop()
    if (this.#carrier !== undefined) this.lost(undefined)
  }

  /** Graceful: see {@linkcode Link}. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#drain()
    return this.#closing
  }

  /** Ends the link now; the peer is told as well as can be. */
  fail(error: AlliumError): void {
    const code = isAlliumError(error, "LINK_PROTOCOL") ? CLOSE.protocol : CLOSE.gone
    // Outside the count: there will be no other stream.
    const frame = encodeFrame({ type: "close", code })
    this.#carrier?.finish(frame, this.#options.clock.sleep(FAREWELL_MS))
    this.#carrier = undefined
    this.#finish(error)
  }

  // What the stream tells.

  arrive(chunk: Buffer): boolean {
    let isKept = true
    this.#received += chunk.length
    try {
      isKept = this.#receiver.take(chunk)
    } catch (error) {
      this.fail(toAlliumError(error))
      // A fault of an application's listener is not ours to hide.
      if (!isAlliumError(error)) throw error
    }
    this.wake()
    return isKept
  }

  written(frame: Buffer): void {
    this.#transmitter.written(frame)
  }

  drain(): void {
    this.#pump()
  }

  lost(cause: Error | undefined): void {
    this.#carrier = undefined
    if (this.over) return
    this.#options.log.info("link.stream-lost", { kept: this.#transmitter.keptBytes })
    if (this.#transmitter.closed) this.#finish(undefined)
    else if (this.#options.recover === undefined)
      this.#finish(linkLostError("the stream was lost", cause))
    else void this.#recover(this.#options.recover, cause)
  }

  // What the channels tell.

  wake(): void {
    if (this.#pumpDue || this.#carrier === undefined) return
    this.#pumpDue = true
    queueMicrotask(() => {
      this.#pumpDue = false
      this.#pump()
    })
  }

  nuisance(): void {
    this.#nuisances.take()
  }

  idle(): void {
    this.#whenIdle?.()
  }

  // Sending.

  #pump(): void {
    const carrier = this.#carrier
    carrier?.batch(() => {
      while (carrier.writable) {
        const frame = this.#transmitter.next()
        if (frame === undefined) return
        carrier.write(frame)
      }
    })
    if (this.#transmitter.overfull)
      this.fail(linkProtocolError("the peer does not acknowledge what it receives"))
  }

  // Life and end.

  /** The one who receives CLOSE hangs up: nothing of it is still on the way. */
  #receiveClose(code: number): void {
    if (code === CLOSE.done && this.#channels.size === 0) this.#finish(undefined)
    else if (code === CLOSE.protocol)
      this.#finish(linkProtocolError("the peer says that we broke the protocol", "no objection"))
    else this.#finish(linkLostError("the other side closed the link"))
  }

  async #beat(): Promise<void> {
    const { clock, limits } = this.#options
    while (await slept(clock, limits.heartbeatMs, this.#life.signal)) {
      if (this.#carrier === undefined) continue
      const beat = this.#heartbeat.beat(clock.monotonicMs())
      if (beat === "dead") this.suspend()
      else this.#transmitter.ping(beat.ping)
      this.wake()
    }
  }

  async #recover(recover: Recover, cause: Error | undefined): Promise<void> {
    const recovery = new AbortController()
    this.#recovery = recovery
    const { signal } = recovery
    void recover(this, { signal }).catch((error: unknown) => {
      if (!signal.aborted) this.fail(toAlliumError(error))
    })
    if (await slept(this.#options.clock, this.#options.limits.resumeMs, signal))
      this.#finish(linkLostError("the stream was lost and did not come back in time", cause))
  }

  async #drain(): Promise<void> {
    if (this.over) return
    this.#channels.drain()
    this.#transmitter.goaway()
    this.wake()
    await this.#idleOrLate()
    if (this.over) return
    this.#channels.lose(linkLostError("the link was closed on this side"))
    if (this.#carrier !== undefined) await this.#lastWord()
    this.#finish(undefined)
  }

  /** CLOSE leaves after everything else; the peer hangs up on it. */
  async #lastWord(): Promise<void> {
    this.#transmitter.close()
    this.wake()
    await slept(this.#options.clock, FAREWELL_MS, this.#life.signal)
  }

  async #idleOrLate(): Promise<void> {
    if (this.#channels.size === 0) return
    const waiting = new AbortController()
    this.#whenIdle = () => waiting.abort()
    const signal = AbortSignal.any([waiting.signal, this.#life.signal])
    await slept(this.#options.clock, this.#options.limits.drainMs, signal)
  }

  #finish(error: AlliumError | undefined): void {
    if (this.over) return
    this.#life.abort()
    this.#recovery?.abort()
    this.#recovery = undefined
    this.#carrier?.drop()
    this.#carrier = undefined
    this.#channels.lose(error ?? linkLostError("the link is closed"))
    this.#options.log.info("link.over", error === undefined ? {} : { code: error.code })
    this.#tellClosed(error)
  }
}

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
import { type ChannelFrame, Channels, type ChannelsOwner } from "./channels.ts"
import { encodeFrame, type Frame, FrameParser } from "./frames.ts"
import { Heartbeat } from "./heartbeat.ts"
import { KeptFrames } from "./kept.ts"
import { ACK_EVERY_BYTES, CONTROL_RESERVE_BYTES, type LinkLimits } from "./limits.ts"
import type { Channel, Link, LinkPeer } from "./link.ts"
import { CLOSE, cannotOpen, linkLostError, linkProtocolError } from "./link-errors.ts"
import { NuisanceBucket } from "./nuisance.ts"

/** What a link needs to stand. */
export interface StandingLinkOptions {
  /** Who dialled when the link began: `out` opens odd channels. */
  readonly role: "out" | "in"
  readonly peer: LinkPeer
  readonly linkId: Uint8Array
  readonly limits: LinkLimits
  readonly terms: { readonly channelsMax: number; readonly firstWindowBytes: number }
  readonly clock: Clock
  readonly log: Log
  /**
   * Finds a new stream, until `signal` aborts; calls {@linkcode StandingLink.attach}. Absent when the
   * link ends with its stream.
   */
  readonly recover?: (link: StandingLink, call: { signal: AbortSignal }) => Promise<void>
}

/** How long the last frame may take to leave, and the peer to hang up after it. */
const FAREWELL_MS = 5_000

/** See {@linkcode Link}. */
export class StandingLink implements Link, ChannelsOwner, CarrierOwner {
  readonly peer: LinkPeer
  readonly linkId: Uint8Array
  readonly incoming: AsyncIterable<Channel>
  readonly closed: Promise<Error | undefined>
  readonly #options: StandingLinkOptions
  readonly #channels: Channels
  readonly #parser = new FrameParser()
  readonly #kept = new KeptFrames()
  readonly #heartbeat = new Heartbeat()
  readonly #nuisances: NuisanceBucket
  readonly #life = new AbortController()
  #carrier: Carrier | undefined
  #recovery: AbortController | undefined
  #generation = 0
  #received = 0
  /** What we last told the peer about {@linkcode StandingLink.received}. */
  #told = 0
  #pumpDue = false
  /** Frames about the link itself that wait to be sent; at most one of each. */
  #pong: number | undefined
  #ping: number | undefined
  #goaway: "no" | "due" | "sent" = "no"
  #close: "no" | "due" | "sent" = "no"
  #closing: Promise<void> | undefined
  #whenIdle: (() => void) | undefined
  #tellClosed!: (error: Error | undefined) => void

  constructor(options: StandingLinkOptions) {
    this.#options = options
    this.peer = options.peer
    this.linkId = options.linkId
    const { role, limits, terms } = options
    this.#channels = new Channels({ role, limits, peer: terms, owner: this })
    this.#nuisances = new NuisanceBucket(() => options.clock.monotonicMs())
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
    return !this.over && this.#close === "no" && this.#kept.covers(receivedByPeer)
  }

  /** Takes a stream whose handshake is done and goes on from what the peer has. */
  attach(stream: Duplex, receivedByPeer: number): void {
    this.#recovery?.abort()
    this.#recovery = undefined
    this.#carrier?.drop()
    this.#generation += 1
    this.#kept.rewind(receivedByPeer)
    this.#heartbeat.reset()
    this.#told = this.#received
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
    this.#farewell(encodeFrame({ type: "close", code }))
    this.#finish(error)
  }

  // What the stream tells.

  arrive(chunk: Buffer): void {
    this.#received += chunk.length
    this.#heartbeat.hear()
    try {
      for (const frame of this.#parser.push(chunk)) {
        this.#receive(frame)
        if (this.over) return
      }
    } catch (error) {
      this.fail(toAlliumError(error))
      // A fault of an application's listener is not ours to hide.
      if (!isAlliumError(error)) throw error
    }
    if (this.#received - this.#told >= ACK_EVERY_BYTES) this.wake()
  }

  drain(): void {
    this.#pump()
  }

  lost(cause: Error | undefined): void {
    this.#carrier = undefined
    if (this.over) return
    this.#options.log.info("link.stream-lost", { kept: this.#kept.byteCount })
    if (this.#close === "sent") this.#finish(undefined)
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
        const frame = this.#kept.next() ?? this.#make()
        if (frame === undefined) return
        carrier.write(frame)
      }
    })
    if (this.#kept.byteCount > this.#options.limits.keptBytes + CONTROL_RESERVE_BYTES)
      this.fail(linkProtocolError("the peer does not acknowledge what it receives"))
  }

  #make(): Buffer | undefined {
    const frame = this.#makeOwn() ?? this.#channels.nextControl() ?? this.#makeLast()
    if (frame === undefined) return undefined
    this.#kept.add(frame)
    return this.#kept.next()
  }

  /** Frames about the link that may overtake everything. */
  #makeOwn(): Buffer | undefined {
    if (this.#pong !== undefined) return this.#encodePulse("pong", this.#pong)
    if (this.#ping !== undefined) return this.#encodePulse("ping", this.#ping)
    if (this.#received - this.#told < ACK_EVERY_BYTES) return undefined
    this.#told = this.#received
    return encodeFrame({ type: "ack", received: this.#received })
  }

  /** Data, and what must come after everything else. */
  #makeLast(): Buffer | undefined {
    if (this.#goaway === "due") {
      this.#goaway = "sent"
      return encodeFrame({ type: "goaway" })
    }
    const roomy = this.#kept.byteCount < this.#options.limits.keptBytes
    const data = roomy ? this.#channels.nextData() : undefined
    if (data !== undefined || this.#close !== "due") return data
    this.#close = "sent"
    return encodeFrame({ type: "close", code: CLOSE.done })
  }

  #encodePulse(type: "ping" | "pong", token: number): Buffer {
    if (type === "pong") this.#pong = undefined
    else this.#ping = undefined
    this.#told = this.#received
    return encodeFrame({ type, received: this.#received, token })
  }

  // Receiving.

  #receive(frame: Frame): void {
    if ("received" in frame) this.#acknowledged(frame.received)
    if ("channel" in frame) this.#receiveForChannel(frame)
    else if (frame.type === "ping") this.#receivePing(frame.token)
    else if (frame.type === "pong")
      this.#heartbeat.pong(frame.token, this.#options.clock.monotonicMs())
    else if (frame.type === "goaway") this.#channels.drain()
    else if (frame.type === "close") this.#receiveClose(frame.code)
  }

  /** After the last word our channels are gone, and the peer may not know it yet. */
  #receiveForChannel(frame: ChannelFrame): void {
    if (this.#close === "no") this.#channels.receive(frame)
  }

  #receivePing(token: number): void {
    this.nuisance()
    this.#pong = token
    this.wake()
  }

  #acknowledged(received: number): void {
    this.#kept.acknowledge(received)
    this.wake()
  }

  /** The one who receives CLOSE hangs up: nothing of it is still on the way. */
  #receiveClose(code: number): void {
    const whole = code === CLOSE.done && this.#channels.size === 0
    if (whole) this.#finish(undefined)
    else if (code === CLOSE.protocol)
      this.#finish(linkProtocolError("the peer says that we broke the protocol", "no objection"))
    else this.#finish(linkLostError("the other side closed the link"))
  }

  // Life and end.

  async #beat(): Promise<void> {
    const { clock, limits } = this.#options
    while (await slept(clock, limits.heartbeatMs, this.#life.signal)) {
      if (this.#carrier === undefined) continue
      const beat = this.#heartbeat.beat(clock.monotonicMs())
      if (beat === "dead") this.suspend()
      else this.#ping = beat.ping
      this.wake()
    }
  }

  async #recover(
    recover: NonNullable<StandingLinkOptions["recover"]>,
    cause: Error | undefined,
  ): Promise<void> {
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
    this.#goaway = "due"
    this.wake()
    await this.#idleOrLate()
    if (this.over) return
    this.#channels.lose(linkLostError("the link was closed on this side"))
    if (this.#carrier !== undefined) await this.#lastWord()
    this.#finish(undefined)
  }

  /** CLOSE leaves after everything else; the peer hangs up on it. */
  async #lastWord(): Promise<void> {
    this.#close = "due"
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

  /** A last frame outside the count: there will be no other stream. */
  #farewell(frame: Buffer): void {
    const carrier = this.#carrier
    if (carrier === undefined || this.over) return
    this.#carrier = undefined
    carrier.finish(frame)
    void this.#options.clock.sleep(FAREWELL_MS).then(() => carrier.drop())
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

/** True after `ms`; false, never a rejection, as soon as `signal` aborts. */
async function slept(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(ms, { signal })
    return !signal.aborted
  } catch (error) {
    if (signal.aborted) return false
    throw error
  }
}

/**
 * All channels of one link: who may do what, in which order frames leave. No stream, no clock.
 *
 * @see docs/protocol/link.md#channels
 * @module
 */
import type { AlliumError } from "../base/errors.ts"
import { Queue } from "../base/queue.ts"
import { type ChannelOwner, LinkChannel } from "./channel.ts"
import { encodeFrame, type Frame, isProtocolName } from "./frames.ts"
import { Budget, Inlet } from "./inlet.ts"
import { CREDIT_BYTES_MAX, type LinkLimits } from "./limits.ts"
import {
  cannotOpen,
  channelResetError,
  channelStoppedError,
  linkProtocolError,
  RESET,
  resetCodeOf,
} from "./link-errors.ts"
import { Outlet } from "./outlet.ts"

/** Frames about a channel. */
export type ChannelFrame = Extract<Frame, { channel: number }>

/** Told by {@linkcode Channels}. */
export interface ChannelsOwner {
  /** There is something to send. */
  wake(): void
  /** The peer did something an honest one does rarely; may throw `LINK_PROTOCOL`. */
  nuisance(): void
  /** No channel is left. */
  idle(): void
  /** The link cannot go on. */
  fail(error: AlliumError): void
}

/** A channel and how far its ends are acknowledged. */
interface Entry {
  readonly channel: LinkChannel
  /** The peer has DELIVERED what we sent. */
  sentWhole: boolean
  /** We have DELIVERED what the peer sent. */
  readWhole: boolean
}

/** Frames that may wait for a slow stream; a channel causes four at most, and there are two sides. */
const CONTROL_FRAMES_PER_CHANNEL = 16

/** One side's table of channels. */
export class Channels implements ChannelOwner {
  /** What the peer opened; ends with the link or with its GOAWAY. */
  readonly incoming: Queue<LinkChannel>
  readonly #limits: LinkLimits
  readonly #peer: { readonly channelsMax: number; readonly firstWindowBytes: number }
  readonly #owner: ChannelsOwner
  readonly #budget: Budget
  readonly #entries = new Map<number, Entry>()
  /** Reset by us (or refused) and not yet answered: late frames for them are no fault of the peer. */
  readonly #resetSent = new Set<number>()
  /** OPEN, RESET, DELIVERED: before any data, in order. */
  readonly #control: Buffer[] = []
  /** Channels that may be due credit, and those that have data to send, in turn. */
  readonly #toCredit = new Set<LinkChannel>()
  readonly #toSend = new Set<LinkChannel>()
  #nextId: number
  #peerNextId: number
  #ownCount = 0
  #peerCount = 0
  #draining = false

  constructor(options: {
    role: "out" | "in"
    limits: LinkLimits
    peer: { channelsMax: number; firstWindowBytes: number }
    owner: ChannelsOwner
  }) {
    this.#limits = options.limits
    this.#peer = options.peer
    this.#owner = options.owner
    this.#budget = new Budget(options.limits.budgetBytes)
    this.#nextId = options.role === "out" ? 1 : 2
    this.#peerNextId = 3 - this.#nextId
    this.incoming = new Queue(options.limits.incomingMax)
  }

  /** Channels that are not over on both sides. */
  get size(): number {
    return this.#entries.size + this.#resetSent.size
  }

  /** Opens a channel of ours. */
  open(protocol: string): LinkChannel {
    if (!isProtocolName(protocol))
      throw cannotOpen("BAD_PROTOCOL", "its name is malformed, expected one such as /messages/1")
    if (this.#draining) throw cannotOpen("LINK_CLOSED", "the link is closing, expected an open one")
    if (this.#ownCount >= this.#peer.channelsMax || this.#nextId > 0xffff_fffd)
      throw cannotOpen("CHANNEL_LIMIT", `${this.#ownCount} are open, expected fewer`)
    const id = this.#nextId
    this.#nextId += 2
    this.#ownCount += 1
    const windowBytes = this.#limits.firstWindowBytes
    this.#say({ type: "open", channel: id, windowBytes, protocol })
    return this.#add(id, protocol, this.#peer.firstWindowBytes)
  }

  /** No new channels from either side. */
  drain(): void {
    this.#draining = true
    this.incoming.end()
  }

  /** Everything is over: every channel fails with `error`. */
  lose(error: AlliumError): void {
    this.drain()
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    this.#resetSent.clear()
    this.#control.length = 0
    this.#toCredit.clear()
    this.#toSend.clear()
    for (const { channel } of entries) channel.lose(error)
  }

  /** The next frame that is not data: never held back by the peer's slowness. */
  nextControl(): Buffer | undefined {
    return this.#control.shift() ?? this.#nextCredit()
  }

  /** The next frame of data or END, each channel in its turn. */
  nextData(): Buffer | undefined {
    for (const channel of this.#toSend) {
      this.#toSend.delete(channel)
      if (!channel.outlet.ready) continue
      const frame = channel.outlet.take()
      if (channel.outlet.ready) this.#toSend.add(channel)
      return frame
    }
    return undefined
  }

  /**
   * @returns Whether somebody may still look at the frame's bytes.
   * @throws {AlliumError} `LINK_PROTOCOL` for what the peer may not do.
   */
  receive(frame: ChannelFrame): boolean {
    if (frame.type === "open") this.#receiveOpen(frame)
    else if (this.#resetSent.has(frame.channel)) this.#receiveLate(frame)
    else return this.#receiveFor(this.#entry(frame.channel), frame)
    return false
  }

  // What channels tell.

  wake(channel: LinkChannel): void {
    if (!this.#entries.has(channel.id) || !channel.outlet.ready) return
    this.#toSend.add(channel)
    this.#owner.wake()
  }

  usedUp(channel: LinkChannel): void {
    if (!this.#entries.has(channel.id)) return
    this.#toCredit.add(channel)
    this.#owner.wake()
  }

  readToEnd(channel: LinkChannel): void {
    const entry = this.#entries.get(channel.id)
    if (entry === undefined || entry.readWhole) return
    entry.readWhole = true
    this.#say({ type: "delivered", channel: channel.id })
    this.#settle(entry)
  }

  destroyed(channel: LinkChannel, error: Error | null): void {
    const entry = this.#entries.get(channel.id)
    if (entry === undefined || (entry.readWhole && channel.outlet.ended)) return
    this.#remove(entry)
    this.#resetSent.add(channel.id)
    channel.lose(error ?? channelStoppedError())
    this.#say({ type: "reset", channel: channel.id, code: resetCodeOf(error) })
  }

  // What the peer tells.

  #receiveOpen(frame: Extract<Frame, { type: "open" }>): void {
    if (frame.channel < this.#peerNextId || (frame.channel - this.#peerNextId) % 2 !== 0)
      throw linkProtocolError(`open of channel ${frame.channel}`, "a new one of the peer's own")
    if (frame.windowBytes > CREDIT_BYTES_MAX)
      throw linkProtocolError("window is too large", `at most ${CREDIT_BYTES_MAX}`)
    this.#peerNextId = frame.channel + 2
    const full =
      this.#peerCount >= this.#limits.channelsMax || this.incoming.size >= this.#limits.incomingMax
    if (this.#draining || full) this.#refuse(frame.channel)
    else this.#welcome(frame)
  }

  #welcome(frame: Extract<Frame, { type: "open" }>): void {
    this.#peerCount += 1
    const channel = this.#add(frame.channel, frame.protocol, frame.windowBytes)
    this.#toCredit.add(channel)
    this.#owner.wake()
    this.incoming.push(channel)
  }

  #refuse(id: number): void {
    this.#owner.nuisance()
    if (this.#resetSent.size > 2 * this.#limits.channelsMax)
      throw linkProtocolError("channels above the limit", `at most ${this.#limits.channelsMax}`)
    this.#peerCount += 1
    this.#resetSent.add(id)
    this.#say({ type: "reset", channel: id, code: RESET.refused })
  }

  #receiveLate(frame: ChannelFrame): void {
    if (frame.type !== "reset") return
    this.#resetSent.delete(frame.channel)
    this.#release(frame.channel)
  }

  #receiveFor(entry: Entry, frame: ChannelFrame): boolean {
    if (frame.type === "data") return entry.channel.arrive(frame.bytes)
    if (frame.type === "credit") this.#receiveCredit(entry, frame.byteCount)
    else if (frame.type === "end") entry.channel.arriveEnd()
    else if (frame.type === "delivered") this.#receiveDelivered(entry)
    else if (frame.type === "reset") this.#receiveReset(entry, frame.code)
    return false
  }

  #receiveCredit({ channel }: Entry, byteCount: number): void {
    channel.outlet.credit(byteCount)
    this.wake(channel)
  }

  #receiveDelivered(entry: Entry): void {
    if (!entry.channel.outlet.ended || entry.sentWhole)
      throw linkProtocolError("delivered of what has not ended")
    entry.sentWhole = true
    entry.channel.markDelivered()
    this.#settle(entry)
  }

  #receiveReset(entry: Entry, code: number): void {
    this.#owner.nuisance()
    this.#remove(entry)
    this.#say({ type: "reset", channel: entry.channel.id, code: RESET.cancelled })
    this.#release(entry.channel.id)
    entry.channel.lose(channelResetError(code))
  }

  // Bookkeeping.

  #entry(id: number): Entry {
    const entry = this.#entries.get(id)
    if (entry === undefined) throw linkProtocolError(`frame for channel ${id}`, "an open channel")
    return entry
  }

  #add(id: number, protocol: string, creditBytes: number): LinkChannel {
    const inlet = new Inlet(this.#budget, this.#limits, this.#limits.firstWindowBytes)
    const outlet = new Outlet(id, creditBytes)
    const channel = new LinkChannel({ id, protocol, outlet, inlet, owner: this })
    this.#entries.set(id, { channel, sentWhole: false, readWhole: false })
    return channel
  }

  /** Over once both ends are acknowledged. */
  #settle(entry: Entry): void {
    if (!entry.sentWhole || !entry.readWhole) return
    this.#remove(entry)
    this.#release(entry.channel.id)
  }

  #remove(entry: Entry): void {
    const { channel } = entry
    this.#entries.delete(channel.id)
    this.#toCredit.delete(channel)
    this.#toSend.delete(channel)
    channel.inlet.clear()
    channel.outlet.clear()
  }

  /** Frees the slot. */
  #release(id: number): void {
    if (id % 2 === this.#nextId % 2) this.#ownCount -= 1
    else this.#peerCount -= 1
    if (this.size === 0) this.#owner.idle()
  }

  #nextCredit(): Buffer | undefined {
    for (const channel of this.#toCredit) {
      this.#toCredit.delete(channel)
      const byteCount = channel.inlet.topUp()
      if (byteCount > 0) return encodeFrame({ type: "credit", channel: channel.id, byteCount })
    }
    return undefined
  }

  #say(frame: Frame): void {
    this.#control.push(encodeFrame(frame))
    this.#owner.wake()
    if (this.#control.length > CONTROL_FRAMES_PER_CHANNEL * this.#limits.channelsMax)
      this.#owner.fail(linkProtocolError("the peer makes us answer and does not read"))
  }
}

/**
 * Answers the streams that others open to one identity: new links, and old ones that come back.
 *
 * @see docs/protocol/link.md#resumption
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import {
  type Caller,
  hearCaller,
  isResumption,
  type LinkStream,
  underDeadline,
} from "./exchange.ts"
import type { Signer } from "./handshake.ts"
import { completeLimits, LANE_LIMITS, LANES_MAX, type LinkLimits } from "./limits.ts"
import type { Link, LinkPeer } from "./link.ts"
import { linkLostError } from "./link-errors.ts"
import { type LinkSelf, raise, termsOf } from "./open-link.ts"
import type { StandingLink } from "./standing-link.ts"

/** Links without a stream that are kept at once; beyond, the oldest is given up. */
const ADRIFT_MAX = 64

/** How to open an acceptor. */
export interface LinkAcceptorOptions extends LinkSelf {
  /**
   * Says whether this caller, proven by its signature, is to learn that we are here. When not, the
   * stream is closed without a word.
   */
  readonly admit?: (
    peer: LinkPeer,
    wantedKey: Uint8Array,
    lane: number,
  ) => boolean | Promise<boolean>
  /** Keys of ours beside `identity` that callers may want; `admit` hears which one a caller did. */
  readonly others?: () => readonly Signer[]
  /** Dials a peer whose link lost its stream, after it had some time to dial us. */
  readonly redial?: (peer: LinkPeer, call: { signal: AbortSignal }) => Promise<LinkStream>
}

/** Opens an acceptor; closing it gives up the links that wait for a new stream, and no others. */
export function openLinkAcceptor(options: LinkAcceptorOptions): LinkAcceptor {
  return new LinkAcceptor(options)
}

/** See {@linkcode openLinkAcceptor}. */
export class LinkAcceptor implements AsyncDisposable {
  readonly #options: LinkAcceptorOptions
  readonly #limits: LinkLimits
  readonly #links = new Map<string, StandingLink>()
  readonly #life = new AbortController()
  #handshakes = 0

  constructor(options: LinkAcceptorOptions) {
    this.#options = options
    this.#limits = completeLimits(options.limits)
  }

  /**
   * Runs the handshake on a stream that was opened to us; owns the stream from now on.
   *
   * @returns The link; `undefined` when the stream now carries a link that stood already.
   * @throws {AlliumError} `PEER_MISMATCH` for whoever does not want us or cannot prove who it is,
   * `LINK_REFUSED` when `admit` said no, `TIMED_OUT`, `BUSY`, `ABORTED`, `LINK_LOST` when a link it
   * wants to resume is not here. The stream is closed then.
   */
  async accept(stream: LinkStream, call: { signal?: AbortSignal } = {}): Promise<Link | undefined> {
    const { clock } = this.#options
    const signal = AbortSignal.any([this.#life.signal, ...(call.signal ? [call.signal] : [])])
    const timeoutMs = this.#limits.handshakeMs
    this.#handshakes += 1
    try {
      return await underDeadline(stream, { clock, timeoutMs, signal }, (deadline) =>
        this.#answer(stream, deadline),
      )
    } finally {
      this.#handshakes -= 1
    }
  }

  /** Lets a link we dialled be resumed by the peer's dialling us. */
  remember(link: StandingLink): void {
    const key = keyOf(link.linkId)
    this.#links.set(key, link)
    void link.closed.then(() => this.#links.delete(key))
    const adrift = [...this.#links.values()].filter((one) => one.adrift)
    if (adrift.length > ADRIFT_MAX) adrift[0]!.fail(linkLostError("too many links wait"))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort()
    for (const link of this.#links.values())
      if (link.adrift) link.fail(linkLostError("this side stopped waiting for a new stream"))
  }

  async #answer(stream: LinkStream, signal: AbortSignal): Promise<Link | undefined> {
    if (this.#handshakes > this.#limits.handshakesMax) throw tooBusy(this.#limits.handshakesMax)
    const terms = termsOf(this.#limits, true)
    const caller = await hearCaller(stream, { ...this.#options, terms, signal })
    const peer: LinkPeer = { identityKey: caller.identityKey, destination: stream.peer }
    const { lane } = caller.hello
    const isAdmitted = await this.#options.admit?.(peer, caller.wantedKey, lane)
    if (isAdmitted === false || lane > LANES_MAX) throw notAdmitted()
    if (isResumption(caller.hello)) return this.#resume(stream, caller)
    return lane === 0 ? this.#begin(stream, caller, peer) : this.#beside(stream, caller, peer)
  }

  async #begin(stream: LinkStream, caller: Caller, peer: LinkPeer): Promise<Link> {
    const linkId = await caller.answer({ received: 0, resumed: false })
    this.#giveUpOld(peer)
    const { redial } = this.#options
    const link = raise({
      self: this.#options,
      limits: this.#limits,
      peer,
      role: "in",
      agreement: { linkId, terms: caller.hello, received: 0 },
      keeps: true,
      redial: redial && ((call) => redial(peer, call)),
    })
    link.attach(stream, 0)
    this.remember(link)
    return link
  }

  /** A lane ends with its stream: whoever wants it dials it again. */
  async #beside(stream: LinkStream, caller: Caller, peer: LinkPeer): Promise<Link> {
    const linkId = await caller.answer({ received: 0, resumed: false }, LANE_LIMITS)
    const { lane } = caller.hello
    const agreement = { linkId, terms: caller.hello, received: 0 }
    const limits = { ...this.#limits, ...LANE_LIMITS }
    const made = { self: this.#options, limits, peer, lane, agreement }
    const link = raise({ ...made, role: "in", keeps: false })
    link.attach(stream, 0)
    return link
  }

  async #resume(stream: LinkStream, caller: Caller): Promise<undefined> {
    const link = this.#find(stream, caller)
    if (link === undefined) {
      await caller.answer({ received: 0, resumed: false })
      throw linkLostError("the caller resumes a link that is not here")
    }
    link.suspend()
    const { generation } = link
    await caller.answer({ received: link.received, resumed: true })
    if (link.generation !== generation || !link.canResume(caller.hello.received))
      throw linkLostError("the link found another stream meanwhile")
    link.attach(stream, caller.hello.received)
  }

  /** The link named in HELLO, if it is this caller's and can go on from there. */
  #find(stream: LinkStream, { hello, identityKey }: Caller): StandingLink | undefined {
    const link = this.#links.get(keyOf(hello.linkId))
    if (link === undefined || !link.canResume(hello.received)) return undefined
    const same =
      Buffer.from(identityKey).equals(link.peer.identityKey) &&
      Buffer.from(stream.peer.bytes).equals(link.peer.destination.bytes)
    return same ? link : undefined
  }

  /** A peer that begins afresh will not resume what it had. */
  #giveUpOld(peer: LinkPeer): void {
    for (const link of this.#links.values())
      if (link.adrift && isSamePeer(peer, link.peer))
        link.fail(linkLostError("the other side began a new link"))
  }
}

/**
 * Which of two links between the same two identities stays, when both dialled at once: the one that the
 * identity with the smaller key dialled. Both sides come to the same answer.
 *
 * @returns The role in which our link stays.
 */
export function roleToKeep(ownKey: Uint8Array, peerKey: Uint8Array): "out" | "in" {
  return Buffer.compare(ownKey, peerKey) < 0 ? "out" : "in"
}

/** Devices of one identity have destinations of their own. */
function isSamePeer(one: LinkPeer, other: LinkPeer): boolean {
  const isSameKey = Buffer.from(one.identityKey).equals(other.identityKey)
  return isSameKey && one.destination.b32 === other.destination.b32
}

function keyOf(linkId: Uint8Array): string {
  return Buffer.from(linkId).toString("hex")
}

function notAdmitted(): AlliumError {
  const found = "the caller is not to be answered"
  return new AlliumError("LINK_REFUSED", `Cannot accept link: ${found}, expected an admitted one`)
}

function tooBusy(most: number): AlliumError {
  return new AlliumError("BUSY", `Cannot accept link: ${most} handshakes run, expected fewer`)
}

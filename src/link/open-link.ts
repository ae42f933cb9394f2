/**
 * Opens a link over one stream. Whoever also wants links that others dial uses {@linkcode LinkAcceptor}.
 *
 * @see docs/protocol/link.md
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { RandomBytes } from "../base/random.ts"
import type { Destination } from "../sam/destination.ts"
import type { LinkAcceptor } from "./acceptor.ts"
import {
  type Agreement,
  callPeer,
  hearCaller,
  isResumption,
  type LinkStream,
  underDeadline,
} from "./exchange.ts"
import { NO_LINK, type Signer, type Terms } from "./handshake.ts"
import { completeLimits, type LinkLimits } from "./limits.ts"
import type { Link, LinkPeer } from "./link.ts"
import { type Redial, recoverLink } from "./recover.ts"
import { StandingLink, type StandingLinkOptions } from "./standing-link.ts"

/** What every link of one identity shares. */
export interface LinkSelf {
  /** Signs; its key is what the peer wants or learns. */
  readonly identity: Signer
  /** Our own address, bound into the handshake. */
  readonly destination: Destination
  readonly clock: Clock
  readonly random: RandomBytes
  readonly log: Log
  readonly limits?: Partial<LinkLimits>
}

/** How to open a link. */
export type LinkOptions = LinkSelf & {
  /** Owned by the link from now on; destroyed when this fails. */
  readonly stream: LinkStream
  /** Bounds the opening, not the link. */
  readonly signal: AbortSignal
} & (
    | {
        /** We dialled. */
        readonly role: "out"
        /** Identity key we want, 32 bytes. */
        readonly expectedPeer: Uint8Array
        /** Finds a new stream when this one is lost. */
        readonly redial?: Redial
        /** Recognises the peer when it comes back by dialling us. */
        readonly acceptor?: LinkAcceptor
        /** 1 to {@linkcode LANES_MAX}: a link beside the one between the two. It ends with its stream. */
        readonly lane?: number
      }
    | {
        /** We accepted. */
        readonly role: "in"
        /** The only identity key we want, 32 bytes. */
        readonly expectedPeer?: Uint8Array
      }
  )

/**
 * Runs the handshake and gives the link, ready. Without `redial` or `acceptor` it ends with its stream.
 *
 * @throws {AlliumError} `PEER_MISMATCH`, `LINK_REFUSED`, `TIMED_OUT`, `ABORTED`.
 */
export async function openLink(options: LinkOptions): Promise<Link> {
  const limits = completeLimits(options.limits)
  const { stream, clock, signal } = options
  return underDeadline(stream, { clock, timeoutMs: limits.handshakeMs, signal }, (deadline) =>
    options.role === "out" ? dial(options, limits, deadline) : answer(options, limits, deadline),
  )
}

async function dial(
  options: LinkOptions & { role: "out" },
  limits: LinkLimits,
  signal: AbortSignal,
): Promise<Link> {
  const { stream, expectedPeer, redial, acceptor, lane } = options
  const keeps = lane === undefined && (redial !== undefined || acceptor !== undefined)
  const terms = termsOf(limits, keeps)
  const standing = { linkId: NO_LINK, received: 0 }
  const agreement = await callPeer(stream, { ...options, terms, standing, signal })
  const peer = { identityKey: new Uint8Array(expectedPeer), destination: stream.peer }
  const link = raise({ self: options, limits, peer, role: "out", lane, agreement, keeps, redial })
  link.attach(stream, 0)
  if (keeps) acceptor?.remember(link)
  return link
}

async function answer(
  options: LinkOptions & { role: "in" },
  limits: LinkLimits,
  signal: AbortSignal,
): Promise<Link> {
  const { stream } = options
  const caller = await hearCaller(stream, { ...options, terms: termsOf(limits, false), signal })
  const wanted = options.expectedPeer ?? caller.identityKey
  if (!Buffer.from(wanted).equals(caller.identityKey)) throw wrongCaller()
  const linkId = await caller.answer({ received: 0, resumed: false })
  if (isResumption(caller.hello)) throw wrongCaller()
  const peer = { identityKey: caller.identityKey, destination: stream.peer }
  const agreement = { linkId, terms: caller.hello, received: 0 }
  const link = raise({ self: options, limits, peer, role: "in", agreement, keeps: false })
  link.attach(stream, 0)
  return link
}

/** What we tell the peer about ourselves. */
export function termsOf(limits: LinkLimits, keeps: boolean): Terms {
  const { channelsMax, firstWindowBytes } = limits
  return { channelsMax, firstWindowBytes, keeps }
}

/** How long the side that was dialled waits before it dials back: the other is likely at it already. */
const PATIENCE_MS = 5_000

/** Makes the link after a handshake, its recovery included when both sides keep it. */
export function raise(made: {
  self: LinkSelf
  limits: LinkLimits
  peer: LinkPeer
  role: "out" | "in"
  lane?: number | undefined
  agreement: Agreement
  keeps: boolean
  redial?: Redial | undefined
}): StandingLink {
  const { self, limits, peer, role, lane, agreement, redial } = made
  const { clock, log } = self
  const { linkId, terms } = agreement
  const patienceMs = role === "out" ? 0 : PATIENCE_MS
  const base: StandingLinkOptions = { role, peer, lane, linkId, limits, terms, clock, log }
  if (!made.keeps || !terms.keeps) return new StandingLink(base)
  const { handshakeMs } = limits
  const recover: StandingLinkOptions["recover"] = async (link, call) => {
    if (redial === undefined) return
    const all = { ...self, terms: termsOf(limits, true), redial, handshakeMs, patienceMs }
    await recoverLink(link, all, call)
  }
  return new StandingLink({ ...base, recover })
}

function wrongCaller(): AlliumError {
  const message = "Cannot open link: the caller is not the one we wait for, expected that one"
  return new AlliumError("PEER_MISMATCH", message)
}

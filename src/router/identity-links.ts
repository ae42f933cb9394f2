/**
 * The links of one identity: accepted from others, dialled to contacts, one standing for each peer.
 *
 * @module
 */
import { untilAborted } from "../base/abort.ts"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import type { Contact, ContactBook } from "../identity/contacts.ts"
import type { Identity } from "../identity/identity.ts"
import { type LinkAcceptor, openLinkAcceptor, roleToKeep } from "../link/acceptor.ts"
import type { Channel, Link, LinkPeer } from "../link/link.ts"
import { type LinkSelf, openLink } from "../link/open-link.ts"
import type { SamStream, Session } from "../sam/session.ts"

/** Links to peers who are no accepted contacts; they may only ask to become one. */
const STRANGERS_MAX = 16
/** How long a stranger may keep a link. */
const STRANGER_MS = 120_000
/** The link's handshake is the real connect (SAM says OK too early), so each dial needs a limit. */
const HANDSHAKE_MS = 15_000
/** Waiting for the session and for a LeaseSet to be found. */
const CONNECT_MS = 60_000
/** For open channels when an identity is not to be reachable any more: then its session ends, and they with it. */
const HANG_UP_MS = 2_000
/** Two links to one peer that stood up within this time were dialled at once by both sides. */
const SAME_MOMENT_MS = 5_000

/** Takes a channel from a peer; `contact` is absent for a stranger. */
export type ChannelHandler = (arrival: {
  identity: Identity
  peerKey: string
  peerAddress: string
  contact: Contact | undefined
  channel: Channel
}) => Promise<void>

/** What the links of an identity stand on. */
export interface IdentityLinksOptions {
  readonly identity: Identity
  readonly session: Session
  readonly contacts: ContactBook
  /** Finds who answers a protocol; `undefined` refuses the channel. */
  readonly handlerFor: (protocol: string, stranger: boolean) => ChannelHandler | undefined
  /** Told when a link to an accepted contact comes up. */
  readonly onReachable: (contact: Contact) => void
  /** Told when a link to somebody else comes up. */
  readonly onStranger: (peer: { key: string; address: string }) => void
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
}

interface Standing {
  readonly link: Link
  readonly sinceMs: number
  readonly direction: "out" | "in"
}

/** Links of one identity, by the peer's key. */
export class IdentityLinks implements AsyncDisposable {
  readonly #options: IdentityLinksOptions
  readonly #scope = new Scope()
  readonly #acceptor: LinkAcceptor
  readonly #standing = new Map<string, Standing>()
  readonly #dialling = new Map<string, Promise<Link>>()

  constructor(options: IdentityLinksOptions) {
    this.#options = options
    this.#acceptor = this.#scope.use(
      openLinkAcceptor({
        ...this.#self(),
        admit: (peer) => this.#admits(peer),
        // Who dialled us may not find us after our restart: then we must dial.
        redial: (peer, call) => options.session.connect(peer.destination.b32, call),
      }),
    )
    void this.#acceptAll().catch((thrown: unknown) => this.#tell("accept.ended", thrown))
  }

  /** Keys of peers with a standing link. */
  peers(): readonly string[] {
    return [...this.#standing.keys()]
  }

  /** Keys of peers whose link has a stream now. */
  reachable(): readonly string[] {
    return [...this.#standing].filter(([, { link }]) => !link.adrift).map(([key]) => key)
  }

  /**
   * The link to a peer: the standing one, or a new one.
   * @throws {AlliumError} `PEER_UNREACHABLE`, `PEER_MISMATCH`, `BRIDGE_UNREACHABLE`, …
   */
  link(peer: { key: string; address: string }, call: { signal: AbortSignal }): Promise<Link> {
    const standing = this.#standing.get(peer.key)
    if (standing !== undefined) return Promise.resolve(standing.link)
    let dialling = this.#dialling.get(peer.key)
    if (dialling === undefined) {
      dialling = this.#dial(peer).finally(() => this.#dialling.delete(peer.key))
      this.#dialling.set(peer.key, dialling)
      dialling.catch(() => {})
    }
    return untilAborted(dialling, call.signal)
  }

  /** Ends the link to a peer, if one stands. */
  async drop(peerKey: string): Promise<void> {
    await this.#standing.get(peerKey)?.link[Symbol.asyncDispose]()
  }

  /** Ends every link, for good. */
  async hangUp(): Promise<void> {
    await this.#scope.close()
    const drops = Promise.all(this.peers().map((key) => this.drop(key).catch(() => {})))
    await Promise.race([drops, this.#options.clock.sleep(HANG_UP_MS)])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }

  async #dial(peer: { key: string; address: string }): Promise<Link> {
    const { session } = this.#options
    const { signal } = this.#scope
    const redial = (call: { signal: AbortSignal }) => session.connect(peer.address, call)
    const limit = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)])
    const link = await openLink({
      ...this.#self(),
      role: "out",
      stream: await redial({ signal: limit }),
      expectedPeer: Buffer.from(peer.key, "base64url"),
      redial,
      acceptor: this.#acceptor,
      signal,
    })
    this.#adopt(link, "out")
    return link
  }

  async #acceptAll(): Promise<void> {
    for await (const stream of this.#options.session.incoming) {
      void this.#accept(stream).catch((thrown: unknown) => this.#tell("handshake", thrown))
    }
  }

  async #accept(stream: SamStream): Promise<void> {
    const link = await this.#acceptor.accept(stream, { signal: this.#scope.signal })
    if (link !== undefined) this.#adopt(link, "in")
  }

  #adopt(link: Link, direction: "out" | "in"): void {
    const { contacts, clock, onReachable } = this.#options
    const key = keyOf(link.peer)
    const contact = contacts.byKey(key)
    const before = this.#standing.get(key)
    const mine = { link, sinceMs: clock.monotonicMs(), direction }
    void this.#serve(link).catch((thrown: unknown) => this.#tell("serve", thrown))
    if (before !== undefined && this.#keeps(before, mine)) return void close(link)
    this.#standing.set(key, mine)
    if (before !== undefined) close(before.link)
    void link.closed.then(() => this.#forget(key, link))
    if (contact?.state === "accepted") onReachable(contact)
    else this.#meetStranger(key, link)
  }

  /** Whether the link that stood stays: only when both sides dialled at once, and by the link's own rule. */
  #keeps(before: Standing, late: Standing): boolean {
    if (late.sinceMs - before.sinceMs > SAME_MOMENT_MS) return false
    if (before.direction === late.direction) return false
    const { publicKey } = this.#options.identity
    return before.direction === roleToKeep(publicKey, before.link.peer.identityKey)
  }

  /** The blocked and the too many hear nothing, as if nobody were here. */
  #admits(peer: LinkPeer): boolean {
    const { contacts } = this.#options
    const key = keyOf(peer)
    const state = contacts.byKey(key)?.state
    if (state === "accepted" || state === "blocked") return state === "accepted"
    const strangers = this.peers().filter((one) => contacts.byKey(one)?.state !== "accepted")
    return strangers.length < STRANGERS_MAX || this.#standing.has(key)
  }

  /** What every link of this identity shares. */
  #self(): LinkSelf {
    const { identity, session, clock, random, log } = this.#options
    const { destination } = session
    return { identity, destination, clock, random, log, limits: { handshakeMs: HANDSHAKE_MS } }
  }

  #meetStranger(key: string, link: Link): void {
    this.#limitStranger(key, link)
    this.#options.onStranger({ key, address: link.peer.destination.b32 })
  }

  #limitStranger(key: string, link: Link): void {
    const { clock, contacts } = this.#options
    const { signal } = this.#scope
    void clock.sleep(STRANGER_MS, { signal }).then(
      () => contacts.byKey(key)?.state !== "accepted" && close(link),
      () => {},
    )
  }

  #forget(key: string, link: Link): void {
    if (this.#standing.get(key)?.link === link) this.#standing.delete(key)
  }

  async #serve(link: Link): Promise<void> {
    for await (const channel of link.incoming) this.#dispatch(link, channel)
  }

  #dispatch(link: Link, channel: Channel): void {
    const { identity, contacts, handlerFor } = this.#options
    const peerKey = keyOf(link.peer)
    const contact = contacts.byKey(peerKey)
    const handle = handlerFor(channel.protocol, contact?.state !== "accepted")
    channel.on("error", (thrown) => this.#tell("channel", thrown))
    if (handle === undefined) {
      channel.destroy(new AlliumError("CHANNEL_REFUSED", "Cannot open channel: nobody answers it"))
      return
    }
    const peerAddress = link.peer.destination.b32
    handle({ identity, peerKey, peerAddress, contact, channel }).catch((thrown: unknown) => {
      this.#tell("handler", thrown)
      channel.destroy()
    })
  }

  #tell(event: string, thrown: unknown): void {
    if (!this.#scope.signal.aborted)
      this.#options.log.debug(`link.${event}`, { code: toAlliumError(thrown).code })
  }
}

function keyOf(peer: LinkPeer): string {
  return Buffer.from(peer.identityKey).toString("base64url")
}

function close(link: Link): void {
  Promise.resolve(link[Symbol.asyncDispose]()).catch(() => {})
}

/**
 * The links of all identities, and who answers which protocol on them.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { Slots } from "../base/turns.ts"
import type { Contact } from "../identity/contacts.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import type { Channel } from "../link/link.ts"
import type { Session } from "../sam/session.ts"
import { type ChannelHandler, IdentityLinks } from "./identity-links.ts"
import { keepInTouch } from "./keep-in-touch.ts"
import type { PeerChannel } from "./plugin.ts"

/**
 * Contacts dialled at once to keep in touch; the others wait in line. An I2P router looks up a LeaseSet for each, and 1,000 at
 * once delayed a start by a second and took 40 MiB.
 */
const DIALS_MAX = 64

/** One contact of one identity. */
export interface Pair {
  readonly identity: Identity
  readonly contact: Contact
}

/** Undoes a registration. */
export type Undo = () => void

/** Hears who is at the other end: key and address are proven. */
export type StrangerListener = (
  identity: Identity,
  peer: { readonly key: string; readonly address: string },
) => void

/** Links between this router's identities and their contacts. */
export interface Links extends AsyncDisposable {
  /** Begins accepting and dialling for an identity whose session stands or will stand. */
  attach(identity: Identity, session: Session): void
  /** Ends every link of an identity, and dials no more for it; its session is the caller's to close. */
  detach(identity: Identity): Promise<void>
  /** Answers a protocol for accepted contacts. @throws {TypeError} when it is answered already. */
  serve(protocol: string, handle: (peer: PeerChannel) => Promise<void>): Undo
  /** Answers a protocol for whoever proved an identity, contact or not. */
  serveAnyone(protocol: string, handle: ChannelHandler): Undo
  /** @throws {AlliumError} `NOT_ACCEPTED`, `PEER_UNREACHABLE`, `LINK_LOST`, … */
  open(to: Pair, protocol: string, call: { signal: AbortSignal }): Promise<Channel>
  /** Opens a channel to somebody who is no accepted contact yet. */
  openToAnyone(
    identity: Identity,
    peer: { key: string; address: string },
    protocol: string,
    call: { signal: AbortSignal },
  ): Promise<Channel>
  onReachable(listener: (pair: Pair) => void): Undo
  /** Calls `listener` each time a link to somebody who is no accepted contact comes up. */
  onStranger(listener: StrangerListener): Undo
  /** To be called after a contact changed: begins or ends keeping in touch. */
  contactChanged(identity: Identity, contactKey: string): void
  /** Calls `listener` after each such change, whether the identity has a session or not. */
  onContactChanged(listener: (identity: Identity, contactKey: string) => void): Undo
  /** Keys of the peers an identity can talk to now; a link that looks for a new stream does not count. */
  reachable(identity: Identity): readonly string[]
}

/** What links stand on. */
export interface LinksOptions {
  readonly identities: IdentityBook
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
}

/** Opens the book of links; none stands yet. */
export function openLinks(options: LinksOptions): Links {
  return new LinkBook(options)
}

interface Attached {
  readonly identity: Identity
  readonly session: Session
  readonly links: IdentityLinks
  /** By contact key: what keeps that contact in touch. */
  readonly touching: Map<string, AbortController>
}

class LinkBook implements Links {
  readonly #options: LinksOptions
  readonly #dials = new Slots(DIALS_MAX)
  readonly #scope = new Scope()
  readonly #attached = new Map<string, Attached>()
  readonly #handlers = new Map<string, { anyone: boolean; handle: ChannelHandler }>()
  readonly #listeners = new Set<(pair: Pair) => void>()
  readonly #strangerListeners = new Set<StrangerListener>()
  readonly #contactListeners = new Set<(identity: Identity, contactKey: string) => void>()

  constructor(options: LinksOptions) {
    this.#options = options
  }

  attach(identity: Identity, session: Session): void {
    const { identities, clock, chance, random, log } = this.#options
    const contacts = identities.contacts(identity)
    const links = this.#scope.use(
      new IdentityLinks({
        identity,
        session,
        contacts,
        handlerFor: (protocol, stranger) => this.#handlerFor(protocol, stranger),
        onReachable: (contact) => this.#tellReachable({ identity, contact }),
        onStranger: (peer) => {
          for (const listener of this.#strangerListeners) listener(identity, peer)
        },
        clock,
        chance,
        random,
        log: log.child("links"),
      }),
    )
    this.#attached.set(identity.key, { identity, session, links, touching: new Map() })
    for (const contact of contacts.list()) this.#keepOrEnd(identity, contact.key)
  }

  async detach(identity: Identity): Promise<void> {
    const attached = this.#attached.get(identity.key)
    this.#attached.delete(identity.key)
    for (const abort of attached?.touching.values() ?? []) abort.abort()
    await attached?.links.hangUp()
  }

  serve(protocol: string, handle: (peer: PeerChannel) => Promise<void>): Undo {
    return this.#register(protocol, false, async ({ identity, contact, channel }) => {
      if (contact !== undefined) await handle({ identity, contact, channel })
    })
  }

  serveAnyone(protocol: string, handle: ChannelHandler): Undo {
    return this.#register(protocol, true, handle)
  }

  async open(to: Pair, protocol: string, call: { signal: AbortSignal }): Promise<Channel> {
    const contact = this.#options.identities.contacts(to.identity).byKey(to.contact.key)
    if (contact?.state !== "accepted")
      throw new AlliumError("NOT_ACCEPTED", "Cannot reach contact: not accepted by both sides")
    return this.openToAnyone(to.identity, contact, protocol, call)
  }

  async openToAnyone(
    identity: Identity,
    peer: { key: string; address: string },
    protocol: string,
    call: { signal: AbortSignal },
  ): Promise<Channel> {
    const link = await this.#require(identity).links.link(peer, call)
    return link.open(protocol, call)
  }

  onReachable(listener: (pair: Pair) => void): Undo {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onStranger(listener: StrangerListener): Undo {
    this.#strangerListeners.add(listener)
    return () => this.#strangerListeners.delete(listener)
  }

  contactChanged(identity: Identity, contactKey: string): void {
    this.#keepOrEnd(identity, contactKey)
    for (const listener of this.#contactListeners) listener(identity, contactKey)
  }

  onContactChanged(listener: (identity: Identity, contactKey: string) => void): Undo {
    this.#contactListeners.add(listener)
    return () => this.#contactListeners.delete(listener)
  }

  #keepOrEnd(identity: Identity, contactKey: string): void {
    const attached = this.#attached.get(identity.key)
    if (attached === undefined) return
    const contact = this.#options.identities.contacts(identity).byKey(contactKey)
    if (contact?.state === "accepted") this.#touch(attached, contact)
    else this.#untouch(attached, contactKey, contact?.state === "blocked")
  }

  reachable(identity: Identity): readonly string[] {
    return this.#attached.get(identity.key)?.links.reachable() ?? []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { touching } of this.#attached.values())
      for (const abort of touching.values()) abort.abort()
    await this.#scope.close()
  }

  #require(identity: Identity): Attached {
    const attached = this.#attached.get(identity.key)
    if (attached !== undefined) return attached
    throw new AlliumError("SESSION_CLOSED", "Cannot open channel: the identity has no session")
  }

  #register(protocol: string, anyone: boolean, handle: ChannelHandler): Undo {
    if (this.#handlers.has(protocol))
      throw new TypeError(`Cannot serve ${protocol}: somebody answers it already`)
    this.#handlers.set(protocol, { anyone, handle })
    return () => this.#handlers.delete(protocol)
  }

  #handlerFor(protocol: string, stranger: boolean): ChannelHandler | undefined {
    const entry = this.#handlers.get(protocol)
    return stranger && entry?.anyone !== true ? undefined : entry?.handle
  }

  #tellReachable(pair: Pair): void {
    for (const listener of this.#listeners) listener(pair)
  }

  #touch({ identity, session, links, touching }: Attached, contact: Contact): void {
    if (links.peers().includes(contact.key)) this.#tellReachable({ identity, contact })
    if (touching.has(contact.key)) return
    const abort = new AbortController()
    touching.set(contact.key, abort)
    const { clock, chance } = this.#options
    const { signal } = abort
    const link = (call: { signal: AbortSignal }) =>
      this.#dials.take(() => links.link(contact, call), call)
    keepInTouch({ session, link, clock, chance, signal }).catch(() => {})
  }

  #untouch({ links, touching }: Attached, contactKey: string, hangUp: boolean): void {
    touching.get(contactKey)?.abort()
    touching.delete(contactKey)
    if (hangUp) void links.drop(contactKey).catch(() => {})
  }
}

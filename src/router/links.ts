/**
 * The links of all identities, and who answers which protocol on them.
 *
 * @module
 */
import { setMaxListeners } from "node:events"
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { Slots } from "../base/turns.ts"
import type { Contact } from "../identity/contacts.ts"
import type { Device } from "../identity/device-list.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import type { Channel, Link } from "../link/link.ts"
import type { Session } from "../sam/session.ts"
import {
  type ChannelHandler,
  IdentityLinks,
  type IdentityLinksOptions,
  linkName,
  type ReachedDevice,
  type Standing,
  type Stranger,
} from "./identity-links.ts"
import { Touch } from "./keep-in-touch.ts"
import { addressesOf, deviceOf, keyOf, type OwnDevices, peerName } from "./mail-devices.ts"
import type { PeerChannel } from "./plugin.ts"
import type { RecentPeers } from "./recent-peers.ts"

/** Contacts dialled at once to keep in touch; the others wait in line. An I2P router looks up a LeaseSet for each. */
const DIALS_MAX = 32

/** One contact of one identity. */
export interface Pair {
  readonly identity: Identity
  readonly contact: Contact
}

/** A channel for letters, and how its link is: another to the same peer may have come. */
export interface LetterChannel {
  readonly channel: Channel
  /** See {@linkcode Link.adrift}. */
  readonly isAdrift: () => boolean
}

/** Undoes a registration. */
export type Undo = () => void

/** Hears who is at the other end. */
export type StrangerListener = (identity: Identity, stranger: Stranger) => void

/** Links between this router's identities and their contacts. */
export interface Links extends AsyncDisposable {
  /** Begins accepting and dialling for an identity whose session stands or will stand. */
  attach(identity: Identity, session: Session): void
  /**
   * Lets people in at one more session of an identity: strangers without a channel, contacts for letters. Ends with what is
   * returned, and before the session.
   */
  welcome(identity: Identity, session: Session): AsyncDisposable
  /** Ends every link of an identity, and dials no more for it; its session is the caller's to close. */
  detach(identity: Identity): Promise<void>
  /** Answers a protocol for accepted contacts. @throws {TypeError} when it is answered already. */
  serve(protocol: string, handle: (peer: PeerChannel) => Promise<void>): Undo
  /** Answers a protocol for every device of accepted contacts, and for our own: `peer` is the name of a correspondent. */
  servePeers(
    protocol: string,
    handle: (from: { identity: Identity; peer: string; channel: Channel }) => Promise<void>,
  ): Undo
  /** Answers a protocol for other devices of ours, and for those that were unlinked: `device` is absent for these. */
  serveOwn(protocol: string, handle: ChannelHandler): Undo
  /** Answers a protocol for whoever proved an identity, contact or not. */
  serveAnyone(protocol: string, handle: ChannelHandler): Undo
  /**
   * @param call.lane - See `PluginContext.open`.
   * @throws {AlliumError} `NOT_ACCEPTED`, `PEER_UNREACHABLE`, `LINK_LOST`, …
   */
  open(to: Pair, protocol: string, call: { signal: AbortSignal; lane?: number }): Promise<Channel>
  /** Opens a channel to somebody who is no accepted contact yet. */
  openToAnyone(
    identity: Identity,
    peer: { key: string; address: string },
    protocol: string,
    call: { signal: AbortSignal },
  ): Promise<Channel>
  /** Links to a contact where they said they are met: letters may go there until they are at home. @throws {AlliumError} as `open`. */
  visit(
    identity: Identity,
    peer: { key: string; address: string },
    call: { signal: AbortSignal },
  ): Promise<void>
  /**
   * Opens a channel for letters to a correspondent, where they are met when they are not at home.
   * @throws {AlliumError} `NOT_ACCEPTED` for one that is not known; as `open`.
   */
  openPeer(
    identity: Identity,
    peer: string,
    protocol: string,
    call: { signal: AbortSignal },
  ): Promise<LetterChannel>
  /** Something waits for a correspondent without a link: it is dialled soon. */
  want(identity: Identity, peer: string): void
  /** Calls `listener` each time a link to the first device of a contact comes up. */
  onReachable(listener: (pair: Pair) => void): Undo
  /** The same for every device, of contacts and our own: `peer` is the name of a correspondent. */
  onPeer(listener: (identity: Identity, peer: string) => void): Undo
  /** Calls `listener` each time a link to somebody who is no accepted contact comes up. */
  onStranger(listener: StrangerListener): Undo
  /** To be called after a contact changed: begins or ends keeping in touch. */
  contactChanged(identity: Identity, contactKey: string): void
  /** To be called after our own devices changed. */
  devicesChanged(identity: Identity): void
  /** Calls `listener` after each change of a contact, whether the identity has a session or not. */
  onContactChanged(listener: (identity: Identity, contactKey: string) => void): Undo
  /** To be called after the identity's own key changed: no channel is opened any more on links that the older one proved. */
  rotated(identity: Identity): void
  /** Calls `listener` when the key of an identity turns out to be a newer one than was known here. */
  onRotated(listener: (identity: Identity) => void): Undo
  /** Names of links an identity can talk over now, see `linkName`; a link that looks for a new stream does not count. */
  reachable(identity: Identity): readonly string[]
  /** The same for letters: with who is met elsewhere than at home, named as at home. */
  correspondents(identity: Identity): readonly string[]
  /** Whether letters go to any device of a contact now. */
  isReachable(identity: Identity, contactKey: string): boolean
}

/** What links stand on. */
export interface LinksOptions {
  readonly identities: IdentityBook
  readonly own: OwnDevices
  /** Whom to dial first. */
  readonly recent: RecentPeers
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
  readonly links: IdentityLinks
  /** Dials each device there is, by name of the link. */
  readonly touch: Touch
  readonly end: AbortController
}

class LinkBook implements Links {
  readonly #options: LinksOptions
  readonly #dials = new Slots(DIALS_MAX)
  readonly #scope = new Scope()
  readonly #attached = new Map<string, Attached>()
  /** By identity that lets people in at one more session. */
  readonly #welcoming = new Map<string, IdentityLinks>()
  /** By identity without a session yet: who is wanted. */
  readonly #wanted = new Map<string, Set<string>>()
  readonly #handlers = new Map<string, { for: readonly Standing[]; handle: ChannelHandler }>()
  readonly #listeners = new Set<(pair: Pair) => void>()
  readonly #peerListeners = new Set<(identity: Identity, peer: string) => void>()
  readonly #strangerListeners = new Set<StrangerListener>()
  readonly #rotationListeners = new Set<(identity: Identity) => void>()
  readonly #contactListeners = new Set<(identity: Identity, contactKey: string) => void>()

  constructor(options: LinksOptions) {
    this.#options = options
  }

  attach(identity: Identity, session: Session): void {
    const contacts = this.#options.identities.contacts(identity)
    const links = this.#scope.use(
      this.#linksOf(identity, session, {
        handlerFor: (protocol, standing) => this.#handlerFor(protocol, standing),
        onReachable: (peer, standing) => this.#tellReachable(identity, peer, standing),
      }),
    )
    const end = new AbortController()
    setMaxListeners(0, end.signal)
    const touch = this.#openTouch(identity, session, end.signal)
    const attached = { identity, links, touch, end }
    this.#attached.set(identity.key, attached)
    for (const { key } of [...contacts.list(), identity]) this.#keepAll(attached, key)
    for (const name of this.#wanted.get(identity.key) ?? []) touch.want(name)
    this.#wanted.delete(identity.key)
  }

  #openTouch(identity: Identity, session: Session, signal: AbortSignal): Touch {
    const { recent, clock, chance } = this.#options
    const dials = this.#dials
    return new Touch({
      ...{ session, dials, clock, chance, signal },
      recent: () => recent.of(identity.key),
    })
  }

  welcome(identity: Identity, session: Session): AsyncDisposable {
    const links = this.#linksOf(identity, session, {
      handlerFor: (protocol, standing) =>
        standing === "contact" ? this.#handlerFor(protocol, "met") : undefined,
      onReachable: (peer) => this.#tellReachable(identity, peer, "met"),
    })
    this.#welcoming.set(identity.key, links)
    const end = async () => {
      if (this.#welcoming.get(identity.key) === links) this.#welcoming.delete(identity.key)
      await links.hangUp()
    }
    return { [Symbol.asyncDispose]: end }
  }

  #linksOf(
    identity: Identity,
    session: Session,
    how: Pick<IdentityLinksOptions, "handlerFor" | "onReachable">,
  ): IdentityLinks {
    const { identities, own, clock, chance, random, log } = this.#options
    return new IdentityLinks({
      ...{ identity, session, own, clock, chance, random, ...how },
      contacts: identities.contacts(identity),
      log: log.child("links"),
      onNewer: async (version) => {
        await identities.rotate(identity, version)
        this.#tellRotated(identity)
      },
      onStranger: (stranger) => {
        for (const listener of this.#strangerListeners) listener(identity, stranger)
      },
    })
  }

  async detach(identity: Identity): Promise<void> {
    const attached = this.#attached.get(identity.key)
    this.#attached.delete(identity.key)
    attached?.end.abort()
    await attached?.links.hangUp()
  }

  serve(protocol: string, handle: (peer: PeerChannel) => Promise<void>): Undo {
    return this.#register(protocol, ["contact"], async ({ identity, contact, channel }) => {
      if (contact !== undefined) await handle({ identity, contact, channel })
    })
  }

  servePeers(protocol: string, handle: Parameters<Links["servePeers"]>[1]): Undo {
    return this.#register(protocol, ["contact", "own", "met"], async (arrival) => {
      const { identity, contact, device, channel } = arrival
      if (device === undefined) return
      await handle({ identity, peer: peerName((contact ?? identity).key, device), channel })
    })
  }

  serveOwn(protocol: string, handle: ChannelHandler): Undo {
    return this.#register(protocol, ["own", "former"], handle)
  }

  serveAnyone(protocol: string, handle: ChannelHandler): Undo {
    return this.#register(protocol, ["stranger", "contact", "own", "met"], handle)
  }

  async open(
    to: Pair,
    protocol: string,
    call: { signal: AbortSignal; lane?: number },
  ): Promise<Channel> {
    const contact = this.#options.identities.contacts(to.identity).byKey(to.contact.key)
    if (contact?.state !== "accepted")
      throw new AlliumError("NOT_ACCEPTED", "Cannot reach contact: not accepted by both sides")
    if (!call.lane) return this.openToAnyone(to.identity, contact, protocol, call)
    const link = await this.#require(to.identity).links.lane(contact, call.lane, call)
    return link.open(protocol, call)
  }

  async openPeer(
    identity: Identity,
    peer: string,
    protocol: string,
    call: { signal: AbortSignal },
  ): Promise<LetterChannel> {
    const key = keyOf(peer)
    const found = this.#devices(identity, key).find(({ number }) => number === deviceOf(peer))
    if (found === undefined)
      throw new AlliumError("NOT_ACCEPTED", "Cannot reach contact: it has no such device")
    const at = { key, address: found.address }
    const link =
      this.#elsewhere(identity, linkName(key, found.number)) ??
      (await this.#require(identity).links.link(at, call))
    return { channel: link.open(protocol, call), isAdrift: () => link.adrift }
  }

  /** Where letters go to who cannot be reached at home. */
  #elsewhere(identity: Identity, name: string): Link | undefined {
    if (this.reachable(identity).includes(name)) return undefined
    return this.#allOf(identity)
      .map((links) => links.forLetters(name))
      .find((link) => link !== undefined)
  }

  #allOf({ key }: Identity): readonly IdentityLinks[] {
    const all = [this.#attached.get(key)?.links, this.#welcoming.get(key)]
    return all.filter((links) => links !== undefined)
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

  want(identity: Identity, peer: string): void {
    const name = linkName(keyOf(peer), deviceOf(peer))
    const attached = this.#attached.get(identity.key)
    const wanted = this.#wanted.get(identity.key) ?? new Set()
    if (attached === undefined) this.#wanted.set(identity.key, wanted.add(name))
    else attached.touch.want(name)
  }

  async visit(
    identity: Identity,
    peer: { key: string; address: string },
    call: { signal: AbortSignal },
  ): Promise<void> {
    await this.#require(identity).links.visit(peer, call)
  }

  onReachable(listener: (pair: Pair) => void): Undo {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onPeer(listener: (identity: Identity, peer: string) => void): Undo {
    this.#peerListeners.add(listener)
    return () => this.#peerListeners.delete(listener)
  }

  onStranger(listener: StrangerListener): Undo {
    this.#strangerListeners.add(listener)
    return () => this.#strangerListeners.delete(listener)
  }

  rotated(identity: Identity): void {
    const attached = this.#attached.get(identity.key)
    this.#redial(identity, attached?.links.dropAll() ?? [])
  }

  onRotated(listener: (identity: Identity) => void): Undo {
    this.#rotationListeners.add(listener)
    return () => this.#rotationListeners.delete(listener)
  }

  contactChanged(identity: Identity, contactKey: string): void {
    const attached = this.#attached.get(identity.key)
    this.#redial(identity, attached?.links.dropRetired() ?? [])
    this.#keepOrEnd(identity, contactKey)
    for (const listener of this.#contactListeners) listener(identity, contactKey)
  }

  onContactChanged(listener: (identity: Identity, contactKey: string) => void): Undo {
    this.#contactListeners.add(listener)
    return () => this.#contactListeners.delete(listener)
  }

  devicesChanged(identity: Identity): void {
    this.#keepOrEnd(identity, identity.key)
  }

  /** Keeps in touch with every device there is, and with no other. */
  #keepOrEnd(identity: Identity, key: string): void {
    const state = this.#options.identities.contacts(identity).byKey(key)?.state
    const numbers = this.#devices(identity, key).map(({ number }) => number)
    if (numbers.length === 0) this.#options.recent.forget(identity.key, key)
    this.#keepMeeting(identity, key, state === "blocked")
    const attached = this.#attached.get(identity.key)
    if (attached === undefined) return
    attached.links.dropMistaken()
    const names = new Set(numbers.map((number) => linkName(key, number)))
    for (const name of [...attached.touch.names, key])
      if (keyOf(name) === key && !names.has(name)) untouch(attached, name, state === "blocked")
    this.#keepAll(attached, key)
  }

  /** Who was a stranger at the other session may be a contact now. */
  #keepMeeting(identity: Identity, key: string, isBlocked: boolean): void {
    const links = this.#welcoming.get(identity.key)
    if (isBlocked) void links?.drop(key).catch(() => {})
    for (const { number: device } of this.#devices(identity, key))
      if (links?.reachable().includes(linkName(key, device)))
        this.#tellReachable(identity, { key, device }, "met")
  }

  #keepAll({ identity, links, touch }: Attached, key: string): void {
    for (const { number, address } of this.#devices(identity, key)) {
      const name = linkName(key, number)
      if (links.peers().includes(name))
        this.#tellReachable(identity, { key, device: number }, "contact")
      touch.keep(name, (call) => links.link({ key, address }, call))
    }
  }

  /** Devices of an accepted contact, or of ourselves. */
  #devices(identity: Identity, key: string): readonly Device[] {
    const { identities, own } = this.#options
    const contacts = identities.contacts(identity)
    if (key !== identity.key && contacts.byKey(key)?.state !== "accepted") return []
    return addressesOf({ identity, contacts, own }, key)
  }

  isReachable(identity: Identity, contactKey: string): boolean {
    // Not at an address that is no device's.
    const isDevice = (name: string) => name === contactKey || name.startsWith(`${contactKey}.`)
    return this.correspondents(identity).some(isDevice)
  }

  correspondents(identity: Identity): readonly string[] {
    return [...new Set(this.#allOf(identity).flatMap((links) => links.correspondents()))]
  }

  reachable(identity: Identity): readonly string[] {
    return this.#attached.get(identity.key)?.links.reachable() ?? []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { end } of this.#attached.values()) end.abort()
    await this.#scope.close()
    await this.#options.recent.settled()
  }

  #require(identity: Identity): Attached {
    const attached = this.#attached.get(identity.key)
    if (attached !== undefined) return attached
    throw new AlliumError("SESSION_CLOSED", "Cannot open channel: the identity has no session")
  }

  #register(protocol: string, who: readonly Standing[], handle: ChannelHandler): Undo {
    if (this.#handlers.has(protocol))
      throw new TypeError(`Cannot serve ${protocol}: somebody answers it already`)
    this.#handlers.set(protocol, { for: who, handle })
    return () => this.#handlers.delete(protocol)
  }

  #handlerFor(protocol: string, standing: Standing): ChannelHandler | undefined {
    const entry = this.#handlers.get(protocol)
    return entry?.for.includes(standing) ? entry.handle : undefined
  }

  #tellReachable(
    identity: Identity,
    { key, device }: ReachedDevice,
    standing: Exclude<Standing, "stranger" | "former">,
  ): void {
    if (standing !== "met") this.#met(identity, linkName(key, device))
    for (const listener of this.#peerListeners) listener(identity, peerName(key, device))
    const contact = this.#options.identities.contacts(identity).byKey(key)
    if (standing === "met" || contact === undefined || device !== 0) return
    for (const listener of this.#listeners) listener({ identity, contact })
  }

  #met(identity: Identity, name: string): void {
    this.#options.recent.met(identity.key, name)
    this.#attached.get(identity.key)?.touch.met(name)
  }

  /** Links that were given up take their time to end: nobody waits for that. */
  #redial(identity: Identity, names: readonly string[]): void {
    const touch = this.#attached.get(identity.key)?.touch
    for (const name of names) touch?.end(name)
    for (const key of new Set(names.map(keyOf))) this.#keepOrEnd(identity, key)
  }

  #tellRotated(identity: Identity): void {
    for (const listener of this.#rotationListeners) listener(identity)
  }
}

function untouch({ links, touch }: Attached, name: string, hangUp: boolean): void {
  touch.end(name)
  if (hangUp) void links.drop(name).catch(() => {})
}

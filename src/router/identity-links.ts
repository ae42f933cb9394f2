/**
 * The links of one identity: accepted from others, dialled to contacts, one standing for each device of each peer.
 *
 * @module
 */
import { untilAborted } from "../base/abort.ts"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { type Contact, type ContactBook, presentKeyOf } from "../identity/contacts.ts"
import type { Identity } from "../identity/identity.ts"
import { ROTATIONS_MAX } from "../identity/rotation.ts"
import { type LinkAcceptor, openLinkAcceptor, roleToKeep } from "../link/acceptor.ts"
import type { Signer } from "../link/handshake.ts"
import { LANE_LIMITS } from "../link/limits.ts"
import type { Channel, Link, LinkPeer } from "../link/link.ts"
import { type LinkSelf, openLink } from "../link/open-link.ts"
import { within } from "../mail/post/within.ts"
import type { SamStream, Session } from "../sam/session.ts"
import { Lanes } from "./lanes.ts"
import { addressesOf, FIRST_DEVICE, type OwnDevices, peerName } from "./mail-devices.ts"

/** Links to peers who are no accepted contacts; they may only ask to become one. */
const STRANGERS_MAX = 16
/** How long a stranger may keep a link. */
const STRANGER_MS = 120_000
/** Links to devices that were unlinked, and how long each may stay: they are told so, and dial no more. */
const FORMERS_MAX = 4
const FORMER_MS = 30_000
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
  /** The one that was proven. */
  peerKey: string
  peerAddress: string
  contact: Contact | undefined
  /** Which device of the contact, or of ourselves, it is; absent for a stranger. */
  device?: number | undefined
  channel: Channel
}) => Promise<void>

/** Who is no accepted contact, or at no address of theirs: key and address are proven. */
export interface Stranger {
  readonly key: string
  readonly address: string
  /** Opens a channel on the very link they came on. */
  open(protocol: string, call: { signal: AbortSignal }): Channel
}

/** `own`: another device of the same identity. `former`: one that is on its list no more. `met`: a contact where they are met when they come back, for letters alone. */
export type Standing = "stranger" | "contact" | "own" | "former" | "met"

/** What the links of an identity stand on. */
export interface IdentityLinksOptions {
  readonly identity: Identity
  readonly session: Session
  readonly contacts: ContactBook
  readonly own: OwnDevices
  /** Finds who answers a protocol; `undefined` refuses the channel. */
  readonly handlerFor: (protocol: string, standing: Standing) => ChannelHandler | undefined
  /** Told when a link to a device of an accepted contact, or of ourselves, comes up. */
  readonly onReachable: (
    peer: ReachedDevice,
    standing: Exclude<Standing, "stranger" | "former">,
  ) => void
  /** Told of a key of ours that somebody knows though we never rotated to it: our memory is older than our last rotation. */
  readonly onNewer: (version: number) => Promise<void>
  /** Told when a link to somebody else comes up. */
  readonly onStranger: (stranger: Stranger) => void
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
}

/** A device of an accepted contact, or of ourselves. */
export interface ReachedDevice {
  readonly key: string
  readonly device: number
}

interface Held {
  readonly link: Link
  readonly sinceMs: number
  readonly direction: "out" | "in"
}

/** Who is at the other end. */
interface Who {
  /** That we know them by, whatever key their link proves. */
  readonly key: string
  /** Of the link: see {@linkcode linkName}. */
  readonly name: string
  readonly standing: Exclude<Standing, "former">
  readonly contact: Contact | undefined
  readonly device: number | undefined
}

/** Links are named by the key we know a peer by, and with the number of the device unless it is the first one. */
export function linkName(key: string, device: number): string {
  return device === FIRST_DEVICE ? key : peerName(key, device)
}

/** Links of one identity, by name. */
export class IdentityLinks implements AsyncDisposable {
  readonly #options: IdentityLinksOptions
  readonly #scope = new Scope()
  readonly #acceptor: LinkAcceptor
  readonly #standing = new Map<string, Held>()
  readonly #dialling = new Map<string, Promise<Link>>()
  readonly #lanes: Lanes
  /** By contact: where they said they are met. */
  readonly #homecomings = new Map<string, string>()
  readonly #formers = new Set<Link>()

  constructor(options: IdentityLinksOptions) {
    this.#options = options
    this.#lanes = new Lanes({ clock: options.clock, signal: this.#scope.signal })
    this.#acceptor = this.#scope.use(
      openLinkAcceptor({
        ...this.#self(),
        others: () => this.#otherKeys(),
        admit: (peer, wantedKey, lane) => this.#admits(peer, wantedKey, lane),
        // Who dialled us may not find us after our restart: then we must dial.
        redial: (peer, call) => options.session.connect(peer.destination.b32, call),
      }),
    )
    void this.#acceptAll().catch((thrown: unknown) => this.#tell("accept.ended", thrown))
  }

  /** Names of standing links. */
  peers(): readonly string[] {
    return this.#good().map(([name]) => name)
  }

  /** Names of links that have a stream now. */
  reachable(): readonly string[] {
    return this.#flowing().map(([name]) => name)
  }

  /** Names of correspondents whose letters go over one of these links now: those we can reach, and those who are met. */
  correspondents(): readonly string[] {
    return [...new Set(this.#flowing().map(([name, { link }]) => this.#atHome(name, link)))]
  }

  /** The link for letters to one of {@linkcode correspondents}: to their own address when there is one. */
  forLetters(name: string): Link | undefined {
    const flowing = this.#flowing()
    const theirs = flowing.find(([own]) => own === name)
    return (theirs ?? flowing.find(([own, { link }]) => this.#atHome(own, link) === name))?.[1].link
  }

  /** Links to a contact where they said they are met; as `link`. */
  async visit(
    peer: { key: string; address: string },
    call: { signal: AbortSignal },
  ): Promise<void> {
    this.#homecomings.set(peer.key, peer.address)
    await this.link(peer, call)
  }

  /**
   * The link to a peer: the standing one, or a new one.
   * @throws {AlliumError} `PEER_UNREACHABLE`, `PEER_MISMATCH`, `BRIDGE_UNREACHABLE`, …
   */
  link(peer: { key: string; address: string }, call: { signal: AbortSignal }): Promise<Link> {
    const key = this.#provenBy(peer.key)
    const { name } = this.#who({ ...peer, key })
    const standing = this.#standing.get(name)
    if (standing !== undefined && keyOf(standing.link.peer) === key)
      return Promise.resolve(standing.link)
    const way = `${key}/${name}`
    let dialling = this.#dialling.get(way)
    if (dialling === undefined) {
      dialling = this.#dial({ ...peer, key }).finally(() => this.#dialling.delete(way))
      this.#dialling.set(way, dialling)
      dialling.catch(() => {})
    }
    return untilAborted(dialling, call.signal)
  }

  /**
   * A lane to a contact, see {@linkcode Lanes}: the one that stands, or a new one.
   * @throws {AlliumError} `CHANNEL_LIMIT`; as `link`.
   */
  lane(
    peer: { key: string; address: string },
    lane: number,
    call: { signal: AbortSignal },
  ): Promise<Link> {
    const key = this.#provenBy(peer.key)
    const { name } = this.#who({ ...peer, key })
    return this.#lanes.open({ name, lane }, () => this.#dial({ ...peer, key }, lane), call)
  }

  /** Ends the link of that name, if one stands. */
  async drop(name: string): Promise<void> {
    void this.#lanes.drop((lane) => lane.name === name)
    await this.#standing.get(name)?.link[Symbol.asyncDispose]()
  }

  /** Ends links whose name says another thing of their peer than is known now; they come again. */
  dropMistaken(): void {
    for (const [name, { link }] of this.#standing) if (this.#whoIs(link).name !== name) close(link)
    void this.#lanes.drop(({ name, link }) => this.#whoIs(link).name !== name)
  }

  /**
   * Gives up links that were proven by a key of theirs which counts no more; they end when they are idle.
   * @returns Their names: whoever it was is to be dialled again.
   */
  dropRetired(): readonly string[] {
    const retired = [...this.#standing].filter(([, { link }]) => this.#isRetired(keyOf(link.peer)))
    void this.#lanes.drop(({ link }) => this.#isRetired(keyOf(link.peer)))
    return retired.map(([name]) => this.#giveUp(name))
  }

  /** The same for every link: our own key is another. */
  dropAll(): readonly string[] {
    void this.#lanes.drop(() => true)
    return [...this.#standing.keys()].map((name) => this.#giveUp(name))
  }

  /** Ends every link, for good. */
  async hangUp(): Promise<void> {
    await this.#scope.close()
    const names = [...this.#standing.keys()]
    const drops = names.map((name) => this.drop(name).catch(() => {}))
    const all = Promise.all([...drops, this.#lanes.drop(() => true)])
    await Promise.race([all, this.#options.clock.sleep(HANG_UP_MS)])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }

  async #dial(peer: { key: string; address: string }, lane?: number): Promise<Link> {
    const { session, clock } = this.#options
    const { signal } = this.#scope
    const redial = (call: { signal: AbortSignal }) => session.connect(peer.address, call)
    const bound = { atMostMs: CONNECT_MS, signal, clock }
    const self = this.#self()
    const link = await openLink({
      ...self,
      ...(lane !== undefined && { lane, limits: { ...self.limits, ...LANE_LIMITS } }),
      role: "out",
      stream: await within(bound, (limit) => redial({ signal: limit })),
      expectedPeer: Buffer.from(peer.key, "base64url"),
      redial,
      acceptor: this.#acceptor,
      signal,
    })
    if (lane === undefined) this.#adopt(link, "out")
    else void this.#serve(link).catch((thrown: unknown) => this.#tell("serve", thrown))
    return link
  }

  async #acceptAll(): Promise<void> {
    for await (const stream of this.#options.session.incoming) {
      void this.#accept(stream).catch((thrown: unknown) => this.#tell("handshake", thrown))
    }
  }

  async #accept(stream: SamStream): Promise<void> {
    const link = await this.#acceptor.accept(stream, { signal: this.#scope.signal })
    if (link === undefined) return
    if (this.#isFormer(link.peer)) return this.#dismiss(link)
    if (link.lane === 0) this.#adopt(link, "in")
    else this.#adoptLane(link)
  }

  /** Who proves a key of ours from an address on no list; only the first device can say what became of it. */
  #isFormer(peer: LinkPeer): boolean {
    const { identity } = this.#options
    if (identity.device !== 0 || identity.keysOf(keyOf(peer)) === undefined) return false
    const own = addressesOf(this.#options, identity.key)
    return own.every(({ address }) => address !== peer.destination.b32)
  }

  #dismiss(link: Link): void {
    const { clock } = this.#options
    const { signal } = this.#scope
    this.#formers.add(link)
    void link.closed.then(() => this.#formers.delete(link))
    clock.sleep(FORMER_MS, { signal }).then(
      () => close(link),
      () => {}, // the session ends, and it too
    )
    void this.#serve(link).catch((thrown: unknown) => this.#tell("serve", thrown))
  }

  #adoptLane(link: Link): void {
    this.#lanes.adopt(this.#whoIs(link).name, link)
    void this.#serve(link).catch((thrown: unknown) => this.#tell("serve", thrown))
  }

  #adopt(link: Link, direction: "out" | "in"): void {
    const { clock, onReachable } = this.#options
    if (this.#isRetired(keyOf(link.peer))) return void close(link)
    const { key, name, standing, device } = this.#whoIs(link)
    const before = this.#standing.get(name)
    const mine = { link, sinceMs: clock.monotonicMs(), direction }
    void this.#serve(link).catch((thrown: unknown) => this.#tell("serve", thrown))
    if (before !== undefined && this.#keeps(before, mine)) return void close(link)
    this.#standing.set(name, mine)
    if (before !== undefined) close(before.link)
    void link.closed.then(() => this.#forget(name, link))
    if (standing === "contact" && device === FIRST_DEVICE) this.#part(key)
    if (standing !== "stranger" && device !== undefined) onReachable({ key, device }, standing)
    else this.#meetStranger(link)
  }

  /** Who is linked to at their own address is met elsewhere no more. */
  #part(key: string): void {
    const held = this.#standing.get(`${key}@${this.#homecomings.get(key)}`)
    if (held !== undefined) close(held.link)
  }

  /** Whether the link that stood stays: only when both sides dialled at once, and by the link's own rule. */
  #keeps(before: Held, late: Held): boolean {
    if (late.sinceMs - before.sinceMs > SAME_MOMENT_MS) return false
    if (before.direction === late.direction) return false
    const { session } = this.#options
    const { publicKey, key } = this.#options.identity.present
    const { identityKey, destination } = before.link.peer
    if (keyOf(before.link.peer) !== keyOf(late.link.peer)) return false
    const isOwn = keyOf(before.link.peer) === key
    // Devices of one identity have one key: their destinations decide.
    const role = isOwn
      ? roleToKeep(session.destination.bytes, destination.bytes)
      : roleToKeep(publicKey, identityKey)
    return before.direction === role
  }

  #whoIs({ peer }: { readonly peer: LinkPeer }): Who {
    return this.#who({ key: keyOf(peer), address: peer.destination.b32 })
  }

  /**
   * Whoever proves a key from an address its owner did not tell is a stranger; so is who proves one that counts no more.
   * Where a contact is met when they come back, they told us too.
   * @param peer.key - The proven one.
   */
  #who({ key: proven, address }: { key: string; address: string }): Who {
    const { identity, contacts } = this.#options
    const isOwn = proven === identity.present.key
    const contact = this.#isRetired(proven) ? undefined : contacts.byAnyKey(proven)
    const key = isOwn ? identity.key : (contact?.key ?? proven)
    if (!isOwn && contact?.state !== "accepted")
      return { key, name: key, standing: "stranger", contact, device: undefined }
    const found = addressesOf(this.#options, key).find((one) => one.address === address)
    if (found === undefined) {
      const nobody = { key, name: `${key}@${address}`, contact, device: undefined }
      if (this.#homecomings.get(key) !== address) return { ...nobody, standing: "stranger" }
      return { ...nobody, standing: "met", device: FIRST_DEVICE }
    }
    const name = linkName(key, found.number)
    return { key, name, standing: isOwn ? "own" : "contact", contact, device: found.number }
  }

  /** The blocked, the too many, and whoever holds an older key, theirs or ours, hear nothing, as if nobody were here. */
  async #admits(peer: LinkPeer, wantedKey: Uint8Array, lane: number): Promise<boolean> {
    const { identity } = this.#options
    const { name, standing, contact } = this.#whoIs({ peer })
    if (this.#isFormer(peer)) return lane === 0 && this.#formers.size < FORMERS_MAX
    if (contact?.state === "blocked" || this.#isRetired(keyOf(peer))) return false
    if (lane > 0 && standing !== "contact") return false
    const wanted = identity.keysOf(keyOf({ identityKey: wantedKey }))?.version ?? 0
    if (wanted > identity.present.version) await this.#options.onNewer(wanted)
    // Who was told of our newer key has no more use for this one, but a thief has.
    if (wanted < identity.present.version && !this.#knowsOnly(contact, wanted)) return false
    if (standing !== "stranger") return true
    if (identity.keysOf(keyOf(peer)) !== undefined) return false
    const all = [...this.#standing.values()].map(({ link }) => this.#whoIs(link).standing)
    const strangers = all.filter((one) => one === "stranger")
    return strangers.length < STRANGERS_MAX || this.#standing.has(name)
  }

  #knowsOnly(contact: Contact | undefined, version: number): boolean {
    return contact !== undefined && this.#options.contacts.told(contact.key) <= version
  }

  /** Older keys first: those somebody may still want. A linked device has none. */
  #otherKeys(): readonly Signer[] {
    const { identity } = this.#options
    if (identity.device !== 0) return []
    const { version } = identity.present
    const versions = Array.from({ length: ROTATIONS_MAX + 1 }, (_, number) => number)
    return versions.filter((one) => one !== version).map((one) => identity.keysAt(one))
  }

  /** A contact's key of before, or our own. */
  #isRetired(proven: string): boolean {
    const { contacts, identity } = this.#options
    if (proven === identity.present.key) return false
    if (proven === identity.key) return true
    const contact = contacts.byAnyKey(proven)
    return contact !== undefined && presentKeyOf(contact) !== proven
  }

  /** The key that a peer's link proves now. */
  #provenBy(key: string): string {
    const { contacts, identity } = this.#options
    if (key === identity.key) return identity.present.key
    const contact = contacts.byAnyKey(key)
    return contact === undefined ? key : presentKeyOf(contact)
  }

  /** What the correspondent is called whom letters over a link go to. */
  #atHome(name: string, link: Link): string {
    const { key, standing } = this.#whoIs(link)
    return standing === "met" ? linkName(key, FIRST_DEVICE) : name
  }

  /** Links that have a stream now. */
  #flowing() {
    return this.#good().filter(([, { link }]) => !link.adrift)
  }

  /** Links whose proof still counts. */
  #good() {
    return [...this.#standing].filter(([, { link }]) => !this.#isRetired(keyOf(link.peer)))
  }

  /** What every link of this identity shares. */
  #self(): LinkSelf {
    const { identity, session, clock, random, log } = this.#options
    const { destination } = session
    const signer: Signer = {
      get publicKey() {
        return identity.present.publicKey
      },
      sign: (domain, message) => identity.present.sign(domain, message),
    }
    const limits = { handshakeMs: HANDSHAKE_MS }
    return { identity: signer, destination, clock, random, log, limits }
  }

  #meetStranger(link: Link): void {
    this.#limitStranger(link)
    this.#options.onStranger({
      key: keyOf(link.peer),
      address: link.peer.destination.b32,
      open: (protocol, call) => link.open(protocol, call),
    })
  }

  #limitStranger(link: Link): void {
    const { clock } = this.#options
    const { signal } = this.#scope
    void clock.sleep(STRANGER_MS, { signal }).then(
      () => this.#whoIs(link).standing === "stranger" && close(link),
      () => {},
    )
  }

  #giveUp(name: string): string {
    const held = this.#standing.get(name)
    this.#standing.delete(name)
    if (held !== undefined) close(held.link)
    return name
  }

  #forget(name: string, link: Link): void {
    if (this.#standing.get(name)?.link === link) this.#standing.delete(name)
  }

  async #serve(link: Link): Promise<void> {
    for await (const channel of link.incoming) this.#dispatch(link, channel)
  }

  #dispatch(link: Link, channel: Channel): void {
    const { identity, handlerFor } = this.#options
    const { contact, device, standing: found } = this.#whoIs(link)
    const standing = this.#formers.has(link) ? "former" : found
    const peerKey = keyOf(link.peer)
    const handle = handlerFor(channel.protocol, standing)
    channel.on("error", (thrown) => this.#tell("channel", thrown))
    if (handle === undefined) {
      channel.destroy(new AlliumError("CHANNEL_REFUSED", "Cannot open channel: nobody answers it"))
      return
    }
    const peerAddress = link.peer.destination.b32
    handle({ identity, peerKey, peerAddress, contact, device, channel }).catch(
      (thrown: unknown) => {
        this.#tell("handler", thrown)
        channel.destroy()
      },
    )
  }

  #tell(event: string, thrown: unknown): void {
    if (!this.#scope.signal.aborted)
      this.#options.log.debug(`link.${event}`, { code: toAlliumError(thrown).code })
  }
}

function keyOf(peer: Pick<LinkPeer, "identityKey">): string {
  return Buffer.from(peer.identityKey).toString("base64url")
}

function close(link: Link): void {
  Promise.resolve(link[Symbol.asyncDispose]()).catch(() => {})
}

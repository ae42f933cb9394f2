/**
 * The mail of one identity: its post, its towers, and the ways letters go.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError, isAlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { type Contact, type ContactBook, presentKeyOf } from "../identity/contacts.ts"
import type { DoorBook } from "../identity/doors.ts"
import type { Identity } from "../identity/identity.ts"
import type { EnvelopeCrypto } from "../mail/envelope/crypto.ts"
import { createEnvelopeCrypto } from "../mail/envelope/envelope-crypto.ts"
import { openMailboxClient } from "../mail/mailbox/client.ts"
import { QUEUE_ID_BYTES } from "../mail/mailbox/mailbox.ts"
import { readIntroduction } from "../mail/post/introduction.ts"
import { sealMove } from "../mail/post/move.ts"
import { openPost } from "../mail/post/open-post.ts"
import type { PeerKeys, PostNews, Putting } from "../mail/post/options.ts"
import type {
  InLetter,
  Introduction,
  LetterState,
  OutLetter,
  Place,
  Post,
  Reception,
} from "../mail/post/post.ts"
import type { Change, StoreRoom } from "../store/store.ts"
import {
  DEVICES_TOPIC,
  type DeviceLetter,
  packDeviceLetter,
  readDeviceLetter,
} from "./device-letters.ts"
import { type DoorArrival, type DoorDesk, openDoorDesk } from "./door-desk.ts"
import { CONTACTS_TOPIC } from "./introduction-letters.ts"
import { type LetterFates, openLetterFates } from "./letter-fates.ts"
import type { Links } from "./links.ts"
import {
  acceptedContact,
  correspondents,
  deviceOf,
  devicesOf,
  hopeless,
  keyOf,
  type OwnDevices,
  peerName,
} from "./mail-devices.ts"
import type { MailTopics } from "./mail-topics.ts"
import { ContactMailboxes } from "./own-mailbox.ts"
import type { Sessions } from "./sessions.ts"
import { openTowerDesk, type TowerDesk } from "./tower-desk.ts"
import { openTowerLine, type TowerLine } from "./tower-line.ts"

/** A session for putting is closed when nothing was put for this long. */
const PUT_IDLE_MS = 600_000

/** What the mail of every identity stands on. */
export interface MailParts {
  readonly links: Links
  readonly sessions: Sessions
  readonly topics: MailTopics
  readonly own: OwnDevices
  /** Takes what another device of ours says of contacts and devices. */
  readonly onDevice: (identity: Identity, letter: DeviceLetter) => Promise<Reception>
  /** Topics whose letters are no business of our other devices. */
  readonly isPrivate: (topic: string) => boolean
  /** Told when a tower comes, goes or changes its state. */
  readonly onTower: (identity: Identity) => void
  /** Told what a person may want to know of a contact's mail. */
  readonly onNews: (identity: Identity, contact: Contact, news: PostNews) => void
  /** Told when a request at a door of somebody else stands otherwise. */
  readonly onAsk: (identity: Identity, contactKey: string) => void
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
}

/** What one identity adds. */
export interface MailIdentityOptions extends MailParts {
  readonly identity: Identity
  readonly contacts: ContactBook
  readonly cards: DoorBook
  /** A signed card of the identity. */
  readonly card: (what: { name?: string; door?: string }) => Promise<string>
  /** Enters who asks at a door; says what they are to us then. */
  readonly onRequest: (arrival: DoorArrival) => Promise<string | undefined>
  readonly room: StoreRoom
  /** Whether contacts may put at the identity's own mailbox. */
  readonly isReachable: () => boolean
}

/** See the module. */
export class MailIdentity implements AsyncDisposable {
  readonly identity: Identity
  readonly #options: MailIdentityOptions
  readonly #scope = new Scope()
  readonly #mailboxes: ContactMailboxes
  readonly #putLine: TowerLine
  #post!: Post
  #fates!: LetterFates
  #towers!: TowerDesk
  #doors!: DoorDesk

  private constructor(options: MailIdentityOptions) {
    this.identity = options.identity
    this.#options = options
    this.#mailboxes = new ContactMailboxes({
      links: options.links,
      signal: this.#scope.signal,
      clock: options.clock,
      onBack: (peer) => this.#post.wake(peer),
    })
    this.#putLine = this.#scope.use(this.#line("put", PUT_IDLE_MS))
  }

  /** Reads what is kept; letters can be sent, and none comes before {@linkcode start}. */
  static async open(options: MailIdentityOptions): Promise<MailIdentity> {
    const mail = new MailIdentity(options)
    try {
      await mail.#open()
      return mail
    } catch (error) {
      await mail[Symbol.asyncDispose]()
      throw error
    }
  }

  get post(): Post {
    return this.#post
  }

  get towers(): TowerDesk {
    return this.#towers
  }

  get doors(): DoorDesk {
    return this.#doors
  }

  /** Plugins run: towers are asked, and what became hopeless meanwhile is given up. */
  async start(): Promise<void> {
    if (this.#options.own.isUnlinked(this.identity)) return this.giveUp()
    for (const contact of this.#options.contacts.list()) {
      const reason = hopeless(contact)
      for (const peer of reason === undefined ? [] : devicesOf(contact))
        if (this.#post.hasWaiting(peer)) await this.#post.cancel(peer, reason ?? "")
    }
    await this.#forgetGone()
    await this.#towers.start()
    this.#doors.start()
  }

  /** What waits will never go: this device is the identity's no more. */
  async giveUp(): Promise<void> {
    for (const peer of this.#post.peers())
      if (this.#post.hasWaiting(peer)) await this.#post.cancel(peer, "DEVICE_UNLINKED")
  }

  /** Puts a letter to a contact into the outbox of each of their devices, and a copy into those of ours. */
  async send(contact: Contact, letter: OutLetter, also: readonly Change[]): Promise<void> {
    const peers = devicesOf(contact)
    const { topic, name, content } = letter
    const sent: DeviceLetter = {
      ...{ kind: "sent", contact: contact.key, topic, name, content: new Uint8Array(content) },
    }
    const own = this.#options.isPrivate(topic) ? [] : this.#toOwn(sent)
    const fate = peers.length > 1 ? this.#fates.begin(peers, letter) : undefined
    const changes = [...also, ...(fate?.changes ?? [])]
    try {
      await this.#sendToAny(peers, (first, others) => {
        const copies = others.map((peer) => ({ peer, letter }))
        return this.#post.send(first, letter, changes, [...copies, ...own])
      })
    } catch (error) {
      fate?.failed()
      throw error
    }
  }

  /** It is refused only when no device has room for it. */
  async #sendToAny(
    peers: readonly string[],
    send: (first: string, others: readonly string[]) => Promise<void>,
  ): Promise<void> {
    for (const [at, first] of peers.entries())
      try {
        return await send(first, peers.toSpliced(at, 1))
      } catch (error) {
        if (!isAlliumError(error, "OUTBOX_FULL") || at + 1 === peers.length) throw error
      }
  }

  /** Tells our other devices. */
  async tellOwn(letter: DeviceLetter, also: readonly Change[] = []): Promise<void> {
    const [first, ...others] = this.#toOwn(letter)
    if (first !== undefined) await this.#post.send(first.peer, first.letter, also, others)
  }

  /** Our other devices are others now. */
  async devicesChanged(): Promise<void> {
    await this.#forgetGone(this.identity.key)
    await this.#towers.peersChanged()
  }

  /** A contact came, went, or changed its state. */
  async contactChanged(contactKey: string): Promise<void> {
    const contact = this.#options.contacts.byKey(contactKey)
    const reason = hopeless(contact)
    for (const peer of devicesOf(contact ?? { key: contactKey }))
      if (reason !== undefined) await this.#post.cancel(peer, reason)
    if (this.#isNobody(contactKey)) await this.#post.forget(peerName(contactKey, 0))
    await this.#forgetGone(contactKey)
    await this.#towers.peersChanged()
    this.#doors.changed()
  }

  /** As it is now: who was removed may be asked again already. */
  #isNobody(contactKey: string): boolean {
    const contact = this.#options.contacts.byKey(contactKey)
    return contact === undefined || contact.state === "refused"
  }

  /** A link to a correspondent came up. */
  async reachable(peer: string): Promise<void> {
    if (!this.admits(peer)) return
    this.#mailboxes.came({ identity: this.identity, peer })
    const meeting = this.#post.knows(peer) ? undefined : this.#meet(peer)
    await meeting?.catch((error: unknown) => this.#tell("meet", error))
    this.#post.wake(peer)
  }

  /** Whether that correspondent may put, and be told of us. */
  readonly admits = (peer: string): boolean => {
    if (this.#isOwn(peer)) return this.#ownPeers().includes(peer)
    const contact = acceptedContact(this.#options.contacts, peer)
    return contact !== undefined && devicesOf(contact).includes(peer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close()
  }

  async #open(): Promise<void> {
    const { random, room, contacts, onTower, clock, chance, log } = this.#options
    const tools = { clock, chance, random, log }
    this.#towers = await openTowerDesk({
      ...tools,
      room: room.room("towers"),
      line: this.#scope.use(this.#line("pull")),
      tokenKey: async (tower, call) => {
        const { mailbox } = await this.#putLine.reach(tower, call)
        return mailbox.tokenKey(call)
      },
      sealMove: (moveKey, place) => sealMove(moveKey, place, random),
      peers: () => [...correspondents(contacts), ...this.#ownPeers(), ...this.#doors.awaited()],
      take: (peer, envelope) => this.#take(peer, envelope),
      placesChanged: () => this.placesChanged(),
      onChange: () => {
        this.#doors.changed()
        onTower(this.identity)
      },
    })
    const crypto = createEnvelopeCrypto({ random })
    this.#doors = await this.#openDoors(crypto)
    this.#fates = await openLetterFates(room.room("fates"))
    this.#post = await openPost({
      ...tools,
      self: this.identity,
      keysFor: (peer) => this.#keysFor(peer),
      crypto,
      store: room.room("post"),
      ownPlaces: async (peer) => this.#ownPlaces(peer),
      reach: (peer, place, call) => this.#reach(peer, place, call),
      greet: (peer, call) => this.#greet(peer, call),
      isLinked: (peer) => this.#mailboxes.isLinked({ identity: this.identity, peer }),
      ...this.#handlers(),
    })
    this.#scope.use(this.#post)
    this.#scope.use(this.#towers)
    this.#scope.use(this.#doors)
  }

  #openDoors(crypto: EnvelopeCrypto): Promise<DoorDesk> {
    const { room, contacts, cards, card, isReachable, onRequest, onAsk } = this.#options
    const { clock, chance, random, log } = this.#options
    return openDoorDesk({
      ...{ identity: this.identity, room: room.room("doors"), crypto, contacts, cards, card },
      ...{ towers: this.#towers, isReachable, onRequest, clock, chance, random, log },
      post: () => this.#post,
      openDoorLine: () => this.#line("door"),
      onDoors: () => this.#options.onTower(this.identity),
      putLine: this.#putLine,
      onAsk: (key) => onAsk(this.identity, key),
    })
  }

  /** Contacts are told where to put from now on. */
  placesChanged(): void {
    if (this.#scope.signal.aborted) return
    this.#doors.changed()
    this.#post.placesChanged().catch((error: unknown) => this.#tell("places", error))
  }

  #handlers() {
    const { topics, contacts } = this.#options
    const { identity } = this
    const from = (peer: string) => acceptedContact(contacts, peer)
    // Whom we asked at their door answers before they are accepted.
    const answering = (peer: string, { topic }: InLetter) =>
      topic === CONTACTS_TOPIC && this.#doors.awaits(keyOf(peer))
        ? contacts.byKey(keyOf(peer))
        : undefined
    return {
      deliver: async (peer: string, letter: InLetter) => {
        if (this.#isOwn(peer)) return this.#hearOwn(letter)
        const contact = from(peer) ?? answering(peer, letter)
        return contact ? topics.letter({ identity, contact }, peer, letter) : { changes: [] }
      },
      deliverFlash: async (peer: string, letter: InLetter) => {
        const contact = from(peer)
        return contact ? topics.flash({ identity, contact }, letter) : { changes: [] }
      },
      told: (peer: string, news: PostNews) => {
        const contact = from(peer)
        if (contact !== undefined) this.#options.onNews(identity, contact, news)
      },
      report: async (peer: string, name: string, plugin: string, state: LetterState) => {
        const contact = contacts.byKey(keyOf(peer))
        return contact ? this.#report(contact, peer, { plugin, name, state }) : { changes: [] }
      },
    }
  }

  /** A letter of another device of ours. @throws {AlliumError} `BAD_RECORD`. */
  async #hearOwn({ topic, content }: InLetter): Promise<Reception> {
    const { topics, contacts, onDevice } = this.#options
    if (topic !== DEVICES_TOPIC) throw new AlliumError("BAD_RECORD", "Cannot read letter: topic")
    const letter = readDeviceLetter(content)
    if (letter.kind !== "sent" && letter.kind !== "state") return onDevice(this.identity, letter)
    const contact = contacts.byKey(letter.contact)
    if (contact === undefined) return { changes: [] }
    const parties = { identity: this.identity, contact }
    const peer = peerName(contact.key, 0)
    if (letter.kind === "sent") return topics.letter(parties, peer, letter, "own device")
    const { topic: plugin, name, state } = letter
    return topics.report(parties, peer, { plugin, name, state })
  }

  /** One fact for all devices of a contact; when it is the last one, our other devices hear it, too. */
  async #report(
    contact: Contact,
    peer: string,
    told: { plugin: string; name: string; state: LetterState },
  ): Promise<Reception> {
    const { plugin: topic, name, state } = told
    const heard = this.#fates.hear(peer, { topic, name }, state)
    if (!heard.isNews) return heard
    const { identity } = this
    const theirs = await this.#options.topics.report({ identity, contact }, peer, told)
    const isEnd = state.kind === "delivered" || state.kind === "failed"
    const tellOwn = () => {
      if (!isEnd || this.#options.isPrivate(topic)) return
      const letter: DeviceLetter = { kind: "state", contact: contact.key, topic, name, state }
      this.tellOwn(letter).catch((error: unknown) => this.#tell("state", error))
    }
    return {
      ...theirs,
      changes: [...heard.changes, ...theirs.changes],
      done: () => {
        heard.done?.()
        theirs.done?.()
        tellOwn()
      },
    }
  }

  #isOwn(peer: string): boolean {
    return keyOf(peer) === this.identity.key
  }

  #ownPeers(): readonly string[] {
    const { own } = this.#options
    return own.others(this.identity).map(({ number }) => peerName(this.identity.key, number))
  }

  #toOwn(letter: DeviceLetter) {
    const peers = this.#ownPeers()
    if (peers.length === 0) return []
    const out = { topic: DEVICES_TOPIC, name: "", content: packDeviceLetter(letter) }
    return peers.map((peer) => ({ peer, letter: out }))
  }

  /** Devices that are on no list any more: those of `key`, or of everybody. */
  async #forgetGone(key?: string): Promise<void> {
    const others = this.#post.peers().filter((peer) => deviceOf(peer) !== 0)
    for (const peer of others) {
      if (key !== undefined && keyOf(peer) !== key) continue
      if (this.#devicesNow(keyOf(peer)).includes(peer)) continue
      await this.#post.cancel(peer, "NO_CONTACT")
      await this.#post.forget(peer)
    }
  }

  #devicesNow(key: string): readonly string[] {
    if (key === this.identity.key) return this.#ownPeers()
    const contact = this.#options.contacts.byKey(key)
    return contact === undefined ? [] : devicesOf(contact)
  }

  /** Of whoever is no contact any more, nothing is taken, and nothing left to come again. */
  async #take(peer: string, envelope: Uint8Array): Promise<void> {
    if (this.admits(peer) || this.#doors.awaits(keyOf(peer))) await this.#post.take(peer, envelope)
  }

  #ownPlaces(peer: string): readonly Place[] {
    const self: readonly Place[] = this.#options.isReachable() ? [{ kind: "self" }] : []
    return [...self, ...this.#towers.places(peer)]
  }

  async #reach(peer: string, place: Place, call: { signal: AbortSignal }): Promise<Putting> {
    this.#require(peer)
    const mailbox =
      place.kind === "self"
        ? await this.#mailboxes.reach({ identity: this.identity, peer }, call)
        : (await this.#putLine.reach(place, call)).mailbox
    // It stays open for the next letter: nothing ends with one use.
    return { put: (item, how) => mailbox.put(item, how), async [Symbol.asyncDispose]() {} }
  }

  async #greet(peer: string, call: { signal: AbortSignal }): Promise<Introduction> {
    this.#require(peer)
    const mailbox = await this.#mailboxes.reach({ identity: this.identity, peer }, call)
    const greeting = await mailbox.greeting(new Uint8Array(QUEUE_ID_BYTES), call)
    if (greeting !== undefined) return readIntroduction(greeting)
    throw new AlliumError("MAILBOX_REFUSED", "Cannot greet contact: its mailbox has no greeting")
  }

  async #meet(peer: string): Promise<void> {
    const { signal } = this.#scope
    await this.#post.meet(peer, await this.#greet(peer, { signal }))
  }

  /** Who was not told of our newest key knows us by an older one. Linked devices have the present one alone. */
  #keysFor(peer: string): PeerKeys {
    const { contacts } = this.#options
    const { device, present } = this.identity
    if (this.#isOwn(peer)) return { own: present, older: [], their: present.publicKey }
    const contact = contacts.byKey(keyOf(peer))
    const their = Buffer.from(contact ? presentKeyOf(contact) : keyOf(peer), "base64url")
    if (device !== 0) return { own: present, older: [], their }
    const told = contact === undefined ? present.version : contacts.told(contact.key)
    const older = Array.from({ length: told }, (_, version) => this.identity.keysAt(version))
    return { own: this.identity.keysAt(told), older, their }
  }

  #require(peer: string): void {
    if (this.admits(peer)) return
    throw new AlliumError("NOT_ACCEPTED", "Cannot reach contact: not accepted by both sides")
  }

  #line(way: "pull" | "put" | "door", idleMs?: number): TowerLine {
    const { sessions, clock, random, log } = this.#options
    const owner = { kind: "mail", name: `${way} of ${this.identity.name}` } as const
    return openTowerLine({
      openSession: (scope) => sessions.openOwn(owner, "transient", scope),
      openClient: openMailboxClient,
      ...(idleMs !== undefined && { idleMs }),
      ...{ clock, random, log },
    })
  }

  #tell(event: string, error: unknown): void {
    if (!this.#scope.signal.aborted)
      this.#options.log.debug(`mail.${event}`, { code: toAlliumError(error).code })
  }
}

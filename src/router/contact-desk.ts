/**
 * Becoming contacts: what the user decides becomes a notice, and arriving notices change the contact book.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { type Card, readCard } from "../identity/card.ts"
import { parseContactUri, type TowerAddress } from "../identity/contact-uri.ts"
import {
  type Contact,
  type ContactBook,
  type HeldIntroduction,
  presentKeyOf,
} from "../identity/contacts.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import { type Rotation, readRotations } from "../identity/rotation.ts"
import type { Channel } from "../link/link.ts"
import type { Reception } from "../mail/post/post.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import {
  answerShape,
  CONTACT_PROTOCOL,
  type ContactAnswer,
  type ContactNotice,
  noticeShape,
  packRecord,
  readRecord,
} from "./contact-wire.ts"
import { readAnswer } from "./door-answers.ts"
import type { Deed, DoorArrival, DoorDesk } from "./door-desk.ts"
import type { DoorPlace } from "./given.ts"
import {
  doorPlaceShape,
  type IntroductionTools,
  introduce,
  judgeIntroduction,
  readIntroductionLetter,
  ticketOf,
} from "./introduction-letters.ts"
import type { Links } from "./links.ts"
import { NoticePost, type PendingNotice } from "./notice-post.ts"
import type { ArrivedLetter, PluginMail } from "./plugin.ts"
import { RotationDesk, type RotationDeskOptions } from "./rotation-desk.ts"

/** One notice and its answer, once the link stands. */
const EXCHANGE_MS = 60_000

/** Somebody at the other end of a link. */
interface Peer {
  /** Identity key, base64url. */
  readonly key: string
  /** `.b32.i2p` name. */
  readonly address: string
}

/** What goes with a request. */
export interface ContactWords {
  /** What we call them. */
  readonly name: string
  readonly greeting: string
  /** What we call ourselves to them; nothing when absent. */
  readonly ownName?: string | undefined
}

/** What a person does with contacts. */
export interface ContactDesk extends AsyncDisposable {
  /** Asks somebody to become a contact; the notice goes out until it is answered. */
  request(identity: Identity, uri: string, words: ContactWords): Promise<Contact>
  accept(identity: Identity, nameOrKey: string): Promise<Contact>
  refuse(identity: Identity, nameOrKey: string): Promise<Contact>
  block(identity: Identity, nameOrKey: string): Promise<Contact>
  unblock(identity: Identity, nameOrKey: string): Promise<Contact>
  remove(identity: Identity, nameOrKey: string): Promise<Contact>
  /**
   * Our next key takes over; every contact is told until they know. @throws {AlliumError} `LIMIT_REACHED` after 16 times.
   */
  rotate(identity: Identity): Promise<void>
  /** Tells two contacts of each other; see `introduction-letters.ts`. */
  introduce(
    identity: Identity,
    names: readonly [string, string],
    words: string,
  ): Promise<readonly [Contact, Contact]>
}

/** What the desk stands on. */
export interface ContactDeskOptions {
  readonly identities: IdentityBook
  readonly links: Links
  /** Letters to and from contacts about contacts. */
  readonly letters: Pick<PluginMail, "send" | "receive" | "onReport">
  /** Doors at towers: ours, and those of others. */
  readonly doors: {
    of(identity: Identity): DoorDesk
    onRequest(handler: (arrival: DoorArrival) => Promise<string | undefined>): void
  }
  /** Only the first device speaks with whoever asks and is asked: has it ask somebody. */
  readonly askByFirst: (identity: Identity, uri: string, words: ContactWords) => Promise<void>
  /** Where a contact said that strangers ask them. */
  readonly doorOf: IntroductionTools["doorOf"]
  readonly store: StoreRoom
  readonly emit: (event: string, data: Readonly<Record<string, unknown>>) => void
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
}

/** Opens the desk: answers notices, and sends again what was not answered before the last end. */
export async function openContactDesk(options: ContactDeskOptions): Promise<ContactDesk> {
  const desk = new Desk(options)
  await desk.open()
  return desk
}

class Desk implements ContactDesk {
  readonly #options: ContactDeskOptions
  readonly #post: NoticePost
  readonly #rotations: RotationDesk
  readonly #scope = new Scope()
  /** By our identity and who was introduced to us: where they can be asked. */
  readonly #leads: Table<DoorPlace>

  constructor(options: ContactDeskOptions) {
    this.#options = options
    this.#leads = options.store.table("leads", doorPlaceShape)
    const deliver = (notice: PendingNotice, signal: AbortSignal) => this.#deliver(notice, signal)
    this.#post = this.#scope.use(new NoticePost({ ...options, deliver }))
    const exchange: RotationDeskOptions["exchange"] = (...call) => this.#exchange(...call)
    const changed: RotationDeskOptions["changed"] = (...news) => this.#changed(...news)
    this.#rotations = this.#scope.use(new RotationDesk({ ...options, exchange, changed }))
  }

  async open(): Promise<void> {
    this.#scope.defer(
      this.#options.links.serveAnyone(CONTACT_PROTOCOL, (arrival) => {
        const { identity, peerKey: key, peerAddress: address, channel } = arrival
        return this.#receive(identity, { key, address }, channel)
      }),
    )
    this.#options.letters.receive((letter) => this.#receiveLetter(letter))
    this.#options.doors.onRequest((arrival) => this.#receiveAtDoor(arrival))
    await this.#rotations.open()
    await this.#post.resume()
  }

  async request(identity: Identity, uri: string, words: ContactWords): Promise<Contact> {
    const parsed = parseContactUri(uri)
    if (identity.keysOf(parsed.key) !== undefined)
      throw new AlliumError("CONTACT_STATE", "Cannot add contact: this is your own identity")
    if (identity.device !== 0) return this.#requestByFirst(identity, uri, words)
    const key = this.#nameOf(identity, parsed.key)
    if ("tower" in parsed) return this.#requestAtDoor(identity, { ...parsed, key }, words)
    const { address, door } = parsed
    const notice = noticeFor(identity, { key, address }, "request", { ...words, door })
    const wanted = { key, address, name: words.name }
    const book = this.#options.identities.contacts(identity)
    const ask = this.#options.doors.of(identity).drop(key, { keepAsked: true })
    const contact = await book.request(wanted, [this.#post.keep(notice), ...ask.changes])
    ask.done()
    this.#post.start(notice)
    this.#changed(identity, contact)
    return contact
  }

  /** On a linked device. */
  async #requestByFirst(identity: Identity, uri: string, words: ContactWords): Promise<Contact> {
    const book = this.#options.identities.contacts(identity)
    const parsed = parseContactUri(uri)
    const address = "tower" in parsed ? parsed.tower.address : parsed.address
    const asked = await book.request({ key: parsed.key, address, name: words.name })
    await this.#options.askByFirst(identity, uri, words)
    this.#changed(identity, asked)
    return asked
  }

  /** The key we know somebody by: theirs that was given, or the first one of a contact. */
  #nameOf(identity: Identity, key: string): string {
    return this.#options.identities.contacts(identity).byAnyKey(key)?.key ?? key
  }

  /** Until they answer, they are where they were asked. */
  async #requestAtDoor(
    identity: Identity,
    { key, tower }: TowerAddress,
    { name, greeting, ownName }: ContactWords,
  ): Promise<Contact> {
    const book = this.#options.identities.contacts(identity)
    const doors = this.#options.doors.of(identity)
    const pair = { identityKey: identity.key, contactKey: key }
    const wish = { key, tower, greeting, ...present({ ownName }) }
    const ask = await doors.ask(wish)
    const address = book.byKey(key)?.address ?? tower.address
    const wanted = { key, address, name }
    const contact = await book.request(wanted, [...ask.changes, this.#post.drop(pair)])
    this.#post.stop(pair)
    ask.done()
    if (contact.state === "accepted") doors.welcome(key)
    this.#changed(identity, contact)
    return contact
  }

  accept(identity: Identity, nameOrKey: string): Promise<Contact> {
    return this.#answer(identity, nameOrKey, "accept")
  }

  refuse(identity: Identity, nameOrKey: string): Promise<Contact> {
    return this.#answer(identity, nameOrKey, "refuse")
  }

  block(identity: Identity, nameOrKey: string): Promise<Contact> {
    return this.#silently(identity, nameOrKey, "block")
  }

  unblock(identity: Identity, nameOrKey: string): Promise<Contact> {
    return this.#silently(identity, nameOrKey, "unblock")
  }

  remove(identity: Identity, nameOrKey: string): Promise<Contact> {
    return this.#silently(identity, nameOrKey, "remove")
  }

  rotate(identity: Identity): Promise<void> {
    return this.#rotations.rotate(identity)
  }

  introduce(
    identity: Identity,
    names: readonly [string, string],
    words: string,
  ): Promise<readonly [Contact, Contact]> {
    return introduce(this.#options, identity, names, words)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }

  /** Our answer to who asks; the notice is kept in the same commit as the decision. */
  async #answer(
    identity: Identity,
    nameOrKey: string,
    kind: "accept" | "refuse",
  ): Promise<Contact> {
    const book = this.#options.identities.contacts(identity)
    const { state, ...peer } = book.find(nameOrKey)
    const introduction = state === "introduced" ? book.introductionOf(nameOrKey) : undefined
    // Who was only introduced to us never asked, so we ask; and nobody need hear that we will not.
    const told = state !== "introduced" ? kind : kind === "accept" ? "request" : undefined
    if (told === undefined) return this.#silently(identity, nameOrKey, "remove")
    if (identity.device !== 0) {
      const decided = await book[kind](nameOrKey)
      this.#changed(identity, decided)
      return decided
    }
    const doors = this.#options.doors.of(identity)
    if (doors.canAnswer(peer.key)) return this.#answerAtTower(identity, peer.key, kind)
    const lead = introduction && (await this.#leads.get(placeOf(identity, peer)))
    if (lead !== undefined) return this.#askIntroduced(identity, peer.key, lead, introduction!)
    const asked = doors.drop(peer.key)
    const notice = noticeFor(identity, peer, told, { greeting: "", introduction })
    const contact = await book[kind](nameOrKey, [this.#post.keep(notice), ...asked.changes])
    asked.done()
    this.#post.start(notice)
    this.#changed(identity, contact)
    return contact
  }

  /** Who asked at a door is told at a tower of theirs. */
  async #answerAtTower(identity: Identity, key: string, kind: "accept" | "refuse") {
    const book = this.#options.identities.contacts(identity)
    const doors = this.#options.doors.of(identity)
    const pair = { identityKey: identity.key, contactKey: key }
    const no: Deed = kind === "refuse" ? doors.refuse(key) : { changes: [], done() {} }
    const contact = await book[kind](key, [...no.changes, this.#post.drop(pair)])
    this.#post.stop(pair)
    no.done()
    if (kind === "accept") doors.welcome(key)
    this.#changed(identity, contact)
    return contact
  }

  /** Who was introduced to us is asked at their door, which knows of the ticket by the same letter. */
  async #askIntroduced(
    identity: Identity,
    key: string,
    tower: DoorPlace,
    introduction: Uint8Array,
  ): Promise<Contact> {
    const book = this.#options.identities.contacts(identity)
    const doors = this.#options.doors.of(identity)
    const wish = { key, tower, greeting: "", ticket: ticketOf(introduction) }
    const ask = await doors.ask(wish)
    const gone = this.#leads.remove(placeOf(identity, { key }))
    const contact = await book.accept(key, [...ask.changes, gone])
    ask.done()
    this.#changed(identity, contact)
    return contact
  }

  /** What they are not told of; what was still to be told is dropped. */
  async #silently(
    identity: Identity,
    nameOrKey: string,
    deed: "block" | "unblock" | "remove",
  ): Promise<Contact> {
    const book = this.#options.identities.contacts(identity)
    const pair = { identityKey: identity.key, contactKey: book.find(nameOrKey).key }
    const doors = this.#options.doors.of(identity)
    const dropped = doors.drop(pair.contactKey, { keepAsked: deed !== "remove" })
    const lead = this.#leads.remove(placeOf(identity, { key: pair.contactKey }))
    const contact = await book[deed](nameOrKey, [this.#post.drop(pair), ...dropped.changes, lead])
    this.#post.stop(pair)
    dropped.done()
    this.#changed(identity, contact)
    return contact
  }

  async #deliver(notice: PendingNotice, signal: AbortSignal): Promise<void> {
    const { identities } = this.#options
    const identity = identities.list().find(({ key }) => key === notice.identityKey)
    if (identity === undefined) return
    const { version } = identity.present
    const peer = { key: notice.contactKey, address: notice.address }
    const answer = await this.#exchange(
      identity,
      peer,
      await this.#notice(identity, notice),
      signal,
    )
    if (signal.aborted) return
    await this.#applyAnswer(identity, peer, answer)
    await this.#rotations.knows(identity, peer.key, version)
  }

  async #exchange(
    identity: Identity,
    peer: Peer,
    notice: ContactNotice,
    signal: AbortSignal,
  ): Promise<ContactAnswer> {
    const { links } = this.#options
    const channel = await links.openToAnyone(identity, peer, CONTACT_PROTOCOL, { signal })
    return exchange(channel, notice, signal)
  }

  async #notice(identity: Identity, pending: PendingNotice): Promise<ContactNotice> {
    const { kind, greeting, ownName, door, introduction } = pending
    const name = ownName === undefined ? {} : { name: ownName }
    const card = kind === "refuse" ? "" : await this.#options.identities.card(identity, name)
    return { kind, card, greeting, ...present({ door, introduction }), ...cameFrom(identity) }
  }

  async #applyAnswer(identity: Identity, peer: Peer, answer: ContactAnswer): Promise<void> {
    const book = this.#options.identities.contacts(identity)
    const before = book.byAnyKey(peer.key)
    if (answer.kind === "noted" || before === undefined) return
    const after = await (answer.kind === "accepted"
      ? this.#entered(identity, peer, answer)
      : book.receiveRefusal(peer.key))
    if (after !== undefined && after.state !== before.state) this.#changed(identity, after)
  }

  async #receive(identity: Identity, peer: Peer, channel: Channel): Promise<void> {
    const notice = await readRecord(channel, noticeShape)
    const kind = await this.#applyNotice(identity, peer, notice)
    const card = kind === "accepted" ? await this.#options.identities.card(identity) : ""
    const came = kind === "accepted" ? cameFrom(identity) : {}
    channel.end(packRecord({ kind, card, ...came }))
    await channel.delivered
  }

  /** Changes the book as the notice asks, and says what to answer. */
  async #applyNotice(
    identity: Identity,
    peer: Peer,
    notice: ContactNotice,
  ): Promise<ContactAnswer["kind"]> {
    if (notice.kind === "rotate") return this.#rotated(identity, peer, notice)
    if (identity.device !== 0) return "noted"
    const book = this.#options.identities.contacts(identity)
    const before = book.byAnyKey(peer.key)?.state
    const after = await this.#enter(identity, peer, notice)
    if (after === "ignored") return "noted"
    if (after !== undefined && after.state !== before) this.#changed(identity, after)
    if (after?.state === "accepted") return "accepted"
    return after?.state === "asking" || notice.kind === "refuse" ? "noted" : "refused"
  }

  /** Signed by both keys, so it does not matter whose link it came by; but it must be about them. */
  async #rotated(identity: Identity, peer: Peer, notice: ContactNotice) {
    const steps = stepsIn(notice)
    if (!steps.some(({ oldKey, newKey }) => oldKey === peer.key || newKey === peer.key))
      throw new AlliumError("BAD_RECORD", "Cannot take key rotation: it is not about who tells it")
    const known = await this.#rotations.take(identity, steps)
    return known === undefined ? ("refused" as const) : ("noted" as const)
  }

  async #enter(
    identity: Identity,
    peer: Peer,
    notice: ContactNotice,
  ): Promise<Contact | "ignored" | undefined> {
    const { kind, card, greeting, door: doorId, introduction: shown } = notice
    const book = this.#options.identities.contacts(identity)
    if (kind === "accept") return this.#entered(identity, peer, notice)
    const rotations = await this.#cameBy(identity, peer, notice)
    if (kind === "refuse") return book.receiveRefusal(peer.key)
    const { name, nextKeyHash } = await this.#requireCard(identity, card, peer)
    const door = this.#options.identities.doors(identity).byId(doorId)
    const introduction = shown && this.#judge(identity, peer, shown)
    // A card that was withdrawn leads to somebody who never answers; whom we know needs no card.
    if (door === undefined && introduction === undefined && isStranger(book.byAnyKey(peer.key)))
      return "ignored"
    const label = door?.id === undefined ? undefined : door.label
    return book.receiveRequest({
      ...peer,
      greeting,
      ...present({ name, nextKeyHash, card: label, introduction, rotations }),
    })
  }

  async #entered(
    identity: Identity,
    peer: Peer,
    said: Pick<ContactNotice, "card" | "rotations">,
  ): Promise<Contact | undefined> {
    const book = this.#options.identities.contacts(identity)
    const rotations = await this.#cameBy(identity, peer, said)
    const { nextKeyHash } = await this.#requireCard(identity, said.card, peer)
    return book.receiveAccept({ ...peer, nextKeyHash, ...present({ rotations }) })
  }

  /** How they came to the key they speak with; who is known by an older one has the newer from now on. */
  async #cameBy(
    identity: Identity,
    peer: Peer,
    said: Pick<ContactNotice, "rotations">,
  ): Promise<readonly Rotation[] | undefined> {
    if (said.rotations === undefined) return undefined
    const steps = stepsIn(said)
    const known = await this.#rotations.take(identity, steps)
    const proven = known === undefined ? peer.key : presentKeyOf(known)
    if (steps.at(-1)?.newKey === proven) return steps
    throw new AlliumError("BAD_RECORD", "Cannot take key rotation: it leads to another key")
  }

  #judge(identity: Identity, peer: Peer, bytes: Uint8Array): HeldIntroduction | undefined {
    const byAnyKey = (key: string) => this.#options.identities.contacts(identity).byAnyKey(key)
    return judgeIntroduction(bytes, { identity, byAnyKey }, peer, this.#options.clock.now())
  }

  /** Who asks at a door of ours; what they are then, or `undefined` for somebody who is ignored. */
  async #receiveAtDoor(arrival: DoorArrival): Promise<string | undefined> {
    const { identity, key, card, door, greeting, also, told } = arrival
    const book = this.#options.identities.contacts(identity)
    const before = book.byAnyKey(key)
    if (before?.state === "blocked" || identity.keysOf(key) !== undefined) return undefined
    // An older key proves nothing any more.
    if (before !== undefined && presentKeyOf(before) !== key) return undefined
    const { name, nextKeyHash, destination: address } = card
    const label = door.id === undefined ? undefined : door.label
    const words = { greeting, nextKeyHash, told, ...present({ name, card: label }) }
    const after = await book.receiveRequest({ key, address, ...words }, also).catch(droppedWhenFull)
    if (after === undefined) this.#options.log.warn("contact.request-dropped", {})
    else if (after.state !== before?.state) this.#changed(identity, after)
    return after?.state
  }

  /** What somebody says whom we asked at their door. */
  async #receiveAnswer(
    { identity, contact }: ArrivedLetter,
    answer: NonNullable<ReturnType<typeof readAnswer>>,
  ): Promise<void> {
    const { identities, doors, clock } = this.#options
    const { key } = contact
    const nowMs = clock.now()
    const book = identities.contacts(identity)
    const before = book.byKey(key)?.state
    const ask = doors.of(identity).drop(key, { keepAsked: true })
    const after = await (answer.kind === "refused"
      ? book.receiveRefusal(key, ask.changes)
      : this.#acceptedBy(
          book,
          await readCard(answer.card, { key: presentKeyOf(contact), nowMs }).catch(badAnswer),
          ask,
        ))
    ask.done()
    if (after !== undefined && after.state !== before) this.#changed(identity, after)
  }

  #acceptedBy(book: ContactBook, card: Card, { changes }: Deed): Promise<Contact | undefined> {
    const { key, destination: address, nextKeyHash } = card
    return book.receiveAccept({ key, address, nextKeyHash }, changes)
  }

  /** Committed before the receipt; taking the same letter twice changes nothing. */
  async #receiveLetter(letter: ArrivedLetter): Promise<Reception> {
    const { identity } = letter
    const answer = letter.from === "contact" ? readAnswer(letter.content) : undefined
    if (answer !== undefined) {
      await this.#receiveAnswer(letter, answer)
      return { changes: [] }
    }
    const steps = this.#rotations.readLetter(letter.content)
    if (steps !== undefined) return this.#receiveRotations(letter, steps)
    const about = readIntroductionLetter(letter, this.#options.clock.now())
    if (about === undefined || letter.from !== "contact") return { changes: [] }
    const book = this.#options.identities.contacts(identity)
    const before = book.byAnyKey(about.key)
    const { door, ...person } = about
    const expected = this.#options.doors.of(identity).expect(ticketOf(about.introduction.bytes))
    const isNew = before === undefined
    const lead = door && isNew ? [this.#leads.put(placeOf(identity, about), door)] : []
    const also = isNew ? [...expected.changes, ...lead] : []
    const after = await book.receiveIntroduction(person, also).catch(droppedWhenFull)
    if (isNew && after !== undefined) expected.done()
    if (after === undefined) this.#options.log.warn("contact.introduction-dropped", {})
    else if (before?.introducer !== after.introducer) this.#changed(identity, after)
    return { changes: [] }
  }

  async #receiveRotations(
    { identity, contact, from }: ArrivedLetter,
    steps: readonly Rotation[],
  ): Promise<Reception> {
    const isTheirs = steps.some(({ oldKey, newKey }) =>
      [oldKey, newKey].includes(presentKeyOf(contact)),
    )
    if (from !== "contact" || !isTheirs)
      throw new AlliumError("BAD_RECORD", "Cannot take key rotation: it is not by them")
    await this.#rotations.take(identity, steps)
    return { changes: [] }
  }

  /** The card must be theirs, valid now, and name the destination they speak from. */
  async #requireCard(identity: Identity, jws: string, peer: Peer): Promise<Card> {
    const known = this.#options.identities.contacts(identity).byAnyKey(peer.key)
    const card = await readCard(jws, {
      key: known === undefined ? peer.key : presentKeyOf(known),
      nowMs: this.#options.clock.now(),
    })
    if (card.destination !== peer.address)
      throw new AlliumError("BAD_CARD", "Cannot take card: it names another destination")
    return card
  }

  #changed(identity: Identity, contact: Contact): void {
    const { identities, links, emit } = this.#options
    links.contactChanged(identity, contact.key)
    const now = identities.contacts(identity).byKey(contact.key)
    emit("contact.changed", {
      identity: identity.name,
      contact: (now ?? contact).name,
      state: now?.state ?? "removed",
    })
  }
}

/** Where what is kept of somebody stands. */
function placeOf(identity: Identity, { key }: Pick<Peer, "key">): string {
  return `${identity.key}/${key}`
}

/** Nobody we ever decided about. */
function isStranger(contact: Contact | undefined): boolean {
  return contact === undefined || contact.state === "asking"
}

/** Too many wait for the user already: the introducer can do it again. */
function droppedWhenFull(error: unknown): undefined {
  if (isAlliumError(error, "TOO_MANY_CONTACTS")) return undefined
  throw error
}

/** It would come again and again. */
function badAnswer(cause: unknown): never {
  throw new AlliumError("BAD_RECORD", "Cannot take answer: its card does not hold", { cause })
}

/** @throws {AlliumError} `BAD_RECORD`. */
function stepsIn({ rotations }: Pick<ContactNotice, "rotations">): readonly Rotation[] {
  return readRotations(rotations ?? new Uint8Array())
}

/** How we came to our key; nothing before the first rotation. */
function cameFrom(identity: Identity): Pick<ContactNotice, "rotations"> {
  const rotations = identity.rotations()
  return rotations.length === 0 ? {} : { rotations }
}

/** The members that are there. */
function present<T extends Record<string, unknown>>(members: T): Present<T> {
  const there = Object.entries(members).filter(([, value]) => value !== undefined)
  return Object.fromEntries(there) as Present<T>
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

function noticeFor(
  identity: Identity,
  { key, address }: Peer,
  kind: PendingNotice["kind"],
  words: Omit<ContactWords, "name"> & Pick<PendingNotice, "door" | "introduction"> = {
    greeting: "",
  },
): PendingNotice {
  const { greeting, ownName, door, introduction } = words
  const notice = { identityKey: identity.key, contactKey: key, address, kind, greeting }
  return { ...notice, ...present({ ownName, door, introduction }) }
}

/** Sends a notice and reads the answer; the channel is closed in any case. */
async function exchange(
  channel: Channel,
  notice: ContactNotice,
  signal: AbortSignal,
): Promise<ContactAnswer> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(EXCHANGE_MS)])
  const give = () => channel.destroy()
  limit.addEventListener("abort", give, { once: true })
  channel.on("error", () => {})
  try {
    channel.end(packRecord(notice))
    return await readRecord(channel, answerShape)
  } finally {
    limit.removeEventListener("abort", give)
    if (!channel.readableEnded) channel.destroy()
  }
}

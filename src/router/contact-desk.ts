/**
 * Becoming contacts: what the user decides becomes a notice, and arriving notices change the contact book.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { parseContactUri, type TowerAddress } from "../identity/contact-uri.ts"
import type { Contact } from "../identity/contacts.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import { ContactLetters } from "./contact-letters.ts"
import { ContactNotices, exchangeNotice } from "./contact-notices.ts"
import { type ContactChanged, type Peer, placeOf, present } from "./contact-people.ts"
import { CONTACT_PROTOCOL } from "./contact-wire.ts"
import type { Deed, DoorArrival, DoorDesk } from "./door-desk.ts"
import type { DoorPlace } from "./given.ts"
import {
  doorPlaceShape,
  type IntroductionTools,
  introduce,
  ticketOf,
} from "./introduction-letters.ts"
import type { Links } from "./links.ts"
import { NoticePost, type PendingNotice } from "./notice-post.ts"
import type { PluginMail } from "./plugin.ts"
import { RotationDesk, type RotationDeskOptions } from "./rotation-desk.ts"

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
  readonly onTold: RotationDeskOptions["onTold"]
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
  readonly #notices: ContactNotices
  readonly #letters: ContactLetters
  readonly #scope = new Scope()
  /** By our identity and who was introduced to us: where they can be asked. */
  readonly #leads: Table<DoorPlace>

  constructor(options: ContactDeskOptions) {
    this.#options = options
    this.#leads = options.store.table("leads", doorPlaceShape)
    const changed: ContactChanged = (...news) => this.#changed(...news)
    const exchange: RotationDeskOptions["exchange"] = (identity, peer, ...what) =>
      exchangeNotice(options.links, { identity, peer }, ...what)
    this.#rotations = this.#scope.use(new RotationDesk({ ...options, exchange, changed }))
    const shared = { ...options, rotations: this.#rotations, leads: this.#leads, changed }
    this.#notices = new ContactNotices(shared)
    this.#letters = new ContactLetters(shared)
    const deliver = (notice: PendingNotice, signal: AbortSignal) =>
      this.#notices.deliver(notice, signal)
    this.#post = this.#scope.use(new NoticePost({ ...options, deliver }))
  }

  async open(): Promise<void> {
    this.#scope.defer(
      this.#options.links.serveAnyone(CONTACT_PROTOCOL, (arrival) => {
        const { identity, peerKey: key, peerAddress: address, channel } = arrival
        return this.#notices.receive(identity, { key, address }, channel)
      }),
    )
    this.#options.letters.receive((letter) => this.#letters.receiveLetter(letter))
    this.#options.doors.onRequest((arrival) => this.#letters.receiveAtDoor(arrival))
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

/**
 * Becoming contacts: notices go out until they are answered, and arriving ones change the contact book.
 *
 * @module
 */
import { z } from "zod"
import { openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { type Card, readCard } from "../identity/card.ts"
import { parseContactUri } from "../identity/contact-uri.ts"
import type { Contact, ContactBook } from "../identity/contacts.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import type { Channel } from "../link/link.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import {
  answerShape,
  CONTACT_PROTOCOL,
  type ContactAnswer,
  type ContactNotice,
  GREETING_CHARACTERS_MAX,
  noticeShape,
  packRecord,
  readRecord,
} from "./contact-wire.ts"
import type { Links } from "./links.ts"

/** An away peer is asked about every five minutes. */
const RETRY_FIRST_MS = 3_000
const RETRY_MOST_MS = 300_000
const RETRY_GROWTH = 1.5
/** One notice and its answer, once the link stands. */
const EXCHANGE_MS = 60_000

const pendingShape = z.object({
  identityKey: z.string(),
  contactKey: z.string(),
  /** Kept here too: a contact we refused is in no book any more. */
  address: z.string(),
  kind: z.enum(["request", "accept", "refuse"]),
  greeting: z.string().max(GREETING_CHARACTERS_MAX),
  /** What we call ourselves to them. */
  ownName: z.string().max(64).optional(),
})
type Pending = z.output<typeof pendingShape>

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
}

/** What the desk stands on. */
export interface ContactDeskOptions {
  readonly identities: IdentityBook
  readonly links: Links
  readonly store: StoreRoom
  readonly emit: (event: string, data: Readonly<Record<string, unknown>>) => void
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

/** Opens the desk: answers notices, and sends again what was not answered before the last end. */
export async function openContactDesk(options: ContactDeskOptions): Promise<ContactDesk> {
  const desk = new Desk(options)
  await desk.resume()
  return desk
}

class Desk implements ContactDesk {
  readonly #options: ContactDeskOptions
  readonly #pending: Table<Pending>
  readonly #scope = new Scope()
  /** What goes out now, by contact: a newer notice ends the older one. */
  readonly #sending = new Map<string, AbortController>()

  constructor(options: ContactDeskOptions) {
    this.#options = options
    this.#pending = options.store.table("contact-notices", pendingShape)
    const { links } = options
    this.#scope.defer(
      links.serveAnyone(CONTACT_PROTOCOL, ({ identity, peerKey, peerAddress, channel }) =>
        this.#receive(identity, { key: peerKey, address: peerAddress }, channel),
      ),
    )
  }

  async resume(): Promise<void> {
    for await (const [, pending] of this.#pending.entries()) this.#start(pending)
  }

  async request(identity: Identity, uri: string, words: ContactWords): Promise<Contact> {
    const { key, address } = parseContactUri(uri)
    if (key === identity.key)
      throw new AlliumError("CONTACT_STATE", "Cannot add contact: this is your own identity")
    const pending = this.#pendingFor(identity, { key, address }, "request", words)
    const wanted = { key, address, name: words.name }
    const book = this.#options.identities.contacts(identity)
    const contact = await book.request(wanted, [this.#pending.put(placeOf(pending), pending)])
    this.#start(pending)
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
    const pending = this.#pendingFor(identity, book.find(nameOrKey), kind)
    const contact = await book[kind](nameOrKey, [this.#pending.put(placeOf(pending), pending)])
    this.#start(pending)
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
    const place = placeOf({ identityKey: identity.key, contactKey: book.find(nameOrKey).key })
    const contact = await book[deed](nameOrKey, [this.#pending.remove(place)])
    this.#sending.get(place)?.abort()
    this.#sending.delete(place)
    this.#changed(identity, contact)
    return contact
  }

  #pendingFor(
    identity: Identity,
    { key, address }: Pick<Contact, "key" | "address">,
    kind: Pending["kind"],
    words: Omit<ContactWords, "name"> = { greeting: "" },
  ): Pending {
    const { greeting, ownName } = words
    const base = { identityKey: identity.key, contactKey: key, address, kind, greeting }
    return ownName === undefined ? base : { ...base, ownName }
  }

  async #done(pending: Pending): Promise<void> {
    this.#sending.delete(placeOf(pending))
    await this.#options.store.commit([this.#pending.remove(placeOf(pending))])
  }

  #start(pending: Pending): void {
    const place = placeOf(pending)
    this.#sending.get(place)?.abort()
    const abort = new AbortController()
    this.#sending.set(place, abort)
    const signal = AbortSignal.any([abort.signal, this.#scope.signal])
    this.#sendUntilAnswered(pending, signal).catch((thrown: unknown) => {
      if (!signal.aborted) this.#tell("notice.ended", thrown)
    })
  }

  async #sendUntilAnswered(pending: Pending, signal: AbortSignal): Promise<void> {
    const { clock, chance } = this.#options
    const backoff = openBackoff({
      firstMs: RETRY_FIRST_MS,
      mostMs: RETRY_MOST_MS,
      factor: RETRY_GROWTH,
      chance,
    })
    while (!signal.aborted) {
      try {
        return await this.#sendOnce(pending, signal)
      } catch (thrown) {
        this.#tell("notice.failed", thrown)
      }
      await clock.sleep(backoff.next(), { signal })
    }
  }

  async #sendOnce(pending: Pending, signal: AbortSignal): Promise<void> {
    const { identities, links } = this.#options
    const identity = identities.list().find(({ key }) => key === pending.identityKey)
    if (identity === undefined) return this.#done(pending)
    const peer = { key: pending.contactKey, address: pending.address }
    const channel = await links.openToAnyone(identity, peer, CONTACT_PROTOCOL, { signal })
    const answer = await exchange(channel, await this.#notice(identity, pending), signal)
    if (signal.aborted) return
    await this.#applyAnswer(identity, peer, answer)
    await this.#done(pending)
  }

  async #notice(identity: Identity, pending: Pending): Promise<ContactNotice> {
    const { kind, greeting, ownName } = pending
    const name = ownName === undefined ? {} : { name: ownName }
    const card = kind === "refuse" ? "" : await this.#options.identities.card(identity, name)
    return { kind, card, greeting }
  }

  async #applyAnswer(identity: Identity, peer: Peer, answer: ContactAnswer): Promise<void> {
    const book = this.#options.identities.contacts(identity)
    const before = book.byKey(peer.key)
    if (answer.kind === "noted" || before === undefined) return
    if (answer.kind === "accepted") await this.#requireCard(answer.card, peer)
    const after = await (answer.kind === "accepted"
      ? book.receiveAccept(peer)
      : book.receiveRefusal(peer.key))
    if (after !== undefined && after.state !== before.state) this.#changed(identity, after)
  }

  async #receive(identity: Identity, peer: Peer, channel: Channel): Promise<void> {
    const notice = await readRecord(channel, noticeShape)
    const kind = await this.#applyNotice(identity, peer, notice)
    const card = kind === "accepted" ? await this.#options.identities.card(identity) : ""
    channel.end(packRecord({ kind, card }))
    await channel.delivered
  }

  /** Changes the book as the notice asks, and says what to answer. */
  async #applyNotice(
    identity: Identity,
    peer: Peer,
    notice: ContactNotice,
  ): Promise<ContactAnswer["kind"]> {
    const book = this.#options.identities.contacts(identity)
    const before = book.byKey(peer.key)?.state
    const after = await this.#enter(book, peer, notice)
    if (after !== undefined && after.state !== before) this.#changed(identity, after)
    if (after?.state === "accepted") return "accepted"
    return after?.state === "asking" || notice.kind === "refuse" ? "noted" : "refused"
  }

  async #enter(
    book: ContactBook,
    peer: Peer,
    { kind, card, greeting }: ContactNotice,
  ): Promise<Contact | undefined> {
    if (kind === "refuse") return book.receiveRefusal(peer.key)
    const { name } = await this.#requireCard(card, peer)
    if (kind === "accept") return book.receiveAccept(peer)
    return book.receiveRequest({ ...peer, greeting, ...(name !== undefined && { name }) })
  }

  /** The card must be theirs, valid now, and name the destination they speak from. */
  async #requireCard(jws: string, peer: Peer): Promise<Card> {
    const card = await readCard(jws, {
      key: peer.key,
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

  #tell(event: string, thrown: unknown): void {
    this.#options.log.debug(`contact.${event}`, { code: toAlliumError(thrown).code })
  }
}

function placeOf({ identityKey, contactKey }: Pick<Pending, "identityKey" | "contactKey">): string {
  return `${identityKey}/${contactKey}`
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

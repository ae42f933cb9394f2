/**
 * Answers the offers of the messages plugin.
 *
 * @module
 */
import {
  AlliumError,
  type Contact,
  type Identity,
  type Offer,
  type OfferCall,
  type PluginContext,
  type z,
} from "allium/plugin"
import { ConversationBook, type OpenConversation, type Parties } from "./book.ts"
import { type Numbered, toHex } from "./conversation.ts"
import { Feed } from "./feed.ts"
import type { listOffer, MessageDocument, sendOffer, watchOffer } from "./offers.ts"
import { PROTOCOL } from "./wire.ts"

type InputOf<O extends Offer> = z.output<O["input"]>

/** See the module. */
export class Desk {
  readonly #context: PluginContext
  readonly #book: ConversationBook
  readonly #feed = new Feed()

  constructor(context: PluginContext) {
    this.#context = context
    this.#book = new ConversationBook(context, (parties, messages) => this.#tell(parties, messages))
  }

  /** Begins to receive, and to carry what still waits. */
  async open(): Promise<void> {
    const { log } = this.#context
    this.#context.serve(PROTOCOL, ({ identity, contact, channel }) =>
      this.#book.receive(identity, contact, channel),
    )
    this.#context.onReachable(({ identity, contact }) => {
      this.#book.wake(identity, contact).catch(() => log.error("wake.failed"))
    })
    await this.#book.load()
  }

  async send(input: InputOf<typeof sendOffer>, call: OfferCall): Promise<MessageDocument> {
    const identity = this.#context.identities.find(input.identity)
    const contact = this.#context.contacts.find(identity, input.contact)
    requireTalking(contact)
    const open = await this.#book.of(identity, contact)
    const message = await open.conversation.send(input.text)
    const delivered = input.wait ? this.#delivered(open, message[0], call) : undefined
    this.#tell(open.parties, [message])
    open.courier.wake()
    return delivered === undefined ? this.#document(open.parties, message) : await delivered
  }

  async list(input: InputOf<typeof listOffer>): Promise<MessageDocument[]> {
    const identity = this.#context.identities.find(input.identity)
    if (input.contact === undefined) return this.#newestOfAll(identity, input)
    const contact = this.#context.contacts.find(identity, input.contact)
    const { parties, conversation } = await this.#book.of(identity, contact)
    const found = await conversation.newest(rangeOf(input))
    return found.map((message) => this.#document(parties, message))
  }

  watch(input: InputOf<typeof watchOffer>, call: OfferCall): AsyncGenerator<MessageDocument, void> {
    const identity = this.#context.identities.find(input.identity)
    const contact = input.contact && this.#context.contacts.find(identity, input.contact).key
    const wanted = (parties: Parties) =>
      parties.identity === identity.key && (!contact || parties.contact === contact)
    return this.#feed.watch(wanted, call)
  }

  async #newestOfAll(
    identity: Identity,
    input: InputOf<typeof listOffer>,
  ): Promise<MessageDocument[]> {
    if (input.before !== undefined)
      throw new AlliumError(
        "BAD_INPUT",
        "Cannot list messages: --before counts within one conversation, expected a contact",
      )
    const all: { parties: Parties; message: Numbered; atMs: number }[] = []
    for (const { parties, conversation } of await this.#book.listOf(identity)) {
      let atMs = 0 // clocks are set back now and then; a conversation's own order stays
      for (const message of await conversation.newest(rangeOf(input))) {
        atMs = Math.max(atMs, message[1].storedAt)
        all.push({ parties, message, atMs })
      }
    }
    all.sort((left, right) => left.atMs - right.atMs)
    return all.slice(-input.limit).map(({ parties, message }) => this.#document(parties, message))
  }

  /** Resolves when the message is delivered. @throws {AlliumError} `MESSAGE_FAILED`. */
  #delivered(
    { parties, conversation }: OpenConversation,
    number: number,
    call: OfferCall,
  ): Promise<MessageDocument> {
    const name = this.#book.contactOf(parties)?.name ?? parties.name
    return this.#feed.first((of, message) => {
      if (of !== parties) return false
      if (message.number === number && message.state !== "queued") return requireDelivered(message)
      const doing = `waiting for ${name}: ${conversation.waitingCount} not yet delivered`
      call.progress({ done: 0, total: 1, unit: "items", doing })
      return false
    }, call)
  }

  #tell(parties: Parties, messages: readonly Numbered[]): void {
    for (const message of messages) {
      const document = this.#document(parties, message)
      this.#context.emit(document.state, document)
      this.#feed.tell(parties, document)
    }
  }

  #document(parties: Parties, [number, entry]: Numbered): MessageDocument {
    return {
      number,
      id: toHex(entry.id),
      identity: this.#book.identityOf(parties)?.name ?? parties.identity,
      contact: this.#book.contactOf(parties)?.name ?? parties.name,
      direction: entry.state === "received" ? "in" : "out",
      state: entry.state,
      ...(entry.reason !== undefined && { reason: entry.reason }),
      text: entry.text,
      sentAt: new Date(entry.sentAt).toISOString(),
    }
  }
}

function rangeOf(input: { limit: number; before?: number | undefined }): {
  limit: number
  before?: number
} {
  const { limit, before } = input
  return before === undefined ? { limit } : { limit, before }
}

/** Who has not answered yet may be written to: it waits. Not so who said no, or whom we have not answered. */
function requireTalking({ state }: Contact): void {
  if (state === "accepted" || state === "requested") return
  throw new AlliumError(
    "CONTACT_STATE",
    `Cannot send message: contact is ${state}, expected accepted`,
  )
}

function requireDelivered({ state, reason }: MessageDocument): true {
  if (state === "delivered") return true
  throw new AlliumError("MESSAGE_FAILED", `Cannot deliver message: ${reason}`)
}

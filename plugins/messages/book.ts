/**
 * All conversations of this router, each of one identity with one contact; nothing is shared between two.
 *
 * @module
 */
import {
  AlliumError,
  type Channel,
  type Contact,
  type Identity,
  openBackoff,
  type PluginContext,
  type Table,
  toAlliumError,
  z,
} from "allium/plugin"
import { type Conversation, type Numbered, openConversation } from "./conversation.ts"
import { Courier } from "./courier.ts"
import { Pace, receiveMessages } from "./reception.ts"
import { PROTOCOL } from "./wire.ts"

/** First and longest wait between two tries to reach a contact. */
const RETRY = { firstMs: 1_000, mostMs: 300_000 }

/** Who talks to whom; both are identity keys, base64url. */
const partiesShape = z.object({
  identity: z.string(),
  contact: z.string(),
  /** What the contact was called last. */
  name: z.string(),
})
/** Who talks to whom. */
export type Parties = z.output<typeof partiesShape>

/** A conversation that is in use, with those who work for it. */
export interface OpenConversation {
  readonly parties: Parties
  readonly conversation: Conversation
  readonly courier: Courier
  readonly pace: Pace
  /** The channel that messages come in on now. */
  incoming: Channel | undefined
}

/** Told when messages came or changed; they are on disk. */
export type Tell = (parties: Parties, messages: readonly Numbered[]) => void

/** The book; see the module. */
export class ConversationBook {
  readonly #context: PluginContext
  readonly #tell: Tell
  readonly #table: Table<Parties>
  readonly #open = new Map<string, Promise<OpenConversation>>()

  constructor(context: PluginContext, tell: Tell) {
    this.#context = context
    this.#tell = tell
    this.#table = context.store.table("conversations", partiesShape)
  }

  /** Opens the conversations that are on disk, and sends the couriers out where something waits. */
  async load(): Promise<void> {
    for await (const [, parties] of this.#table.entries())
      try {
        ;(await this.#take(parties)).courier.wake()
      } catch (error) {
        this.#context.log.error("conversation.damaged", { code: toAlliumError(error).code })
      }
  }

  /** The conversation of these two, made at its first use. */
  async of(identity: Identity, contact: Contact): Promise<OpenConversation> {
    const parties = { identity: identity.key, contact: contact.key, name: contact.name }
    const key = keyOf(parties)
    if (!this.#open.has(key) && (await this.#table.get(key)) === undefined)
      await this.#context.store.commit([this.#table.put(key, parties)])
    return this.#take(parties)
  }

  /** The conversations of one identity that there are. */
  async listOf(identity: Identity): Promise<OpenConversation[]> {
    const all = await Promise.all(this.#open.values())
    return all.filter(({ parties }) => parties.identity === identity.key)
  }

  /** Wakes the courier of these two, if there is one. */
  async wake(identity: Identity, contact: Contact): Promise<void> {
    const key = keyOf({ identity: identity.key, contact: contact.key })
    ;(await this.#open.get(key))?.courier.wake()
  }

  /** Takes messages from a channel, which it owns. A newer channel of the same two takes the place of an older. */
  async receive(identity: Identity, contact: Contact, channel: Channel): Promise<void> {
    channel.on("error", () => {}) // told to the reader, too
    try {
      const open = await this.of(identity, contact)
      open.incoming?.destroy()
      open.incoming = channel
      await this.#receiveAll(open, channel)
      channel.end()
    } catch (error) {
      this.#context.log.debug("reception.lost", { code: toAlliumError(error).code })
      channel.destroy()
    }
  }

  async #receiveAll(open: OpenConversation, channel: Channel): Promise<void> {
    const { signal } = this.#context
    const received = (messages: readonly Numbered[]) => this.#tell(open.parties, messages)
    try {
      await receiveMessages(channel, { ...open, signal, received })
    } finally {
      if (open.incoming === channel) open.incoming = undefined
    }
  }

  #take(parties: Parties): Promise<OpenConversation> {
    const key = keyOf(parties)
    const known = this.#open.get(key)
    if (known !== undefined) return known
    const opening = this.#make(parties)
    this.#open.set(key, opening)
    opening.catch(() => this.#open.delete(key)) // the next one tries again
    return opening
  }

  async #make(parties: Parties): Promise<OpenConversation> {
    const { store, clock, log, signal } = this.#context
    const room = store.room("conversation").room(parties.identity).room(parties.contact)
    const now = () => Math.floor(clock.now())
    const conversation = await openConversation(room, { now })
    const courier = new Courier({
      ...{ conversation, clock, log, signal },
      backoff: openBackoff({ ...RETRY, chance: Math.random }),
      hopeless: () => this.#hopeless(parties),
      open: (call) => this.#openChannel(parties, call),
      settled: (messages) => this.#tell(parties, messages),
    })
    return { parties, conversation, courier, pace: new Pace(clock), incoming: undefined }
  }

  #openChannel(parties: Parties, call: { signal: AbortSignal }): Promise<Channel> {
    const identity = this.identityOf(parties)
    const contact = this.contactOf(parties)
    if (identity === undefined || contact === undefined)
      throw new AlliumError("NO_CONTACT", "Cannot reach contact: it was removed")
    return this.#context.open({ identity, contact }, PROTOCOL, call)
  }

  /** Why nothing can be sent to this contact any more. */
  #hopeless(parties: Parties): string | undefined {
    if (this.identityOf(parties) === undefined) return "NO_IDENTITY"
    const state = this.contactOf(parties)?.state
    if (state === undefined) return "NO_CONTACT"
    return state === "refused" || state === "blocked" ? "CONTACT_STATE" : undefined
  }

  identityOf(parties: Parties): Identity | undefined {
    return this.#context.identities.list().find(({ key }) => key === parties.identity)
  }

  contactOf(parties: Parties): Contact | undefined {
    const identity = this.identityOf(parties)
    if (identity === undefined) return undefined
    return this.#context.contacts.list(identity).find(({ key }) => key === parties.contact)
  }
}

function keyOf({ identity, contact }: { identity: string; contact: string }): string {
  return `${identity}/${contact}`
}

/**
 * What every desk of the messages plugin works with: conversations, mail, those who listen.
 *
 * @module
 */
import { randomUUID } from "node:crypto"
import {
  AlliumError,
  type Change,
  type Contact,
  type Identity,
  type PluginContext,
  Turns,
  toAlliumError,
} from "allium/plugin"
import { ConversationBook } from "./book.ts"
import type { Conversation, ConversationListener, Numbered } from "./conversation.ts"
import { Expiries } from "./expiry.ts"
import { Feed } from "./feed.ts"
import type { Listing } from "./groups/directory.ts"
import { Hall } from "./groups/hall.ts"
import { isGroupLetter } from "./groups/letter-name.ts"
import { Inbox } from "./inbox.ts"
import { noteContacts } from "./noted.ts"
import type { Expiry, Note } from "./pen.ts"
import { Scribe } from "./scribe.ts"
import { Settings } from "./settings.ts"
import { TaskLines } from "./task-lines.ts"
import { packRecord, type RecordBody } from "./wire.ts"

/** A conversation with a contact or in a group, and whose it is. */
export interface Talk {
  readonly identity: Identity
  /** For a group: its id and name in place of a contact's, as if it were accepted. */
  readonly contact: Contact
  readonly group?: Listing
  readonly conversation: Conversation
}

/** See the module. */
export class Office implements ConversationListener {
  readonly context: PluginContext
  readonly book: ConversationBook
  readonly scribe: Scribe
  readonly feed = new Feed()
  readonly inbox: Inbox
  readonly settings: Settings
  readonly groups: Hall
  readonly #lines: TaskLines
  readonly #expiries: Expiries
  readonly #telling = new Turns()

  constructor(context: PluginContext) {
    this.context = context
    this.book = new ConversationBook(context, this)
    this.groups = new Hall(context, this.book, ({ key }, document) =>
      this.feed.tell({ identity: key, document }),
    )
    this.scribe = new Scribe(context, this.book, (head, key) => this.groups.names.nameIn(head, key))
    this.#lines = new TaskLines(context, this.book)
    this.inbox = new Inbox(context, this.#lines)
    this.settings = new Settings(context.store)
    this.#expiries = new Expiries(context, this.book)
  }

  /** Begins to take letters, and to let disappear what shall. */
  async open(): Promise<void> {
    await this.groups.load()
    this.inbox.extend("group", (letter) => this.groups.receive(letter))
    this.inbox.extendReports((report) =>
      isGroupLetter(report.name) ? this.groups.report(report) : undefined,
    )
    await this.inbox.open()
    noteContacts(this.context, this.#lines)
    this.#expiries.start()
  }

  /** @throws {AlliumError} `NO_IDENTITY`, `NOT_FOUND`, `NO_CONTACT`. */
  async find(input: { identity?: string | undefined; contact: string }): Promise<Talk> {
    const identity = this.context.identities.find(input.identity)
    const group = this.groups.directory.match(identity, input.contact)
    if (group !== undefined) return this.#findGroup(identity, group, input.contact)
    const contact = this.context.contacts.find(identity, input.contact)
    return { identity, contact, conversation: await this.book.of(identity, { contact }) }
  }

  /** @throws {AlliumError} `BAD_INPUT` when a contact has the name, too. */
  async #findGroup(identity: Identity, group: Listing, asked: string): Promise<Talk> {
    if (this.context.contacts.list(identity).some(({ name }) => name === asked))
      throw new AlliumError(
        "BAD_INPUT",
        "Cannot choose: a contact and a group have this name, expected the contact's key or the group's id",
      )
    const { id, name } = group
    const contact: Contact = {
      ...{ key: id, name, address: "", state: "accepted", verified: false, greeting: "", since: 0 },
    }
    const conversation = await this.book.of(identity, { group: { id, name } })
    return { identity, contact, group, conversation }
  }

  /** The same, when the contact may be written to. @throws {AlliumError} `CONTACT_STATE` too. */
  async findTalking(input: { identity?: string | undefined; contact: string }): Promise<Talk> {
    const talk = await this.find(input)
    const { state } = talk.contact
    if (state === "accepted" || state === "requested") return talk
    throw new AlliumError(
      "CONTACT_STATE",
      `Cannot send message: contact is ${state}, expected accepted`,
    )
  }

  /**
   * A message of a conversation, by its number there or its id.
   * @throws {AlliumError} `NOT_FOUND`.
   */
  async message(conversation: Conversation, which: string): Promise<Numbered> {
    const isId = /^[0-9a-f]{32}$/i.test(which)
    const number = isId ? await conversation.find(which.toLowerCase()) : Number(which)
    const entry = number === undefined ? undefined : await conversation.get(number)
    if (number !== undefined && entry !== undefined) return [number, entry]
    throw new AlliumError(
      "NOT_FOUND",
      "Cannot find message: the conversation has none of this number or id",
    )
  }

  /** The same, when they know of it too. @throws {AlliumError} `MESSAGE_STATE` for a note. */
  async sharedMessage(conversation: Conversation, which: string): Promise<Numbered> {
    const found = await this.message(conversation, which)
    if (found[1].state !== "note") return found
    throw new AlliumError(
      "MESSAGE_STATE",
      "Cannot use message: it is a note, expected one that somebody wrote",
    )
  }

  /** Puts a letter into the outbox, in one commit with `also`. @throws {AlliumError} as the mail. */
  post(
    to: Pick<Talk, "identity" | "contact" | "group">,
    letter: { body: RecordBody; name: string },
    also: readonly Change[],
  ): Promise<void> {
    const content = packRecord(letter.body)
    const id = letter.body.kind === "text" ? letter.body.id : undefined
    if (to.group !== undefined) return this.groups.post(to.group, { content, id }, also)
    return this.context.mail.send(to, { content, name: letter.name }, also)
  }

  /** Name of a letter nobody follows. */
  letterName(kind: RecordBody["kind"]): string {
    return `${kind}/${randomUUID()}`
  }

  /** Whole milliseconds since 1970. */
  now(): number {
    return Math.floor(this.context.clock.now())
  }

  /** For {@linkcode Conversation}: tells of it, in order. */
  noted(conversation: Conversation, notes: readonly Note[]): void {
    for (const note of notes)
      this.#telling
        .take(() => this.#tell(conversation, note))
        .catch((error) => this.#untold(toAlliumError(error)))
  }

  /** For {@linkcode Conversation}. */
  expires(expiries: readonly Expiry[]): void {
    for (const expiry of expiries) this.#expiries.add(expiry)
  }

  async #tell(conversation: Conversation, note: Note): Promise<void> {
    const document = await this.scribe.event(conversation, note)
    this.context.emit(document.event, document)
    this.feed.tell({ conversation, document })
  }

  #untold({ code }: AlliumError): void {
    if (!this.context.signal.aborted) this.context.log.error("event.not-told", { code })
  }
}

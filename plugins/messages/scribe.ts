/**
 * Writes messages up for people and programs.
 *
 * @module
 */
import type { PluginContext } from "allium/plugin"
import type { ConversationBook } from "./book.ts"
import type { Conversation } from "./conversation.ts"
import { detailsOf } from "./details.ts"
import type { EventDocument, MessageDocument } from "./document.ts"
import { type Entry, type Head, isOurs, isTheirs, NOTES, stateOf } from "./entry.ts"
import type { Happening, Note } from "./pen.ts"
import { toHex } from "./wire.ts"

/** Of a longer text, events show no more than this: they are kept in memory. */
const EVENT_TEXT_BYTES_MAX = 65_536

/** See the module. */
export class Scribe {
  readonly #context: PluginContext
  readonly #book: ConversationBook
  readonly memberName: (head: Head, key: string) => string

  /** @param memberName - What a member of a group is called who is no contact. */
  constructor(
    context: PluginContext,
    book: ConversationBook,
    memberName: (head: Head, key: string) => string = (_, key) => key,
  ) {
    this.#context = context
    this.#book = book
    this.memberName = memberName
  }

  /** With its whole text. */
  async whole(conversation: Conversation, number: number, entry: Entry): Promise<MessageDocument> {
    const text = await conversation.text(number, entry)
    return this.#write(conversation, number, { ...entry, text })
  }

  /** A message whose text is in `entry` already. */
  loaded(conversation: Conversation, number: number, entry: Entry): Promise<MessageDocument> {
    return this.#write(conversation, number, entry)
  }

  /** For the event stream: a long text is cut; that of a message that is gone is left out. */
  async event(conversation: Conversation, note: Note): Promise<EventDocument> {
    const { what, number, entry } = note
    const at = isoOf(this.#context.clock.now())
    if (what === "deleted" || what === "expired") {
      const { reactions: _, attachments: __, ...rest } = entry
      return { ...this.#plain(conversation.head, number, { ...rest, text: "" }), event: what, at }
    }
    const text = await conversation.text(number, entry)
    const document = await this.#write(conversation, number, { ...entry, text }, what)
    return { ...cut(document), event: what, at }
  }

  /** What the user calls an identity or contact. */
  nameOf(head: Head, key: string): string {
    if (key === head.identity) return this.#book.identityOf(head)?.name ?? key
    const contact = this.#book.contactOf({ identity: head.identity, contact: key })
    return contact?.name ?? (key === head.contact ? head.name : this.memberName(head, key))
  }

  async #write(
    conversation: Conversation,
    number: number,
    entry: Entry,
    event?: Happening,
  ): Promise<MessageDocument> {
    const document = this.#plain(conversation.head, number, entry)
    const { replyTo } = document
    const repliesTo = replyTo === undefined ? undefined : await conversation.find(replyTo)
    const nowMs = this.#context.clock.now()
    const details = detailsOf(document, { repliesTo, nowMs, event })
    return details === "" ? document : { ...document, details }
  }

  #plain(head: Head, number: number, entry: Entry): MessageDocument {
    return {
      number,
      id: toHex(entry.id),
      identity: this.nameOf(head, head.identity),
      contact: this.nameOf(head, head.contact),
      ...(entry.author !== undefined && { author: this.nameOf(head, entry.author) }),
      direction: directionOf(entry),
      state: stateOf(number, entry, head),
      ...(entry.reason !== undefined && { reason: entry.reason }),
      ...(entry.note !== undefined && { note: entry.note }),
      text: entry.note === undefined ? entry.text : NOTES[entry.note],
      sentAt: isoOf(entry.sentAt),
      unread: isTheirs(entry) && number > head.readTo,
      muted: head.mutedUntil > this.#context.clock.now(),
      ...(entry.replyTo !== undefined && { replyTo: toHex(entry.replyTo) }),
      ...(entry.editedAt !== undefined && { editedAt: isoOf(entry.editedAt) }),
      ...(entry.expiresS !== undefined && { expiresS: entry.expiresS }),
      ...(entry.expiresAt !== undefined && { expiresAt: isoOf(entry.expiresAt) }),
      ...(entry.reached !== undefined && { reached: entry.reached }),
      ...this.#extras(head, entry),
    }
  }

  #extras(
    head: Head,
    { attachments, reactions = {} }: Entry,
  ): Pick<MessageDocument, "attachments" | "reactions"> {
    const reacted = Object.entries(reactions)
    return {
      ...(attachments !== undefined && {
        attachments: attachments.map(({ transfer, name, size, kind, sha256 }) => ({
          ...{ transfer: toHex(transfer), name, size, kind },
          ...(sha256 !== undefined && { sha256: toHex(sha256) }),
        })),
      }),
      ...(reacted.length > 0 && {
        reactions: reacted.map(([key, emoji]) => ({ by: this.nameOf(head, key), emoji })),
      }),
    }
  }
}

function directionOf(entry: Entry): MessageDocument["direction"] {
  if (isOurs(entry)) return "out"
  return isTheirs(entry) ? "in" : "note"
}

/** ISO 8601. */
export function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}

/** At most 64 KiB of text, cut between two characters. */
function cut(document: MessageDocument): MessageDocument {
  const textBytes = Buffer.byteLength(document.text)
  if (textBytes <= EVENT_TEXT_BYTES_MAX) return document
  const start = Buffer.from(document.text).subarray(0, EVENT_TEXT_BYTES_MAX)
  const text = new TextDecoder().decode(start, { stream: true })
  return { ...document, text, textBytes }
}

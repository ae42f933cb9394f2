/**
 * Messages as people and programs see them.
 *
 * @module
 */
import { type PluginContext, z } from "allium/plugin"
import type { ConversationBook } from "./book.ts"
import type { Conversation } from "./conversation.ts"
import { detailsOf } from "./details.ts"
import {
  type Entry,
  type Head,
  isOurs,
  isTheirs,
  MESSAGE_STATES,
  NOTES,
  noteShape,
  reachedShape,
  stateOf,
} from "./entry.ts"
import type { Note } from "./pen.ts"
import { ATTACHMENT_KINDS, toHex } from "./wire.ts"

/** Of a longer text, events show no more than this: they are kept in memory. */
const EVENT_TEXT_BYTES_MAX = 65_536

/** A message as people and programs see it. */
export const messageShape = z.object({
  /** Place in the conversation, from 1. Numbers of deleted messages are missing. */
  number: z.int(),
  /** 32 hexadecimal digits; the same on both sides. */
  id: z.string(),
  identity: z.string(),
  /** The contact, or the group. */
  contact: z.string(),
  /** Who wrote it, in a group. */
  author: z.string().optional(),
  /** `note`: nobody wrote it, it says something of the contact. */
  direction: z.enum(["in", "out", "note"]),
  state: z.enum(MESSAGE_STATES),
  /** Code of why it failed. */
  reason: z.string().optional(),
  /** What a note is about, for programs; `text` says it for people. */
  note: noteShape.optional(),
  text: z.string(),
  /** Whole length of the text, when an event shows its beginning only. */
  textBytes: z.int().optional(),
  /** By the sender's clock, whole minutes, ISO 8601. */
  sentAt: z.string(),
  unread: z.boolean(),
  /** The conversation is muted: nobody wants to be woken. */
  muted: z.boolean(),
  /** Id of the message it answers. */
  replyTo: z.string().optional(),
  editedAt: z.string().optional(),
  /** Disappears so many seconds after it was delivered (ours) or read (theirs). */
  expiresS: z.int().optional(),
  expiresAt: z.string().optional(),
  attachments: z
    .array(
      z.object({
        /** Id of the transfer, as `file list` shows it. */
        transfer: z.string(),
        name: z.string(),
        size: z.int(),
        kind: z.enum(ATTACHMENT_KINDS),
        sha256: z.string().optional(),
      }),
    )
    .optional(),
  reactions: z.array(z.object({ by: z.string(), emoji: z.string() })).optional(),
  /** Of a text of ours in a group: how many members have it. */
  reached: reachedShape.optional(),
  /** For people, in one line: what else there is to say of it. */
  details: z.string().optional(),
})
/** A message as people and programs see it. */
export type MessageDocument = z.output<typeof messageShape>

/** What happens to messages. */
export const HAPPENINGS = [...MESSAGE_STATES, "edited", "deleted", "expired", "reacted"] as const

/** A message together with what happened to it. */
export const eventShape = messageShape.extend({
  event: z.enum(HAPPENINGS),
  /** When it happened here, ISO 8601. */
  at: z.string(),
})
/** A message together with what happened to it. */
export type EventDocument = z.output<typeof eventShape>

/** Writes messages up. */
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
    const document = await this.whole(conversation, number, entry)
    return { ...cut(document), event: what, at }
  }

  /** What the user calls an identity or contact. */
  nameOf(head: Head, key: string): string {
    if (key === head.identity) return this.#book.identityOf(head)?.name ?? key
    const contact = this.#book.contactOf({ identity: head.identity, contact: key })
    return contact?.name ?? (key === head.contact ? head.name : this.memberName(head, key))
  }

  async #write(conversation: Conversation, number: number, entry: Entry): Promise<MessageDocument> {
    const document = this.#plain(conversation.head, number, entry)
    const { replyTo } = document
    const repliesTo = replyTo === undefined ? undefined : await conversation.find(replyTo)
    const details = detailsOf(document, { repliesTo, nowMs: this.#context.clock.now() })
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

/**
 * What a conversation keeps: its messages and its head.
 *
 * @module
 */
import { z } from "allium/plugin"
import { attachmentShape, idShape } from "./wire.ts"

/** Texts in one answer; the rest is to be had by asking again. */
export const ANSWER_BYTES_MAX = 4_194_304

/** States as they stand on disk; `read` comes from the head, see {@linkcode stateOf}. */
const STORED_STATES = ["queued", "stored", "delivered", "failed", "received", "note"] as const
/**
 * Facts only. `queued`: on our disk. `stored`: a tower has it. `delivered`: on theirs, they said so. `read`: they said that
 * too. `failed`: it will not be sent any more, for the reason that stands with it. `received`: theirs, on our disk. `note`:
 * nobody wrote it, see {@linkcode NOTES}.
 */
export const MESSAGE_STATES = [...STORED_STATES, "read"] as const
/** See {@linkcode MESSAGE_STATES}. */
export type MessageState = (typeof MESSAGE_STATES)[number]

/** What a conversation notes by itself, and what it says of the contact. Nobody else learns of it. */
export const NOTES = { restored: "restored on a new device" } as const
/** See {@linkcode NOTES}. */
export type NoteKind = keyof typeof NOTES
export const noteShape = z.enum(Object.keys(NOTES) as [NoteKind])

/** How many members of a group have a text, by what is known. */
export const reachedShape = z.object({
  members: z.int(),
  stored: z.int(),
  delivered: z.int(),
  failed: z.int(),
})

/** One message in a history. */
export const entryShape = z.object({
  id: idShape,
  state: z.enum(STORED_STATES),
  /** Code of why it failed. */
  reason: z.string().optional(),
  /** What is noted, in state `note`; then there is no text. */
  note: noteShape.optional(),
  /** Who wrote it, in a group: identity key. Otherwise the contact, or us. */
  author: z.string().optional(),
  /** Empty when `parts` is there: the text then stands in so many parts beside the history. */
  text: z.string(),
  parts: z.int().optional(),
  /** As the sender's clock says, in whole minutes; milliseconds since 1970. */
  sentAt: z.int(),
  /** When it came to our disk, by our clock; milliseconds since 1970. */
  storedAt: z.int(),
  replyTo: idShape.optional(),
  /** Milliseconds since 1970. */
  editedAt: z.int().optional(),
  /** Disappears so long after it was delivered (ours) or read (theirs). */
  expiresS: z.int().optional(),
  /** Milliseconds since 1970. */
  expiresAt: z.int().optional(),
  attachments: z.array(attachmentShape).optional(),
  /** Of a text of ours in a group: how many members have it. */
  reached: reachedShape.optional(),
  /** By who reacted: identity key. */
  reactions: z.record(z.string(), z.string()).optional(),
})
/** One message in a history. */
export type Entry = z.output<typeof entryShape>

/** What is known of a conversation without opening its history. */
export const headShape = z.object({
  /** Ours: identity key, base64url. */
  identity: z.string(),
  /** With whom: identity key of the contact, or id of the group. */
  contact: z.string(),
  kind: z.enum(["contact", "group"]).default("contact"),
  /** What the contact or group was called last. */
  name: z.string(),
  /** When the newest message came to our disk; milliseconds since 1970, 0 for none. */
  lastAt: z.int().default(0),
  /** Messages of theirs beyond `readTo`. */
  unread: z.int().min(0).default(0),
  /** Number of the last message we have read. */
  readTo: z.int().default(0),
  /** Number of the last message of ours they have read. */
  peerReadTo: z.int().default(0),
  /** New messages disappear after so long; 0 for never. */
  timerS: z.int().default(0),
  /** Milliseconds since 1970; 0 when it is not muted. */
  mutedUntil: z.int().default(0),
  /** Whether a text may be kept that is not sent yet; who sends need not look when not. */
  drafted: z.boolean().default(true),
  /** Keys of what came before the message it is about, oldest first. */
  early: z.array(z.string()).default([]),
})
/** What is known of a conversation without opening its history. */
export type Head = z.output<typeof headShape>

/** Whether we wrote it. */
export function isOurs({ state }: Pick<Entry, "state">): boolean {
  return state !== "received" && state !== "note"
}

/** Whether they wrote it. */
export function isTheirs({ state }: Pick<Entry, "state">): boolean {
  return state === "received"
}

/** The state people see. */
export function stateOf(number: number, entry: Entry, head: Head): MessageState {
  const { state } = entry
  if (state === "received" || state === "failed" || state === "note") return state
  return number <= head.peerReadTo ? "read" : state
}

/** Where a conversation stands in tables. */
export function keyOf({ identity, contact }: Pick<Head, "identity" | "contact">): string {
  return `${identity}/${contact}`
}

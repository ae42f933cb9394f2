/**
 * Messages as people and programs see them.
 *
 * @module
 */
import { z } from "allium/plugin"
import { MESSAGE_STATES, noteShape, reachedShape } from "./entry.ts"
import { ATTACHMENT_KINDS } from "./wire.ts"

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

/** What happens to groups, and what it means for people. */
export const GROUP_HAPPENINGS = {
  "group-joined": "you belong to it now",
  "group-changed": "its members, its owner or its name changed",
  "group-gone": "you do not belong to it any more",
  "group-forked": "its owner signed two different changes: do not trust it",
} as const
export const groupHappeningShape = z.enum(
  Object.keys(GROUP_HAPPENINGS) as [keyof typeof GROUP_HAPPENINGS],
)
/** What happened to a group. */
export const groupEventShape = z.object({
  event: groupHappeningShape,
  identity: z.string(),
  /** Name of the group, where an event of a message has the contact. */
  contact: z.string(),
  /** Id of the group: hex, 64 digits. */
  group: z.string(),
  text: z.string(),
  /** When it happened here, ISO 8601. */
  at: z.string(),
})
/** What happened to a group. */
export type GroupEventDocument = z.output<typeof groupEventShape>

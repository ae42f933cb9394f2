/**
 * What the messages plugin offers for the care of conversations.
 *
 * @module
 */
import { offer, z } from "allium/plugin"
import { durationOrOffShape, durationShape } from "./duration.ts"
import { contactField, identityField } from "./offers.ts"
import { TIMER_MAX_S } from "./wire.ts"

/** Longest draft: kept whole in memory with its conversation's table entry. */
const DRAFT_BYTES_MAX = 65_536

const contact = contactField
const identity = identityField
const onOff = z.enum(["on", "off"])

export const conversationShape = z.object({
  identity: z.string(),
  /** The contact, or the group. */
  contact: z.string(),
  kind: z.enum(["contact", "group"]),
  unread: z.int(),
  /** When the newest message came to this machine, ISO 8601; empty for none. */
  lastAt: z.string(),
  /** Beginning of the newest message. */
  last: z.string(),
  draft: z.string(),
  muted: z.boolean(),
  /** New messages disappear after so many seconds; 0 for never. */
  timer: z.int(),
  /** For people, in one line: what else there is to say of it. */
  details: z.string().optional(),
})
/** A conversation in the list. */
export type ConversationDocument = z.output<typeof conversationShape>

export const conversationsOffer = offer({
  verb: "message conversations",
  summary: "List conversations, the newest first",
  examples: ["message conversations", "message conversations --json"],
  input: z.object({
    identity,
    unread: z.boolean().default(false).meta({ description: "Only those with unread messages" }),
  }),
  output: z.array(conversationShape),
  display: {
    columns: ["contact", "unread", "lastAt|time", "details", "last"],
    empty: "No conversations yet.",
  },
})

export const readOffer = offer({
  verb: "message read",
  summary: "Mark messages as read",
  positional: ["contact"],
  examples: ["message read ann", "message read ann --up-to 120"],
  input: z.object({
    contact,
    identity,
    upTo: z.coerce
      .number()
      .int()
      .min(1)
      .optional()
      .meta({ description: "Number of the last one; all by default" }),
  }),
  output: z.object({ contact: z.string(), unread: z.int(), told: z.boolean() }),
  display: { line: "{contact}: {unread} unread." },
})

export const draftOffer = offer({
  verb: "message draft",
  summary: "Keep a text that is not sent yet, or show it",
  positional: ["contact", "text"],
  examples: ['message draft ann "dear ann,"', "message draft ann", 'message draft ann ""'],
  input: z.object({
    contact,
    text: z
      .string()
      .refine((text) => Buffer.byteLength(text) <= DRAFT_BYTES_MAX, "longer than 64 KiB")
      .refine((text) => Buffer.from(text).toString() === text, "not well-formed Unicode")
      .optional()
      .meta({ description: 'At most 64 KiB; "" forgets it. Shown when not given' }),
    identity,
  }),
  output: z.object({ contact: z.string(), draft: z.string() }),
  display: { line: "{draft}" },
})

export const muteOffer = offer({
  verb: "message mute",
  summary: "Say that nobody is to be woken by messages of a contact or group",
  positional: ["contact"],
  examples: ["message mute ann", "message mute ann --for 8h"],
  input: z.object({
    contact,
    identity,
    for: durationShape(TIMER_MAX_S)
      .optional()
      .meta({ description: "For how long, such as 8h; until `message unmute` by default" }),
  }),
  output: z.object({ contact: z.string(), muted: z.boolean() }),
  display: { line: "{contact} is muted." },
})

export const unmuteOffer = offer({
  verb: "message unmute",
  summary: "Take back that a contact or group is muted",
  positional: ["contact"],
  examples: ["message unmute ann"],
  input: z.object({ contact, identity }),
  output: z.object({ contact: z.string(), muted: z.boolean() }),
  display: { line: "{contact} is not muted." },
})

export const timerOffer = offer({
  verb: "message timer",
  summary: "Let new messages of a conversation disappear after a time, on both sides",
  positional: ["contact", "after"],
  examples: ["message timer ann 1d", "message timer ann off", "message timer ann"],
  input: z.object({
    contact,
    after: durationOrOffShape(TIMER_MAX_S)
      .optional()
      .meta({ description: "Such as 1h or 7d after reading, or off. Shown when not given" }),
    identity,
  }),
  output: z.object({
    contact: z.string(),
    /** Seconds; 0 for never. */
    timer: z.int(),
    /** For people: `1 d`, or `off`. */
    after: z.string(),
  }),
  display: { line: "Timer of {contact}: {after}." },
})

export const typingOffer = offer({
  verb: "message typing",
  summary: "Tell a contact who is there now that you are typing, if you chose to",
  positional: ["contact"],
  examples: ["message typing ann"],
  input: z.object({ contact, identity }),
  output: z.object({ contact: z.string(), told: z.boolean() }),
  display: { line: "{contact} was told: {told}." },
})

export const settingsOffer = offer({
  verb: "message settings",
  summary:
    "Choose what contacts learn: that you have read, that you are typing; nothing by default",
  positional: ["contact"],
  examples: [
    "message settings --receipts on",
    "message settings ann --receipts off --typing on",
    "message settings",
  ],
  input: z.object({
    receipts: onOff.optional().meta({ description: "Tell who wrote that you have read" }),
    typing: onOff.optional().meta({ description: "Let `message typing` tell" }),
    contact: z.string().optional().meta({ description: "Only for this contact: name or key" }),
    identity,
  }),
  output: z.object({ receipts: onOff, typing: onOff }),
  display: { line: "Receipts: {receipts}. Typing: {typing}." },
})

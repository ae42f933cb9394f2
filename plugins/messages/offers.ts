/**
 * What the messages plugin offers for reading and writing messages.
 *
 * @module
 */
import { offer, z } from "allium/plugin"
import { eventShape, groupEventShape, messageShape } from "./document.ts"
import { durationShape } from "./duration.ts"
import { ATTACHMENTS_MAX, emojiShape, TIMER_MAX_S, textShape } from "./wire.ts"

export type { EventDocument, MessageDocument } from "./document.ts"

/** Messages in one answer. */
const LIMIT_MAX = 1_000

export const identityField = z
  .string()
  .optional()
  .meta({ description: "Which identity of yours; the first by default" })
export const contactField = z.string().meta({ description: "Contact or group: name, key or id" })
export const someContactField = z
  .string()
  .optional()
  .meta({ description: "Contact or group: name, key or id; all by default" })
const messageField = z
  .string()
  .regex(/^(?:[0-9]{1,15}|[0-9a-fA-F]{32})$/, "expected a message's number or id")
  .meta({ description: "Its number in the conversation, or its id" })
export const limitField = z.coerce
  .number()
  .int()
  .min(1)
  .max(LIMIT_MAX)
  .default(50)
  .meta({ description: "How many at most" })
const columns = ["number", "sentAt|time", "contact", "author", "state", "details", "text"]

export const sendOffer = offer({
  verb: "message send",
  summary: "Send a text to a contact or group, also when they are away now",
  positional: ["contact", "text"],
  examples: [
    'message send ann "hi"',
    'message send ann "are you there?" --wait',
    'message send ann "yes" --reply-to 12',
    'message send ann "the code is 4711" --expire 1h',
    'message send ann "look" --attach cat.jpg',
    "message send ann - < letter.txt",
  ],
  input: z.object({
    contact: contactField,
    text: textShape
      .default("")
      .meta({ description: "At most 1 MiB; - for standard input. May be left out with --attach" }),
    identity: identityField,
    replyTo: messageField
      .optional()
      .meta({ description: "Number or id of the message you answer" }),
    expire: durationShape(TIMER_MAX_S)
      .optional()
      .meta({ description: "Disappears on both sides so long after it is read, such as 1h" }),
    attach: z
      .array(z.string().min(1))
      .max(ATTACHMENTS_MAX)
      .optional()
      .meta({ kind: "path", description: "A file to go with it; may be given several times" }),
    wait: z.boolean().default(false).meta({ description: "Return when it is delivered" }),
  }),
  output: messageShape,
  display: { line: "Message {number} to {contact}: {state}." },
})

export const listOffer = offer({
  verb: "message list",
  summary: "List the newest messages, oldest first",
  positional: ["contact"],
  examples: ["message list ann", "message list ann --limit 200", "message list ann --before 1200"],
  input: z.object({
    contact: someContactField,
    identity: identityField,
    limit: limitField,
    before: z.coerce
      .number()
      .int()
      .min(1)
      .optional()
      .meta({ description: "Only messages before this number; needs a contact or group" }),
  }),
  output: z.array(messageShape),
  display: { columns, empty: "No messages yet." },
})

export const watchOffer = offer({
  verb: "message watch",
  summary: "Show messages as they come, and what becomes of them and of groups",
  positional: ["contact"],
  examples: ["message watch", "message watch ann", "message watch --json"],
  input: z.object({ contact: someContactField, identity: identityField }),
  output: z.union([eventShape, groupEventShape]),
  stream: true,
  display: {
    columns: ["at|time", "contact", "number", "author", "event", "details", "text"],
  },
})

export const editOffer = offer({
  verb: "message edit",
  summary: "Change the text of a message of yours, on both sides",
  positional: ["contact", "message", "text"],
  examples: ['message edit ann 12 "see you at nine"'],
  input: z.object({
    contact: contactField,
    message: messageField,
    text: textShape.min(1).meta({ description: "In place of the old text" }),
    identity: identityField,
  }),
  output: messageShape,
  display: { line: "Message {number} to {contact} is changed." },
})

export const deleteOffer = offer({
  verb: "message delete",
  summary: "Delete a message of yours on both sides, or any message here",
  positional: ["contact", "message"],
  examples: ["message delete ann 12", "message delete ann 13 --here"],
  input: z.object({
    contact: contactField,
    message: messageField,
    here: z.boolean().default(false).meta({ description: "Only on this side" }),
    identity: identityField,
  }),
  output: z.object({ number: z.int(), id: z.string(), contact: z.string() }),
  display: { line: "Message {number} with {contact} is deleted." },
})

export const reactOffer = offer({
  verb: "message react",
  summary: "React to a message with an emoji; with none, take it back",
  positional: ["contact", "message", "emoji"],
  examples: ["message react ann 12 👍", "message react ann 12"],
  input: z.object({
    contact: contactField,
    message: messageField,
    emoji: emojiShape.default("").meta({ description: "At most 64 bytes; none takes it back" }),
    identity: identityField,
  }),
  output: messageShape,
  display: { line: "Your reaction to message {number} is changed." },
})

export const searchOffer = offer({
  verb: "message search",
  summary: "Find messages by their text, newest first",
  positional: ["text", "contact"],
  examples: ["message search zürich", 'message search "the key" ann'],
  input: z.object({
    text: z.string().trim().min(1).max(256).meta({ description: "Case and accents do not matter" }),
    contact: someContactField,
    identity: identityField,
    limit: limitField,
  }),
  output: z.array(messageShape),
  display: { columns, empty: "No message holds that." },
})

export const exportOffer = offer({
  verb: "message export",
  summary: "Write all messages out, oldest first, one on each line",
  positional: ["contact"],
  examples: ["message export > messages.txt", "message export ann --format json > ann.jsonl"],
  input: z.object({
    format: z
      .enum(["text", "json"])
      .default("text")
      .meta({ description: "Lines for people, or a JSON document on each" }),
    contact: someContactField,
    identity: identityField,
  }),
  output: z.object({ line: z.string() }),
  stream: true,
  display: { line: "{line}" },
})

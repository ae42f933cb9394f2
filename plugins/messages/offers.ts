/**
 * What the messages plugin offers at the API and the command line.
 *
 * @module
 */
import { offer, z } from "allium/plugin"
import { MESSAGE_STATES } from "./conversation.ts"
import { textShape } from "./wire.ts"

/** A message as people and programs see it. */
const messageShape = z.object({
  /** Place in the conversation with this contact, from 1. */
  number: z.int(),
  /** 32 hexadecimal digits; the same on both sides. */
  id: z.string(),
  identity: z.string(),
  contact: z.string(),
  direction: z.enum(["in", "out"]),
  state: z.enum(MESSAGE_STATES),
  /** Code of why it failed. */
  reason: z.string().optional(),
  text: z.string(),
  /** By the sender's clock, whole minutes, ISO 8601. */
  sentAt: z.string(),
})
/** A message as people and programs see it. */
export type MessageDocument = z.output<typeof messageShape>

const identity = z
  .string()
  .optional()
  .meta({ description: "Which identity of yours; the first by default" })
const someContact = z.string().optional().meta({ description: "Name or key; all by default" })
const columns = ["number", "sentAt", "contact", "direction", "state", "text"]

export const sendOffer = offer({
  verb: "message send",
  summary: "Send a text to a contact, also when they are away now",
  positional: ["contact", "text"],
  examples: ['message send ann "hi"', 'message send ann "are you there?" --wait'],
  input: z.object({
    contact: z.string().meta({ description: "Name or key" }),
    text: textShape.meta({ description: "At most 64 KiB" }),
    identity,
    wait: z.boolean().default(false).meta({ description: "Return when it is delivered" }),
  }),
  output: messageShape,
  display: { line: "Message {id} to {contact}: {state}." },
})

export const listOffer = offer({
  verb: "message list",
  summary: "List the newest messages, oldest first",
  positional: ["contact"],
  examples: ["message list ann", "message list ann --limit 200", "message list ann --before 1200"],
  input: z.object({
    contact: someContact,
    identity,
    limit: z.coerce
      .number()
      .int()
      .min(1)
      .max(1_000)
      .default(50)
      .meta({ description: "How many at most" }),
    before: z.coerce
      .number()
      .int()
      .min(1)
      .optional()
      .meta({ description: "Only messages before this number; needs a contact" }),
  }),
  output: z.array(messageShape),
  display: { columns, empty: "No messages yet." },
})

export const watchOffer = offer({
  verb: "message watch",
  summary: "Show messages as they come, and what becomes of yours",
  positional: ["contact"],
  examples: ["message watch", "message watch ann --json"],
  input: z.object({ contact: someContact, identity }),
  output: messageShape,
  stream: true,
  display: { columns },
})

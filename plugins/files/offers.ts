/**
 * What the files plugin offers at the API and the command line.
 *
 * @module
 */
import { offer, z } from "allium/plugin"
import { sizeShape } from "./size.ts"

/**
 * Facts only; see {@linkcode STAGES}. `waiting`: for the contact, for peers, or for what `reason` says. `metadata`: what a magnet
 * link stands for is asked for. `seeding`: everything is here and given to others.
 */
const TRANSFER_STATES = [
  "hashing",
  "waiting",
  "offered",
  "transferring",
  "verifying",
  "metadata",
  "seeding",
  "paused",
  "done",
  "failed",
  "cancelled",
] as const

const memberShape = z.object({
  contact: z.string(),
  id: z.string(),
  state: z.enum(TRANSFER_STATES),
  reason: z.string().optional(),
  /** Bytes. */
  done: z.int(),
})

/** A transfer as people and programs see it. */
export const transferDocumentShape = z.object({
  /** With a contact: 32 hexadecimal digits; the same on both sides, unless both are of this router. With the world: the infohash. */
  id: z.string(),
  /** Absent for what is shared with the world. */
  identity: z.string().optional(),
  contact: z.string().optional(),
  /** A file to or of a group: its name, or the beginning of its id. */
  group: z.string().optional(),
  /** A file to a group: each member's transfer, with an id of its own. */
  members: z.array(memberShape).optional(),
  direction: z.enum(["out", "in"]),
  name: z.string(),
  /** Bytes. */
  size: z.int(),
  state: z.enum(TRANSFER_STATES),
  /** Code of why it failed, was cancelled or waits. */
  reason: z.string().optional(),
  /** Bytes hashed, sent, received or verified so far. */
  done: z.int(),
  /** Over the last seconds. */
  bytesPerSecond: z.int(),
  /** Where the file is on this machine. */
  path: z.string().optional(),
  /** SHA-256 of the file, 64 hexadecimal digits. */
  sha256: z.string().optional(),
  /** Bytes given to others, and to how many peers there is a stream. */
  uploaded: z.int().optional(),
  peers: z.int().optional(),
  /** For everybody: how to get it. */
  magnet: z.string().optional(),
  /** With `file verify` of what came from or goes to a contact: whether all is as it was offered, and the paths of what is not. */
  isRight: z.boolean().optional(),
  wrong: z.array(z.string()).optional(),
  /** What else is known, one line each; with `file show` alone. */
  details: z.array(z.string()).optional(),
})
/** A transfer as people and programs see it. */
export type TransferDocument = z.output<typeof transferDocumentShape>

const identity = z
  .string()
  .optional()
  .meta({ description: "Which identity of yours; the first by default" })
const contact = z.string().meta({ description: "Name or key" })
const id = z
  .string()
  .regex(/^[0-9a-fA-F]{1,40}$/)
  .meta({ description: "The transfer's id, or the beginning of it" })
const line = "{state}: {name}, {size} bytes, {id}."

/** A few words that go with an offer. */
const OFFER_NOTE_CHARACTERS_MAX = 256

export const sendOffer = offer({
  verb: "file send",
  summary: "Send a file or a folder to a contact or a group, also when they are away now",
  positional: ["contact", "path"],
  examples: [
    "file send ann film.mkv",
    'file send ann ~/Holidays --note "the best ones" --wait',
    "file send --group friends film.mkv",
  ],
  input: z.object({
    contact,
    group: z.boolean().default(false).meta({
      description:
        "It is a group: each member who is a contact is offered it, and they give it to each other",
    }),
    path: z.string().min(1).meta({ kind: "path", description: "The file or folder" }),
    identity,
    note: z
      .string()
      .min(1)
      .max(OFFER_NOTE_CHARACTERS_MAX)
      .optional()
      .meta({ description: "A few words that go with it" }),
    wait: z.boolean().default(false).meta({ description: "Return when they have it whole" }),
  }),
  output: transferDocumentShape,
  display: { line },
})

export const listOffer = offer({
  verb: "file list",
  summary: "List transfers, oldest first",
  examples: ["file list", "file list --json"],
  input: z.object({ identity }),
  output: z.array(transferDocumentShape),
  display: {
    columns: [
      "id",
      "contact",
      "group",
      "direction",
      "name",
      "size|bytes",
      "done|bytes",
      "bytesPerSecond|bytes",
      "state",
      "reason",
    ],
    empty: "No transfers yet.",
  },
})

export const acceptOffer = offer({
  verb: "file accept",
  summary: "Accept a file that a contact offers",
  positional: ["id"],
  examples: ["file accept 3fa9", "file accept 3fa9 --to ~/Films --wait"],
  input: z.object({
    id,
    to: z
      .string()
      .min(1)
      .optional()
      .meta({ kind: "path", description: "Folder for the file; the router's own by default" }),
    wait: z.boolean().default(false).meta({ description: "Return when it is here whole" }),
  }),
  output: transferDocumentShape,
  display: { line },
})

export const refuseOffer = offer({
  verb: "file refuse",
  summary: "Refuse a file that a contact offers",
  positional: ["id"],
  examples: ["file refuse 3fa9"],
  input: z.object({ id }),
  output: transferDocumentShape,
  display: { line },
})

export const cancelOffer = offer({
  verb: "file cancel",
  summary: "Refuse an offered file, or stop a transfer at both ends",
  positional: ["id"],
  examples: ["file cancel 3fa9"],
  input: z.object({ id }),
  output: transferDocumentShape,
  display: { line },
})

export const showOffer = offer({
  verb: "file show",
  summary: "Show everything about a transfer",
  positional: ["id"],
  examples: ["file show 3fa9"],
  input: z.object({ id }),
  output: transferDocumentShape,
  display: { line: `${line}\n{path}\n{magnet}\n{details|lines}` },
})

export const verifyOffer = offer({
  verb: "file verify",
  summary: "Hash what is on disk again; what is wrong of a download is fetched again",
  positional: ["id"],
  examples: ["file verify 3fa9"],
  input: z.object({ id }),
  output: transferDocumentShape,
  display: { line: `${line}\n{details|lines}` },
})

export const pauseOffer = offer({
  verb: "file pause",
  summary: "Let a transfer rest until it is resumed",
  positional: ["id"],
  examples: ["file pause 3fa9"],
  input: z.object({ id }),
  output: transferDocumentShape,
  display: { line },
})

export const resumeOffer = offer({
  verb: "file resume",
  summary: "Go on with a transfer that was paused",
  positional: ["id"],
  examples: ["file resume 3fa9"],
  input: z.object({ id }),
  output: transferDocumentShape,
  display: { line },
})

export const autoOffer = offer({
  verb: "file auto",
  summary: "Say which files of a contact are accepted without asking; none by default",
  positional: ["contact"],
  examples: ["file auto ann --below 20MiB", "file auto ann --below 0", "file auto ann"],
  input: z.object({
    contact,
    identity,
    below: sizeShape.optional().meta({
      description: "Files smaller than this are accepted; 0 for none. Shown when not given",
    }),
  }),
  output: z.object({ contact: z.string(), below: z.int() }),
  display: { line: "Files of {contact} below {below} bytes are accepted without asking." },
})

export const towerLimitOffer = offer({
  verb: "file tower",
  summary: "Say up to which size an accepted file is left at your tower while the contact is away",
  examples: ["file tower", "file tower --below 200MiB", "file tower --below 0"],
  input: z.object({
    below: sizeShape
      .optional()
      .meta({ description: "At most this size; 0 for never. Shown when not given" }),
  }),
  output: z.object({ below: z.int() }),
  display: { line: "Up to {below} bytes are left at a tower." },
})

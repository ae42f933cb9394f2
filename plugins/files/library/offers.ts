/**
 * What is offered about libraries and drop boxes: `file browse`, `file search`, `file ask`, `file library`, `file receive`.
 *
 * @module
 */
import { offer, z } from "allium/plugin"
import { sizeShape } from "../size.ts"
import { untilShape } from "../until.ts"
import { SEARCH_WORD_CHARACTERS_MAX, SEARCH_WORDS_MAX } from "./wire.ts"

/** Things that one command shows. */
export const SHOWN_MAX = 10_000
/** Contacts named in one command. */
const NAMED_MAX = 64
/** Of a path within a library; longer ones do not exist. */
const PATH_CHARACTERS_MAX = 2_400
/** Taken by a drop box unless another quota is given: 1 GiB. */
const QUOTA_BYTES = 2 ** 30

const identity = z
  .string()
  .optional()
  .meta({ description: "Which identity of yours; the first by default" })
const contact = z.string().meta({ description: "Name or key" })
const evidence = z
  .string()
  .min(1)
  .optional()
  .meta({ kind: "path", description: "Write the signed answers to a new file" })
const people = z
  .string()
  .min(1)
  .max(8_192)
  .transform((text) => text.split(",").map((name) => name.trim()))
  .refine((names) => names.length <= NAMED_MAX && names.every((name) => name !== ""))

const foundShape = z.object({
  contact: z.string(),
  /** Within their library: for `file browse` and `file ask`. */
  path: z.string().optional(),
  kind: z.enum(["file", "folder"]).optional(),
  size: z.int().optional(),
  files: z.int().optional(),
  /** Code of why this contact could not be asked. */
  reason: z.string().optional(),
})
/** Something in a contact's library, or why nothing is known of it. */
export type FoundDocument = z.output<typeof foundShape>
const columns = ["contact", "kind", "size|bytes", "files", "path", "reason"]

export const browseOffer = offer({
  verb: "file browse",
  summary: "Look into the library of a contact",
  positional: ["contact", "path"],
  examples: ["file browse ann", "file browse ann Holidays/2026"],
  input: z.object({
    contact,
    path: z
      .string()
      .min(1)
      .max(PATH_CHARACTERS_MAX)
      .optional()
      .meta({ description: "A folder in it; the top when not given" }),
    identity,
    evidence,
  }),
  output: z.array(foundShape),
  display: { columns, empty: "They show you nothing." },
})

export const searchOffer = offer({
  verb: "file search",
  summary: "Search the libraries of contacts; they learn what you look for",
  positional: ["words"],
  examples: ["file search holidays 2026", "file search film.mkv --contact ann,bob"],
  input: z.object({
    words: z
      .array(z.string().trim().min(1).max(SEARCH_WORD_CHARACTERS_MAX))
      .min(1)
      .max(SEARCH_WORDS_MAX)
      .meta({ description: "All of them are in what is found" }),
    contact: people
      .optional()
      .meta({ description: "Ask these alone, with commas between; all contacts otherwise" }),
    identity,
    evidence,
  }),
  output: z.array(foundShape),
  display: { columns, empty: "Nothing found." },
})

export const askOffer = offer({
  verb: "file ask",
  summary: "Ask a contact for something in their library; it comes as a transfer",
  positional: ["contact", "path"],
  examples: ["file ask ann Holidays", "file ask ann Holidays/2026/one.jpg --to ~/Pictures"],
  input: z.object({
    contact,
    path: z
      .string()
      .min(1)
      .max(PATH_CHARACTERS_MAX)
      .meta({ description: "As file browse and file search show it" }),
    to: z
      .string()
      .min(1)
      .optional()
      .meta({ kind: "path", description: "Folder for it; the router's own by default" }),
    identity,
  }),
  output: z.object({
    id: z.string(),
    contact: z.string(),
    path: z.string(),
    size: z.int(),
    files: z.int(),
  }),
  display: { line: "{contact} offers {path}, {size} bytes, as {id}." },
})

const entryShape = z.object({
  name: z.string(),
  path: z.string(),
  /** `all`, `none`, or contacts by name. */
  for: z.string(),
  size: z.int().optional(),
  files: z.int().optional(),
  reason: z.string().optional(),
})
/** Something in a library of ours. */
export type EntryDocument = z.output<typeof entryShape>

export const libraryAddOffer = offer({
  verb: "file library add",
  summary: "Put a file or folder into your library, and say who sees it",
  positional: ["path"],
  examples: [
    "file library add ~/Holidays --for ann,bob",
    "file library add ./album --for all --as Songs",
    "file library add ./album --for none",
  ],
  input: z.object({
    path: z.string().min(1).meta({ kind: "path", description: "The file or folder" }),
    for: people
      .optional()
      .meta({ description: "all, none, or contacts with commas between; none at first" }),
    as: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .meta({ description: "What contacts see; its own name by default" }),
    identity,
  }),
  output: entryShape,
  display: { line: "{name} is shown to: {for}. {files} files, {size} bytes." },
})

export const libraryListOffer = offer({
  verb: "file library list",
  summary: "List what is in your library, and who sees it",
  examples: ["file library list"],
  input: z.object({ identity }),
  output: z.array(entryShape),
  display: {
    columns: ["name", "for", "size|bytes", "files", "path", "reason"],
    empty: "Nothing is in the library.",
  },
})

export const libraryRemoveOffer = offer({
  verb: "file library remove",
  summary: "Take something out of your library; the files stay",
  positional: ["name"],
  examples: ["file library remove Songs"],
  input: z.object({
    name: z.string().min(1).meta({ description: "Its name in the library" }),
    identity,
  }),
  output: entryShape,
  display: { line: "{name} is no longer in the library." },
})

const boxShape = z.object({
  folder: z.string(),
  /** `open` takes files; the others say why not. */
  state: z.enum(["open", "full", "expired", "stopped"]),
  /** `all`, or contacts by name. */
  from: z.string(),
  quota: z.int(),
  /** Bytes and transfers that were accepted so far. */
  taken: z.int(),
  count: z.int(),
  most: z.int().optional(),
  /** Milliseconds since 1970. */
  until: z.int().optional(),
})
/** A drop box. */
export type BoxDocument = z.output<typeof boxShape>

export const receiveOffer = offer({
  verb: "file receive",
  summary: "Let contacts drop files into a folder without asking; without one, list such folders",
  positional: ["folder"],
  examples: [
    "file receive ~/Inbox --from ann,bob --quota 10GiB --until 7d",
    "file receive ~/Inbox --files 1",
    "file receive",
    "file receive ~/Inbox --stop",
  ],
  input: z.object({
    folder: z.string().min(1).optional().meta({ kind: "path", description: "Where they go" }),
    from: people.optional().meta({ description: "Contacts with commas between; all by default" }),
    quota: sizeShape.default(QUOTA_BYTES).meta({ description: "As much in all; 1GiB by default" }),
    files: z.int().positive().optional().meta({ description: "Stop after so many transfers" }),
    until: untilShape.optional().meta({ description: "Stop then: 12h, 7d, 2027-01-31" }),
    stop: z.boolean().default(false).meta({ description: "Accept no more into this folder" }),
    identity,
  }),
  output: z.array(boxShape),
  display: {
    columns: [
      "state",
      "folder",
      "from",
      "taken|bytes",
      "quota|bytes",
      "count",
      "most",
      "until|time",
    ],
    empty: "Nobody may drop files anywhere.",
  },
})

const saidShape = z.object({
  /** By name where we know them; else the key. */
  from: z.string(),
  to: z.string(),
  /** Milliseconds since 1970. */
  at: z.int(),
  asked: z.string(),
  /** `has`, `nothing`, `offered`, or a code. */
  said: z.string(),
  path: z.string().optional(),
  size: z.int().optional(),
})
/** One thing that somebody has signed. */
export type SaidDocument = z.output<typeof saidShape>

export const evidenceOffer = offer({
  verb: "file evidence",
  summary: "Check evidence from a file: who said what of their library, to whom and when",
  positional: ["path"],
  examples: ["file evidence found.evidence"],
  input: z.object({
    path: z
      .string()
      .min(1)
      .meta({ kind: "path", description: "As --evidence of file browse or file search wrote it" }),
  }),
  output: z.array(saidShape),
  display: {
    columns: ["from", "at|time", "to", "asked", "said", "path", "size|bytes"],
    empty: "Nothing stands in it.",
  },
})

/** All of them. */
export const libraryOffers = [
  ...[browseOffer, searchOffer, askOffer],
  ...[libraryAddOffer, libraryListOffer, libraryRemoveOffer],
  ...[receiveOffer, evidenceOffer],
]

/**
 * What is said on a library channel: questions, and signed answers. Bytes and values in, bytes and values out.
 *
 * @see docs/protocol/library.md
 * @module
 */
import { createHash } from "node:crypto"
import {
  AlliumError,
  type Identity,
  pack,
  safeName,
  unpack,
  verifySignature,
  z,
} from "allium/plugin"
import { bytesShape, FILES_OFFERED_MAX } from "../contact/letters.ts"
import { TRANSFER_ID_BYTES } from "../contact/line-keys.ts"
import { PATH_DEPTH_MAX } from "../disk/safe-paths.ts"
import { FILE_BYTES_MAX } from "../size.ts"

/** The protocol on a link. */
export const LIBRARY_PROTOCOL = "/library/1"
/** One record on the channel, of either side. */
export const LIBRARY_RECORD_BYTES_MAX = 65_536
/** Names in a path and the slashes between them, in UTF-8. */
const LIBRARY_PATH_BYTES_MAX = 2_400
/** Words of one search. */
export const SEARCH_WORDS_MAX = 8
/** One word, in characters. */
export const SEARCH_WORD_CHARACTERS_MAX = 64
/** Things that one answer names; the rest is on further pages. */
export const LISTED_MAX = 100
/** Paths of one answer together, in UTF-8, so that it fits a record. */
export const LISTED_BYTES_MAX = 49_152
/** How many are passed over to come to a page. */
const AFTER_MAX = 1_000_000
const NONCE_BYTES = 16
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const VERSION = 1
const DOMAIN = "allium library answer v1"

/** Why a question is not answered. */
const REFUSALS = ["NOT_FOUND", "BUSY", "FILE_GONE", "TOO_LARGE"] as const
/** See {@linkcode REFUSALS}. */
export type Refusal = (typeof REFUSALS)[number]

const v = z.literal(VERSION)
const nonce = bytesShape(NONCE_BYTES)
const after = z.int().min(0).max(AFTER_MAX)
/** Safe names with `/` between them; the first one is of what was put into the library. */
const path = z.string().refine(isSafePath)
const size = z.int().min(0).max(FILE_BYTES_MAX)
const fileCount = z.int().min(0).max(FILES_OFFERED_MAX)

const questionShape = z.discriminatedUnion("kind", [
  /** What stands in a folder, or at the top when there is no path. */
  z.strictObject({ v, kind: z.literal("browse"), nonce, path: path.optional(), after }),
  /** What has all the words in its path. */
  z.strictObject({
    ...{ v, kind: z.literal("search"), nonce, after },
    words: z
      .array(
        z.string().refine((one) => one.length > 0 && [...one].length <= SEARCH_WORD_CHARACTERS_MAX),
      )
      .min(1)
      .max(SEARCH_WORDS_MAX),
  }),
  /** Offer it to me, as the transfer of this id. */
  z.strictObject({
    v,
    kind: z.literal("ask"),
    nonce,
    path,
    transfer: bytesShape(TRANSFER_ID_BYTES),
  }),
])

const listedShape = z.strictObject({ path, isFolder: z.boolean(), size, fileCount })
const saysShape = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("list"),
    listed: z.array(listedShape).max(LISTED_MAX),
    /** Where the next page begins; absent on the last one. */
    next: after.optional(),
  }),
  z.strictObject({ kind: z.literal("offered"), size, fileCount }),
  z.strictObject({ kind: z.literal("refused"), code: z.enum(REFUSALS) }),
])
const bodyShape = z.strictObject({
  v,
  /** SHA-256 of the question's bytes. */
  question: bytesShape(32),
  /** Ed25519 key of who asked, 32 bytes. */
  to: bytesShape(KEY_BYTES),
  /** Seconds since 1970. */
  at: z.int().min(0),
  says: saysShape,
})
const answerShape = z.strictObject({
  body: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  signature: bytesShape(SIGNATURE_BYTES),
})

/** A question. */
export type Question = z.output<typeof questionShape>
type WithoutHead<T> = T extends unknown ? Omit<T, "v" | "nonce"> : never
/** A question as it is asked. */
export type PlainQuestion = WithoutHead<Question>
/** What is said to it. */
export type Says = z.output<typeof saysShape>
/** A file, or a folder with what is in it. */
export type Listed = z.output<typeof listedShape>
/** What was said, to whom and when. */
export type AnswerBody = z.output<typeof bodyShape>

/** @param nonce - {@linkcode NONCE_BYTES} random bytes. */
export function writeQuestion(question: PlainQuestion, nonce: Uint8Array): Uint8Array {
  return pack({ v: VERSION, nonce, ...question })
}

/** @throws {AlliumError} `BAD_RECORD`; it does not quote the content. */
export function readQuestion(value: unknown): Question {
  const { success, data } = questionShape.safeParse(unpackSafely(value))
  if (success) return data
  throw bad("it is no question to a library")
}

/**
 * Signs an answer.
 *
 * @param asked - The question's bytes.
 * @param to - Key of who asked, 32 bytes.
 * @returns A plain value for the channel.
 */
export function signAnswer(
  says: Says,
  asked: Uint8Array,
  to: Uint8Array,
  by: Pick<Identity, "sign">,
  now: number,
): z.output<typeof answerShape> {
  const at = Math.floor(now / 1_000)
  const body = pack({ v: VERSION, question: hashOf(asked), to, at, says })
  return { body, signature: by.sign(DOMAIN, body) }
}

/**
 * Believes an answer.
 *
 * @param from - Key of who answered, 32 bytes.
 * @param isMine - Whether a key is of who asked.
 * @throws {AlliumError} `BAD_RECORD` for anything that is not their answer to this question and to us.
 */
export function readAnswer(
  value: unknown,
  asked: Uint8Array,
  from: Uint8Array,
  isMine: (key: Uint8Array) => boolean,
): AnswerBody {
  const answer = answerShape.safeParse(value).data
  if (answer === undefined || !verifySignature(from, DOMAIN, answer.body, answer.signature))
    throw bad("the answer is not signed by the contact")
  const body = bodyShape.safeParse(unpackSafely(answer.body)).data
  if (body === undefined) throw bad("the answer has another form")
  if (Buffer.compare(body.question, hashOf(asked)) !== 0 || !isMine(body.to))
    throw bad("the answer is to another question")
  return body
}

/** Each name is one we would make ourselves: nothing else is shown, stored, or looked for. */
export function isSafePath(path: string): boolean {
  if (Buffer.byteLength(path) > LIBRARY_PATH_BYTES_MAX) return false
  const names = path.split("/")
  // One more than a torrent has: a folder put into the library stands before its files.
  return names.length <= PATH_DEPTH_MAX + 1 && names.every((name) => name === safeName(name))
}

function hashOf(asked: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(asked).digest())
}

function unpackSafely(value: unknown): unknown {
  if (!(value instanceof Uint8Array)) return undefined
  try {
    return unpack(value)
  } catch {
    return undefined
  }
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_RECORD", `Cannot read library record: ${found}`)
}

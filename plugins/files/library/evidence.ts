/**
 * Evidence: signed answers of libraries in a file, which anybody can check without asking anybody.
 *
 * @see docs/protocol/library.md#evidence
 * @module
 */
import { AlliumError, pack, unpack, z } from "allium/plugin"
import { type AnswerBody, type Question, readAnswer, readQuestion } from "./wire.ts"

/** A file of them: a search among all contacts. */
export const EVIDENCE_BYTES_MAX = 64 * 2 ** 20
/** Of its value: each answer has some ten. */
const EVIDENCE_LIMITS = { bytesMax: EVIDENCE_BYTES_MAX, depthMax: 8, itemsMax: 100_000 }
const VERSION = 1

const bytes: z.ZodType<Uint8Array> = z.instanceof(Uint8Array)
const evidenceShape = z.strictObject({
  v: z.literal(VERSION),
  answers: z.array(z.strictObject({ from: bytes, question: bytes, body: bytes, signature: bytes })),
})

/** One answer as it went over the channel, and the Ed25519 key of who gave it, 32 bytes. */
export type Evidence = z.output<typeof evidenceShape>["answers"][number]

/** What an answer says, proven. */
export interface Proven {
  /** Ed25519 key of who said it, 32 bytes. */
  readonly from: Uint8Array
  readonly question: Question
  readonly body: AnswerBody
}

/** @throws {AlliumError} `TOO_LARGE`. */
export function writeEvidence(answers: readonly Evidence[]): Uint8Array {
  const packed = pack({ v: VERSION, answers })
  if (packed.length <= EVIDENCE_BYTES_MAX) return packed
  throw new AlliumError("TOO_LARGE", `Cannot write evidence: it has ${packed.length} bytes`)
}

/** @throws {AlliumError} `BAD_RECORD` unless every answer in it is signed, and about its question. */
export function readEvidence(file: Uint8Array): Proven[] {
  const { success, data } = evidenceShape.safeParse(unpackSafely(file))
  if (!success) throw new AlliumError("BAD_RECORD", "Cannot read evidence: it has another form")
  return data.answers.map(({ from, question, body, signature }) => ({
    ...{ from, question: readQuestion(question) },
    body: readAnswer({ body, signature }, question, from, () => true),
  }))
}

function unpackSafely(file: Uint8Array): unknown {
  try {
    return unpack(file, EVIDENCE_LIMITS)
  } catch {
    return undefined
  }
}

/**
 * What two routers say to become contacts: protocol `/contact/1`.
 *
 * One record each way over one channel: a notice, then the answer. See `docs/protocol/contact.md`.
 *
 * @module
 */
import type { Readable } from "node:stream"
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import { packValue, unpackValue } from "../base/pack.ts"
import { doorShape } from "../identity/doors.ts"
import { ROTATION_BYTES, ROTATIONS_MAX } from "../identity/rotation.ts"
import { introductionShape } from "./introduction-letters.ts"

/** Name of the protocol on a link. */
export const CONTACT_PROTOCOL = "/contact/1"
/** A notice with its card (at most 2 kB) and greeting. */
const RECORD_BYTES_MAX = 8_192
/** Longest greeting, in characters. */
export const GREETING_CHARACTERS_MAX = 500

/** Rotations as they come from outside; `rotation.ts` reads them. */
export const rotationsShape: z.ZodType<Uint8Array> = z
  .instanceof(Uint8Array)
  .refine(({ length }) => length > 0 && length <= ROTATIONS_MAX * ROTATION_BYTES)

/** `request`: may we be contacts? `accept`: yes. `refuse`: no. `rotate`: my key is another now. */
export const noticeShape = z.strictObject({
  kind: z.enum(["request", "accept", "refuse", "rotate"]),
  /** Compact JWS, see `docs/protocol/card.md`; empty in a refusal and in a rotation. */
  card: z.string().max(2_048),
  greeting: z.string().max(GREETING_CHARACTERS_MAX),
  /** Door id of the card they have of us; absent for the plain card. */
  door: doorShape.optional(),
  /** What a mutual contact signed. */
  introduction: introductionShape.optional(),
  /** How the sender came to its key; absent when it is its first. */
  rotations: rotationsShape.optional(),
})

/** One notice. */
export type ContactNotice = z.output<typeof noticeShape>

/** `noted`: kept, a person will decide. `accepted`: we are contacts, here is our card. `refused`: no. */
export const answerShape = z.strictObject({
  kind: z.enum(["noted", "accepted", "refused"]),
  card: z.string().max(2_048),
  /** As in a notice; when it is `accepted` only. */
  rotations: rotationsShape.optional(),
})

/** The answer to a notice. */
export type ContactAnswer = z.output<typeof answerShape>

/** Bytes of a notice or an answer. */
export function packRecord(record: ContactNotice | ContactAnswer): Uint8Array {
  return packValue(record)
}

/**
 * Reads one record up to the channel's end.
 *
 * @throws {AlliumError} `BAD_RECORD`, `BAD_PACK` when it is too long or not what `shape` says.
 */
export async function readRecord<T>(from: Readable, shape: z.ZodType<T>): Promise<T> {
  const chunks: Uint8Array[] = []
  let byteCount = 0
  for await (const chunk of from.iterator({
    destroyOnReturn: false,
  }) as AsyncIterable<Uint8Array>) {
    byteCount += chunk.length
    if (byteCount > RECORD_BYTES_MAX)
      throw new AlliumError("BAD_RECORD", "Cannot read contact record: longer than 8,192 bytes")
    chunks.push(chunk)
  }
  const parsed = shape.safeParse(unpackValue(Buffer.concat(chunks)))
  if (parsed.success) return parsed.data
  throw new AlliumError("BAD_RECORD", "Cannot read contact record: not of the expected shape")
}

/**
 * Introductions and places as packed values: inside control letters, greetings and notes of a move.
 *
 * @see docs/protocol/letter.md "Control letters"
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../../base/errors.ts"
import { packValue, unpackValue } from "../../base/pack.ts"
import type { Introduction, Place } from "./post.ts"

/** Places of one correspondent. */
export const PLACES_MAX = 4
/** Longest bundle that is read. */
const BUNDLE_BYTES_MAX = 4_096
const LIMITS = { bytesMax: 8_192, depthMax: 4, itemsMax: 128 }

const bytes32 = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array && value.length === 32,
  "expected 32 bytes",
)

/** See {@linkcode Place}. */
export const placeShape = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("self") }),
  z.strictObject({
    kind: z.literal("tower"),
    key: z.string().regex(/^[\w-]{43}$/),
    address: z.string().regex(/^[a-z2-7]{52}\.b32\.i2p$/),
    sendId: bytes32,
    moveKey: bytes32,
  }),
])

/** See {@linkcode Introduction}. */
export const introductionShape = z.strictObject({
  bundle: z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length > 0 && value.length <= BUNDLE_BYTES_MAX,
    "expected a bundle",
  ),
  places: z.array(placeShape).max(PLACES_MAX),
})

const controlShape = z.strictObject({
  kind: z.literal("introduction"),
  ...introductionShape.shape,
})

/** A place as a plain value. */
export function packPlace(place: Place): unknown {
  return { ...place }
}

/** @throws {AlliumError} `BAD_RECORD`. */
export function readPlace(value: unknown): Place {
  return read(placeShape, value)
}

/** Content of the control letter that introduces us (anew). */
export function writeIntroduction({ bundle, places }: Introduction): Uint8Array {
  return packValue({ kind: "introduction", bundle, places })
}

/** @throws {AlliumError} `BAD_RECORD` or `BAD_PACK` for anything else. */
export function readIntroduction(content: Uint8Array): Introduction {
  const { bundle, places } = read(controlShape, unpackValue(content, LIMITS))
  return { bundle, places }
}

function read<T>(shape: z.ZodType<T>, value: unknown): T {
  const result = shape.safeParse(value)
  if (result.success) return result.data
  throw new AlliumError("BAD_RECORD", "Cannot read introduction: its shape is not that of letters")
}

/** The identity key in the name of a correspondent, 32 bytes. @throws {TypeError} for another name. */
export function keyOfPeer(peer: string): Uint8Array {
  const [, key] = /^([\w-]{43})\.\d{1,9}$/.exec(peer) ?? []
  if (key === undefined) throw new TypeError("Cannot name correspondent: expected KEY.NUMBER")
  return new Uint8Array(Buffer.from(key, "base64url"))
}

/**
 * Letters between the devices of one identity, and the one by which contacts hear of devices: topic `devices`.
 *
 * @see docs/protocol/device.md
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import { packValue, unpackValue } from "../base/pack.ts"
import { recordShape } from "../identity/contact-list.ts"
import { LETTER_BYTES_MAX } from "../mail/post/post.ts"
import { letterStateShape } from "./mail-shelf.ts"

/** Topic of these letters. */
export const DEVICES_TOPIC = "devices"

/** The longest letter of a plugin, and what says whom it was for. */
const LIMITS = { bytesMax: LETTER_BYTES_MAX + 1_024, depthMax: 8, itemsMax: 4_096 }

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
const key = z.string().regex(/^[\w-]{43}$/)
const about = { v: z.literal(1), contact: key }
const letterName = { topic: z.string().min(1).max(32), name: z.string().max(64) }
const letterShape = z.discriminatedUnion("kind", [
  /** The devices of the sender, see `device-list.ts`. */
  z.strictObject({ v: z.literal(1), kind: z.literal("list"), list: bytes }),
  /** Another device of ours wrote this to a contact. */
  z.strictObject({ ...about, kind: z.literal("sent"), ...letterName, content: bytes }),
  /** What became of it. */
  z.strictObject({ ...about, kind: z.literal("state"), ...letterName, state: letterStateShape }),
  /** A contact as it now is, or gone; `atMs` by the clock of whoever changed it. */
  z.strictObject({
    ...about,
    kind: z.literal("contact"),
    atMs: z.number().nonnegative(),
    record: recordShape.optional(),
  }),
  /** Only the first device can ask somebody. */
  z.strictObject({
    v: z.literal(1),
    kind: z.literal("ask"),
    uri: z.string().max(1_024),
    name: z.string().max(64),
    greeting: z.string().max(500),
    ownName: z.string().max(64).optional(),
  }),
])

/** See the module. */
export type DeviceLetter = Unversioned<z.output<typeof letterShape>>
type Unversioned<T> = T extends { v: 1 } ? Omit<T, "v"> : never

/** Bytes of one letter. */
export function packDeviceLetter(letter: DeviceLetter): Uint8Array {
  return packValue({ v: 1, ...letter })
}

/** @throws {AlliumError} `BAD_RECORD` for anything {@linkcode packDeviceLetter} does not write. */
export function readDeviceLetter(content: Uint8Array): DeviceLetter {
  const parsed = letterShape.safeParse(unpack(content))
  if (parsed.success) return withoutVersion(parsed.data)
  throw new AlliumError("BAD_RECORD", "Cannot read letter of a device: another shape")
}

function withoutVersion({ v: _, ...letter }: z.output<typeof letterShape>): DeviceLetter {
  return letter as DeviceLetter
}

function unpack(content: Uint8Array): unknown {
  try {
    return unpackValue(content, LIMITS)
  } catch {
    return undefined // the shape refuses it
  }
}

/**
 * What two devices say to become one identity's: protocol `/device/1`. Bytes and keys in, bytes out.
 *
 * @see docs/protocol/device.md
 * @module
 */
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto"
import { z } from "zod"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import { packValue, unpackValue } from "../base/pack.ts"
import type { RandomBytes } from "../base/random.ts"
import { openAgreementKey } from "../base/x25519.ts"
import { joinedShape } from "../identity/book.ts"
import { type ContactRecord, recordShape } from "../identity/contact-list.ts"
import type { JoinedIdentity } from "../identity/identity.ts"
import { seal, unseal } from "../store/seal.ts"

/** Name of the protocol on a link. */
export const DEVICE_PROTOCOL = "/device/1"
/** Contacts and parts of plugins: as much as a backup. */
export const HANDOVER_BYTES_MAX = 16 * 1_048_576
/** The asking: an X25519 key and a proof. */
export const ASK_BYTES = 64

const KEY_BYTES = 32
const NONCE_BYTES = 24
const PROOF = "allium device proof v1"
const HANDOVER = "allium device handover v1"
const LIMITS = { bytesMax: HANDOVER_BYTES_MAX, depthMax: 8, itemsMax: 1_000_000 }

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
const handoverShape = z.strictObject({
  v: z.literal(1),
  joined: joinedShape,
  /** See `device-list.ts`. */
  list: bytes,
  contacts: z.array(recordShape).max(10_000),
  /** Parts of plugins, as in a backup. */
  parts: z.record(z.string().max(64), bytes),
})

/** Everything a new device needs. */
export interface Handover {
  readonly joined: JoinedIdentity
  readonly list: Uint8Array
  readonly contacts: readonly ContactRecord[]
  readonly parts: Readonly<Record<string, Uint8Array>>
}

/** What both sides know: the secret of the code, and the keys the link has proven. */
export interface Meeting {
  readonly secret: Uint8Array
  /** Ed25519 key of the new device's end of the link, 32 bytes. */
  readonly callerKey: Uint8Array
  /** Identity key, 32 bytes. */
  readonly identityKey: Uint8Array
}

/** The new device asks; `open` reads the answer. */
export function askToJoin(meeting: Meeting, random: RandomBytes) {
  const own = openAgreementKey(random(KEY_BYTES))
  const ask = new Uint8Array(Buffer.concat([own.publicKey, proofOf(meeting, own.publicKey)]))
  /** @throws {AlliumError} `DEVICE_REFUSED` for what was not sealed by who knows the code; `BAD_RECORD`. */
  const open = (answer: Uint8Array): Handover => {
    const theirs = answer.subarray(0, KEY_BYTES)
    const box = theirs.length === KEY_BYTES && boxOf(meeting, own, [own.publicKey, theirs], theirs)
    const plain = box && unseal(box.key, box.bound, answer.subarray(KEY_BYTES))
    if (!plain) throw refused()
    const parsed = handoverShape.safeParse(unpack(plain))
    if (!parsed.success) throw new AlliumError("BAD_RECORD", "Cannot join: another version")
    const { v: _, ...handover } = parsed.data
    return handover
  }
  return { ask, open }
}

/** Whether whoever asks knows the code; the comparison takes the same time for all. */
export function isAsking(meeting: Meeting, ask: Uint8Array): boolean {
  if (ask.length !== ASK_BYTES) return false
  const want = proofOf(meeting, ask.subarray(0, KEY_BYTES))
  return timingSafeEqual(want, ask.subarray(KEY_BYTES))
}

/** The first device's answer. @throws {AlliumError} `DEVICE_REFUSED` for a key of small order, `TOO_LARGE`. */
export function handOver(
  meeting: Meeting,
  ask: Uint8Array,
  handover: Handover,
  random: RandomBytes,
): Uint8Array {
  const own = openAgreementKey(random(KEY_BYTES))
  const theirs = ask.subarray(0, KEY_BYTES)
  const box = boxOf(meeting, own, [theirs, own.publicKey], theirs)
  if (box === undefined) throw refused()
  const plain = packValue({ v: 1, ...handover })
  const sealed = seal({ ...box, nonce: random(NONCE_BYTES) }, plain)
  const answer = Buffer.concat([own.publicKey, sealed])
  if (answer.length <= HANDOVER_BYTES_MAX) return new Uint8Array(answer)
  throw new AlliumError("TOO_LARGE", "Cannot hand over: it is longer than 16 MiB")
}

/** @returns What to tell who is not let in; never why. */
export function refused(): AlliumError {
  const found = "the code is wrong, used or over"
  return new AlliumError("DEVICE_REFUSED", `Cannot link device: ${found}, expected a fresh one`)
}

function proofOf(meeting: Meeting, share: Uint8Array): Buffer {
  const key = derive(meeting.secret, endsOf(meeting), PROOF)
  return createHmac("sha256", key).update(share).digest()
}

/** The code's secret, and one that is forgotten with the exchange. */
function boxOf(
  meeting: Meeting,
  own: { agree(theirs: Uint8Array): Uint8Array },
  shares: readonly [Uint8Array, Uint8Array],
  theirs: Uint8Array,
): { readonly key: Uint8Array; readonly bound: Uint8Array } | undefined {
  const bound = Buffer.concat([endsOf(meeting), ...shares])
  try {
    const secret = Buffer.concat([meeting.secret, own.agree(theirs)])
    return { key: derive(secret, bound, HANDOVER), bound }
  } catch (error) {
    if (isAlliumError(error, "BAD_KEY")) return undefined
    throw error
  }
}

function endsOf({ callerKey, identityKey }: Meeting): Uint8Array {
  return Buffer.concat([callerKey, identityKey])
}

function derive(secret: Uint8Array, salt: Uint8Array, use: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, salt, use, KEY_BYTES))
}

function unpack(plain: Uint8Array): unknown {
  try {
    return unpackValue(plain, LIMITS)
  } catch {
    return undefined // the shape refuses it
  }
}

/**
 * Lone envelopes: one for the owner of a bundle, from somebody without a session. What a stranger leaves at a door.
 *
 * The handshake is that of a session and its keys are used once: there is no ratchet, so nearly all of the envelope is payload.
 *
 * @see docs/protocol/envelope.md "Lone envelopes"
 * @module
 */
import type { RandomBytes } from "../../base/random.ts"
import { NONCE_BYTES, openBytes, sealBytes, TAG_BYTES } from "./aead.ts"
import { openPrekeys, readBundle } from "./bundle.ts"
import { ENVELOPE_BYTES, type MailSelf, type Prekeys } from "./crypto.ts"
import { answerHandshake, beginHandshake, type Handshake, HELLO_BYTES } from "./handshake.ts"
import { deriveKeys } from "./kdf.ts"

/** Of every envelope. */
const VERSION = 1
const HELLO_AT = 1 + NONCE_BYTES
const BODY_AT = HELLO_AT + HELLO_BYTES + TAG_BYTES
const ID_BYTES = 16

/** What fits, always: the caller pads. */
export const LONE_PAYLOAD_BYTES: number = ENVELOPE_BYTES - BODY_AT - TAG_BYTES

/** A lone envelope that opened. */
export interface LoneOpened {
  /** 16 bytes; the same envelope has the same: it opens again and again, and the caller refuses what it has seen. */
  readonly name: Uint8Array
  /** Who sealed it, proven by the agreement: identity key, agreement key, and proof; 128 bytes. */
  readonly person: Uint8Array
  /** {@linkcode LONE_PAYLOAD_BYTES}. */
  readonly payload: Uint8Array
}

/**
 * Seals a payload for the owner of a bundle.
 *
 * @param payload - {@linkcode LONE_PAYLOAD_BYTES}. @throws {RangeError} for another length.
 * @returns {@linkcode ENVELOPE_BYTES}.
 * @throws {AlliumError} `BAD_BUNDLE`.
 */
export function sealLone(
  self: MailSelf,
  bundle: Uint8Array,
  payload: Uint8Array,
  random: RandomBytes,
): Uint8Array {
  if (payload.length !== LONE_PAYLOAD_BYTES)
    throw new RangeError(`Cannot seal ${payload.length} bytes: expected ${LONE_PAYLOAD_BYTES}`)
  const read = readBundle(bundle)
  const { hello, ...handshake } = beginHandshake(self, read, random)
  const nonce = random(NONCE_BYTES)
  const version = Uint8Array.of(VERSION)
  const opening = sealBytes({ key: read.helloKey, nonce, bound: version }, hello)
  const head = Buffer.concat([version, nonce, opening])
  return new Uint8Array(Buffer.concat([head, sealBytes(sealOf(handshake, head), payload)]))
}

/**
 * Opens a lone envelope that was sealed for these prekeys; `undefined` for every other.
 *
 * @throws {RangeError} for prekeys `makePrekeys` did not make.
 */
export function openLone(
  self: MailSelf,
  prekeys: Prekeys,
  envelope: Uint8Array,
): LoneOpened | undefined {
  const { bundle, openKeys } = openPrekeys(prekeys)
  if (envelope.length !== ENVELOPE_BYTES || envelope[0] !== VERSION) return undefined
  const nonce = envelope.subarray(1, HELLO_AT)
  const bound = envelope.subarray(0, 1)
  const hello = openBytes(
    { key: bundle.helloKey, nonce, bound },
    envelope.subarray(HELLO_AT, BODY_AT),
  )
  const handshake = hello && answerHandshake(self, { bundle, keys: openKeys() }, hello)
  if (handshake === undefined) return undefined
  const seal = sealOf(handshake, envelope.subarray(0, BODY_AT))
  const payload = openBytes(seal, envelope.subarray(BODY_AT))
  if (payload === undefined) return undefined
  const { identityKey, agreementKey, agreementProof } = handshake.peer
  const person = new Uint8Array(Buffer.concat([identityKey, agreementKey, agreementProof]))
  const name = handshake.bound.slice(0, ID_BYTES)
  return { name, person, payload: new Uint8Array(payload) }
}

/** The key is of this handshake alone, so the nonce may be that of the hello. */
function sealOf({ bound, start }: Handshake, head: Uint8Array) {
  const [key] = deriveKeys(start.rootKey, { salt: bound, use: "lone", count: 1 })
  return {
    key: key!,
    nonce: head.subarray(1, HELLO_AT),
    bound: new Uint8Array(Buffer.concat([bound, head])),
  }
}

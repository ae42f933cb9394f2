/**
 * The first bytes of a line, and the keys that follow from them. Pure.
 *
 * @see docs/protocol/transfer.md#lines
 * @module
 */
import { hkdfSync } from "node:crypto"
import { AlliumError } from "allium/plugin"
import { SEAL_KEY_BYTES } from "./records.ts"

/** The protocol of lines on a link. */
export const TRANSFER_PROTOCOL = "/transfer/1"
/** Of the key that an offer carries, in bytes. */
export const OFFER_KEY_BYTES = 32
/** Of the id of a transfer, in bytes. */
export const TRANSFER_ID_BYTES = 16
/** Fresh and random, of each side, in bytes. */
export const LINE_NONCE_BYTES = 32
/** What the opener says: version, purpose, id, nonce. */
export const OPENING_BYTES = 2 + TRANSFER_ID_BYTES + LINE_NONCE_BYTES
const VERSION = 1
const LABEL = Buffer.from("allium/transfer/1\0", "latin1")

/** What a line is for; later versions may know more. */
export const PURPOSE = { pieces: 1 } as const
/** See {@linkcode PURPOSE}. */
export type Purpose = keyof typeof PURPOSE

/** What the opener of a line says in the clear. */
export interface Opening {
  readonly purpose: Purpose
  /** {@linkcode TRANSFER_ID_BYTES}. */
  readonly id: Uint8Array
  /** {@linkcode LINE_NONCE_BYTES}. */
  readonly nonce: Uint8Array
}

/** {@linkcode OPENING_BYTES}. */
export function writeOpening({ purpose, id, nonce }: Opening): Uint8Array {
  return Buffer.concat([Uint8Array.of(VERSION, PURPOSE[purpose]), id, nonce])
}

/**
 * @param bytes - {@linkcode OPENING_BYTES}; copied.
 * @throws {AlliumError} `BAD_RECORD` for another version or purpose.
 */
export function readOpening(bytes: Uint8Array): Opening {
  const purpose = (Object.keys(PURPOSE) as Purpose[]).find((name) => PURPOSE[name] === bytes[1])
  if (bytes.length !== OPENING_BYTES || bytes[0] !== VERSION || purpose === undefined)
    throw new AlliumError("BAD_RECORD", "Cannot open line: its first bytes are not of version 1")
  const nonceAt = 2 + TRANSFER_ID_BYTES
  return { purpose, id: bytes.slice(2, nonceAt), nonce: bytes.slice(nonceAt) }
}

/** Keys of both directions, {@linkcode SEAL_KEY_BYTES} each. */
export interface LineKeys {
  readonly opener: Uint8Array
  readonly answerer: Uint8Array
}

/** HKDF-SHA-256 (RFC 5869) of the offer's key; everything said in the clear goes into it. */
export function deriveLineKeys(
  key: Uint8Array,
  opening: Opening,
  answererNonce: Uint8Array,
): LineKeys {
  const salt = Buffer.concat([opening.nonce, answererNonce])
  const info = Buffer.concat([LABEL, Uint8Array.of(PURPOSE[opening.purpose]), opening.id])
  const both = new Uint8Array(hkdfSync("sha256", key, salt, info, 2 * SEAL_KEY_BYTES))
  return { opener: both.slice(0, SEAL_KEY_BYTES), answerer: both.slice(SEAL_KEY_BYTES) }
}

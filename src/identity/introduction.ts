/**
 * Introductions: somebody who knows two people says to each who the other is, and signs it.
 *
 * @see docs/protocol/contact.md
 * @module
 */
import { decodeBase32, encodeBase32 } from "../base/base32.ts"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import { importPublicKey, keyFromText, keyToText, verifySignature } from "./keys.ts"

/** What an introduction is signed for. */
const DOMAIN = "allium introduction 1"
const VERSION = 1
const KEY_BYTES = 32
const SIGNED_BYTES = 1 + 5 * KEY_BYTES + 8
/** Version, introducer, two people with their addresses, the end, signature. */
export const INTRODUCTION_BYTES: number = SIGNED_BYTES + 64
const ADDRESS_ENDING = ".b32.i2p"
const DAY_S = 86_400
/** They have a month to answer. */
const LIFE_S = 30 * DAY_S
/** No introduction is believed for longer than this, whatever it says. */
const LIFE_MAX_S = 60 * DAY_S

/** Who is introduced, and where they are. */
export interface Introduced {
  /** Base64url, 43 characters. */
  readonly key: string
  /** `.b32.i2p` name. */
  readonly address: string
}

/** What an introduction says. */
export interface Introduction {
  /** Key of who introduces, base64url; the signature is by it. */
  readonly introducer: string
  /** The smaller key first, compared as bytes. */
  readonly people: readonly [Introduced, Introduced]
  /** Seconds since 1970, the beginning of a day. */
  readonly expiresS: number
}

/** Whoever signs it. */
export interface Introducer {
  readonly publicKey: Uint8Array
  sign(domain: string, message: Uint8Array): Uint8Array
}

/** Introduces two people to each other: {@linkcode INTRODUCTION_BYTES}, the same for both. */
export function makeIntroduction(
  by: Introducer,
  people: readonly [Introduced, Introduced],
  nowMs: number,
): Uint8Array {
  const expiresS = Math.floor(nowMs / 1000 / DAY_S) * DAY_S + LIFE_S
  const sorted = people.map(personBytes).sort(Buffer.compare)
  const end = Buffer.alloc(8)
  end.writeBigUInt64BE(BigInt(expiresS))
  const signed = Buffer.concat([Uint8Array.of(VERSION), by.publicKey, ...sorted, end])
  return new Uint8Array(Buffer.concat([signed, by.sign(DOMAIN, signed)]))
}

/**
 * Reads an introduction from outside.
 *
 * @returns What it says; `expiresS` may be over: that is for the caller to judge.
 * @throws {AlliumError} `BAD_RECORD` for another form, an unsound key, a signature by somebody else, an end too far away.
 */
export function readIntroduction(bytes: Uint8Array, nowMs: number): Introduction {
  if (bytes.length !== INTRODUCTION_BYTES || bytes[0] !== VERSION) throw bad("of another form")
  const keyAt = (place: number) =>
    bytes.subarray(1 + place * KEY_BYTES, 1 + (place + 1) * KEY_BYTES)
  const introducer = keyAt(0)
  const signed = bytes.subarray(0, SIGNED_BYTES)
  if (!verifySignature(introducer, DOMAIN, signed, bytes.subarray(SIGNED_BYTES)))
    throw bad("not signed by who introduces")
  if (Buffer.compare(keyAt(1), keyAt(3)) >= 0) throw bad("of another form")
  const people = [readPerson(keyAt(1), keyAt(2)), readPerson(keyAt(3), keyAt(4))] as const
  const expiresS = Number(Buffer.from(bytes).readBigUInt64BE(1 + 5 * KEY_BYTES))
  if (expiresS > nowMs / 1000 + LIFE_MAX_S) throw bad("valid for too long")
  return { introducer: keyToText(introducer), people, expiresS }
}

/** Whom it introduces to `key`; `undefined` when it is about others, or over. */
export function introducedTo(
  { introducer, people, expiresS }: Introduction,
  key: string,
  nowMs: number,
): Introduced | undefined {
  const other = people.find((person) => person.key !== key)
  const isToThem = people.some((person) => person.key === key) && introducer !== key
  return isToThem && expiresS > nowMs / 1000 && other?.key !== introducer ? other : undefined
}

function personBytes({ key, address }: Introduced): Uint8Array {
  const hash = decodeBase32(address.slice(0, -ADDRESS_ENDING.length))
  if (hash?.length !== KEY_BYTES) throw new RangeError("Cannot introduce: expected a .b32.i2p name")
  return Buffer.concat([keyFromText(key), hash])
}

function readPerson(key: Uint8Array, hash: Uint8Array): Introduced {
  try {
    return { key: keyToText(importPublicKey(key)), address: encodeBase32(hash) + ADDRESS_ENDING }
  } catch (error) {
    if (isAlliumError(error, "BAD_KEY")) throw bad("about an unsound key")
    throw error
  }
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_RECORD", `Cannot read introduction: it is ${found}`)
}

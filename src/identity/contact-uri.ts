/**
 * The short form of a card: `allium:<key>.<address>.<check>`, to be read out, pasted and scanned.
 *
 * @see docs/protocol/card.md
 * @module
 */
import { createHash } from "node:crypto"
import { renderUnicodeCompact } from "uqr"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import { keyFromText } from "./keys.ts"

const SCHEME = "allium:"
const KEY_LENGTH = 43
const HASH_LENGTH = 52
/** Twenty bits: one typing error in a million is not noticed. */
const CHECK_LENGTH = 4
const URI_LENGTH = SCHEME.length + KEY_LENGTH + 1 + HASH_LENGTH + 1 + CHECK_LENGTH
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
const ADDRESS_ENDING = ".b32.i2p"

/** Whom to add, and where they are. */
export interface ContactAddress {
  /** Identity key, base64url, 43 characters. */
  readonly key: string
  /** `.b32.i2p` name of their destination. */
  readonly address: string
}

/** @returns 108 characters. */
export function formatContactUri({ key, address }: ContactAddress): string {
  const hash = address.slice(0, -ADDRESS_ENDING.length)
  return `${SCHEME}${key}.${hash}.${checkOf(key, hash)}`
}

/**
 * Reads what a person pasted or typed; spaces around it do not matter.
 *
 * @throws {AlliumError} `BAD_CONTACT_URI`: says whether something is missing, mistyped, or no such address at all.
 */
export function parseContactUri(text: string): ContactAddress {
  const uri = text.length > 4 * URI_LENGTH ? "" : text.trim()
  if (!uri.startsWith(SCHEME)) throw bad("it does not begin with allium:")
  if (uri.length !== URI_LENGTH)
    throw bad(`it has ${uri.length} characters, expected ${URI_LENGTH}: a part is missing or added`)
  const match = /^([\w-]{43})\.([a-z2-7]{51}[aq])\.([a-z2-7]{4})$/.exec(uri.slice(SCHEME.length))
  const [, key = "", hash = "", check] = match ?? []
  if (match === null || check !== checkOf(key, hash)) throw bad("a character is mistyped")
  requireSoundKey(key)
  return { key, address: hash + ADDRESS_ENDING }
}

/** The URI as a QR code of half blocks, lines ended by newlines; 45 columns. */
export function contactQr(uri: string): string {
  return renderUnicodeCompact(uri, { ecc: "L", border: 2 })
}

function checkOf(key: string, hash: string): string {
  const digest = createHash("sha256").update(`${SCHEME}${key}.${hash}`).digest()
  const bits = digest.readUIntBE(0, 3) >>> 4
  return [15, 10, 5, 0].map((shift) => BASE32[(bits >>> shift) & 31]).join("")
}

function requireSoundKey(key: string): void {
  try {
    keyFromText(key)
  } catch (error) {
    if (isAlliumError(error, "BAD_KEY")) throw bad("its key is unsound")
    throw error
  }
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_CONTACT_URI", `Cannot read contact address: ${found}`)
}

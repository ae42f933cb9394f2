/**
 * The short form of a card, to be read out, pasted and scanned: `allium:`, who they are, where to ask, and a check.
 *
 * @see docs/protocol/card.md
 * @module
 */
import { createHash } from "node:crypto"
import { renderUnicodeCompact } from "uqr"
import { decodeBase32, encodeBase32 } from "../base/base32.ts"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import { keyFromText } from "./keys.ts"

const SCHEME = "allium:"
/** Twenty bits: one typing error in a million is not noticed. */
const CHECK_LENGTH = 4
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
const ADDRESS_ENDING = ".b32.i2p"
/** Shapes of the parts between the dots, by their count: the plain card, one with a door, one with a door at a tower. */
const FORMS: readonly (readonly (readonly [length: number, shape: RegExp])[])[] = [
  [key(), hash()],
  [key(), hash(), [26, /^[a-z2-7]{26}$/]],
  [key(), key(), hash(), [43, /^[\w-]{43}$/]],
]
const LENGTHS = FORMS.map((parts) =>
  parts.reduce((sum, [length]) => sum + length + 1, SCHEME.length + CHECK_LENGTH),
)
const LONGEST = Math.max(...LENGTHS)

/** Bytes that tell one card of an identity from another. */
export const DOOR_ID_BYTES = 16

/** Whom to add, and where they are. */
export interface ContactAddress {
  /** Identity key, base64url, 43 characters. */
  readonly key: string
  /** `.b32.i2p` name of their destination. */
  readonly address: string
  /** Which of their cards this is: 26 characters of base32 for {@linkcode DOOR_ID_BYTES}; the plain one when absent. */
  readonly door?: string
}

/** Whom to add, when strangers leave their requests at a tower. */
export interface TowerAddress {
  /** Identity key, base64url, 43 characters. */
  readonly key: string
  readonly tower: {
    /** Identity key of the tower, base64url, 43 characters. */
    readonly key: string
    /** `.b32.i2p` name. */
    readonly address: string
    /** Send id of the door: 32 bytes in base64url, 43 characters. */
    readonly sendId: string
  }
}

/** @returns 108 characters; 135 with a door, 196 for a tower. */
export function formatContactUri(contact: ContactAddress | TowerAddress): string {
  const parts = "tower" in contact ? towerParts(contact) : plainParts(contact)
  const body = parts.join(".")
  return `${SCHEME}${body}.${checkOf(body)}`
}

/**
 * Reads what a person pasted or typed; spaces around it do not matter.
 *
 * @throws {AlliumError} `BAD_CONTACT_URI`: says whether something is missing, mistyped, or no such address at all.
 */
export function parseContactUri(text: string): ContactAddress | TowerAddress {
  const uri = text.length > 4 * LONGEST ? "" : text.trim()
  if (!uri.startsWith(SCHEME)) throw bad("it does not begin with allium:")
  const form = FORMS[LENGTHS.indexOf(uri.length)]
  if (form === undefined)
    throw bad(
      `it has ${uri.length} characters, expected ${LENGTHS.join(", ")}: a part is missing or added`,
    )
  const parts = uri.slice(SCHEME.length).split(".")
  const check = parts.pop()
  const isWhole = parts.length === form.length && check === checkOf(parts.join("."))
  if (!isWhole || !form.every(([, shape], at) => shape.test(parts[at] ?? "")))
    throw bad("a character is mistyped")
  return parts.length === 4 ? readTower(parts) : readPlain(parts)
}

/** A new name for a card. @param bytes - {@linkcode DOOR_ID_BYTES}. */
export function doorText(bytes: Uint8Array): string {
  return encodeBase32(bytes)
}

/** Any text as a QR code of half blocks, lines ended by newlines; 45 columns for a plain card, 57 for one with a tower. */
export function contactQr(text: string): string {
  return renderUnicodeCompact(text, { ecc: "L", border: 2 })
}

function key(): readonly [number, RegExp] {
  return [43, /^[\w-]{43}$/]
}

function hash(): readonly [number, RegExp] {
  return [52, /^[a-z2-7]{51}[aq]$/]
}

function plainParts({ key, address, door }: ContactAddress): string[] {
  return [key, hashOf(address), ...(door === undefined ? [] : [door])]
}

function towerParts({ key, tower }: TowerAddress): string[] {
  return [key, tower.key, hashOf(tower.address), tower.sendId]
}

function readPlain([key = "", hash = "", door]: readonly string[]): ContactAddress {
  requireSoundKey(key)
  const address = hash + ADDRESS_ENDING
  if (door === undefined) return { key, address }
  if (decodeBase32(door) === undefined) throw bad("a character is mistyped")
  return { key, address, door }
}

function readTower([key = "", towerKey = "", hash = "", sendId = ""]: readonly string[]) {
  requireSoundKey(key)
  requireSoundKey(towerKey)
  if (Buffer.from(sendId, "base64url").toString("base64url") !== sendId)
    throw bad("a character is mistyped")
  return { key, tower: { key: towerKey, address: hash + ADDRESS_ENDING, sendId } }
}

function hashOf(address: string): string {
  return address.slice(0, -ADDRESS_ENDING.length)
}

function checkOf(body: string): string {
  const digest = createHash("sha256")
    .update(SCHEME + body)
    .digest()
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

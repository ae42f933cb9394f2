/**
 * What a stranger finds at a door: the card, and a bundle for the request. Sealed, so that the tower cannot read whose door it is.
 *
 * @see docs/protocol/contact.md "At a tower"
 * @module
 */
import { hkdfSync } from "node:crypto"
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import type { RandomBytes } from "../base/random.ts"
import { type Card, readCard } from "../identity/card.ts"
import type { TowerAddress } from "../identity/contact-uri.ts"
import { keyFromText } from "../identity/keys.ts"
import { BUNDLE_BYTES, readBundle } from "../mail/envelope/bundle.ts"

/** Always, whatever is in it. */
export const GREETING_BYTES = 4_096
const VERSION = 1
const NONCE_BYTES = 24
const PLAIN_BYTES = GREETING_BYTES - NONCE_BYTES - 16
const CARD_AT = 1 + BUNDLE_BYTES + 2
const PURPOSE = "allium door greeting 1"

/** What a greeting says. */
export interface DoorGreeting {
  readonly bundle: Uint8Array
  /** Compact JWS; its `door` is the tower's address. */
  readonly card: string
}

/** Whose door it is: all that its address says, and the tower knows only half of it. */
type DoorKeys = Pick<TowerAddress, "key"> & { readonly sendId: Uint8Array }

/** @returns {@linkcode GREETING_BYTES}. @throws {RangeError} for a card longer than 2,048 characters. */
export function writeGreeting(
  door: DoorKeys,
  { bundle, card }: DoorGreeting,
  random: RandomBytes,
): Uint8Array {
  const text = Buffer.from(card)
  const plain = Buffer.alloc(PLAIN_BYTES)
  plain[0] = VERSION
  plain.set(bundle, 1)
  plain.writeUInt16BE(text.length, 1 + BUNDLE_BYTES)
  plain.set(text, CARD_AT)
  const nonce = random(NONCE_BYTES)
  return new Uint8Array(Buffer.concat([nonce, boxOf(door, nonce).encrypt(plain)]))
}

/**
 * Reads what lay at the door of a contact address.
 *
 * @param bytes - Untrusted.
 * @returns A card and a bundle that are by the key of the address, for a door at its tower.
 * @throws {AlliumError} `BAD_RECORD`, `BAD_BUNDLE`, `BAD_CARD`, `CARD_EXPIRED`.
 */
export async function readGreeting(
  { key, tower }: TowerAddress,
  bytes: Uint8Array,
  nowMs: number,
): Promise<{ readonly bundle: Uint8Array; readonly card: Card }> {
  const sendId = Buffer.from(tower.sendId, "base64url")
  const { bundle, card: jws } = cutGreeting(openGreeting({ key, sendId }, bytes))
  const card = await readCard(jws, { key, nowMs })
  const owner = Buffer.from(readBundle(bundle).owner.identityKey).toString("base64url")
  if (owner !== key) throw bad("its bundle is another's")
  if (card.door !== tower.address) throw bad("its card names another tower")
  return { bundle, card }
}

function cutGreeting(plain: Uint8Array): DoorGreeting {
  const bytes = Buffer.from(plain)
  const end = CARD_AT + bytes.readUInt16BE(1 + BUNDLE_BYTES)
  const isWhole = end <= PLAIN_BYTES && bytes.subarray(end).every((byte) => byte === 0)
  if (bytes[0] !== VERSION || !isWhole) throw bad("it is of another form")
  const bundle = new Uint8Array(bytes.subarray(1, 1 + BUNDLE_BYTES))
  return { bundle, card: bytes.subarray(CARD_AT, end).toString("latin1") }
}

function openGreeting(door: DoorKeys, bytes: Uint8Array): Uint8Array {
  if (bytes.length !== GREETING_BYTES) throw bad("it has another length")
  const box = boxOf(door, bytes.subarray(0, NONCE_BYTES))
  try {
    return box.decrypt(bytes.subarray(NONCE_BYTES))
  } catch {
    throw bad("it is not sealed for this address")
  }
}

function boxOf({ key, sendId }: DoorKeys, nonce: Uint8Array) {
  const secret = new Uint8Array(hkdfSync("sha256", identityKey(key), sendId, PURPOSE, 32))
  return xchacha20poly1305(secret, nonce, new TextEncoder().encode(PURPOSE))
}

function identityKey(text: string): Uint8Array {
  try {
    return keyFromText(text)
  } catch (error) {
    if (isAlliumError(error, "BAD_KEY")) throw bad("the key of its address is unsound")
    throw error
  }
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_RECORD", `Cannot read greeting at door: ${found}`)
}

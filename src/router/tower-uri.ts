/**
 * What one gives to a friend who may use one's tower: `allium-tower:<key>.<address>.<invitation>.<check>`.
 *
 * @see docs/guide/towers.md
 * @module
 */
import { createHash } from "node:crypto"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import { keyFromText } from "../identity/keys.ts"

const SCHEME = "allium-tower:"
/** Scheme, key, hash, invitation, check, and the dots between them. */
const URI_LENGTH = SCHEME.length + 43 + 1 + 52 + 1 + 43 + 1 + 4
const URI = /^([\w-]{43})\.([a-z2-7]{51}[aq])\.([\w-]{43})\.([a-z2-7]{4})$/
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
const ADDRESS_ENDING = ".b32.i2p"

/** Whose mailbox it is, and where. */
export interface TowerAddress {
  /** Ed25519 key the tower proves on each link, base64url, 43 characters. */
  readonly key: string
  /** `.b32.i2p` name. */
  readonly address: string
}

/** A tower, and the right to some of its tokens. */
export interface TowerInvitation extends TowerAddress {
  /** 32 bytes; a secret between the tower and whom it invited. */
  readonly invitation: Uint8Array
}

/** @returns 158 characters. */
export function formatTowerUri({ key, address, invitation }: TowerInvitation): string {
  const hash = address.slice(0, -ADDRESS_ENDING.length)
  const body = `${key}.${hash}.${Buffer.from(invitation).toString("base64url")}`
  return `${SCHEME}${body}.${checkOf(body)}`
}

/**
 * Reads what a person pasted; spaces around it do not matter.
 *
 * @throws {AlliumError} `BAD_TOWER_URI`: says what is wrong, and quotes nothing.
 */
export function parseTowerUri(text: string): TowerInvitation {
  const uri = text.length > 4 * URI_LENGTH ? "" : text.trim()
  if (!uri.startsWith(SCHEME)) throw bad("it does not begin with allium-tower:")
  if (uri.length !== URI_LENGTH)
    throw bad(`it has ${uri.length} characters, expected ${URI_LENGTH}: a part is missing or added`)
  const body = uri.slice(SCHEME.length)
  const [, key = "", hash = "", written = "", check] = URI.exec(body) ?? []
  if (check === undefined || check !== checkOf(body.slice(0, -5)))
    throw bad("a character is mistyped")
  requireSoundKey(key)
  const invitation = Buffer.from(written, "base64url")
  if (invitation.toString("base64url") !== written) throw bad("its invitation is unsound")
  return { key, address: hash + ADDRESS_ENDING, invitation: new Uint8Array(invitation) }
}

function checkOf(body: string): string {
  const digest = createHash("sha256").update(`${SCHEME}${body}`).digest()
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
  return new AlliumError("BAD_TOWER_URI", `Cannot read tower address: ${found}`)
}

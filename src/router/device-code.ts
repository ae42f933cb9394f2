/**
 * The code by which a second device finds the first one: `allium-device:`, who and where it is, a secret, and a check.
 *
 * @see docs/protocol/device.md
 * @module
 */
import { createHash } from "node:crypto"
import { decodeBase32, encodeBase32 } from "../base/base32.ts"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import { keyFromText } from "../identity/keys.ts"

/** Nobody guesses 128 bits. */
export const DEVICE_SECRET_BYTES = 16

const SCHEME = "allium-device:"
const ADDRESS_ENDING = ".b32.i2p"
const FORM = /^allium-device:([\w-]{43})\.([a-z2-7]{51}[aq])\.([a-z2-7]{26})\.([a-z2-7]{4})$/
const CHARACTERS_MAX = 256

/** What the code says. */
export interface DeviceCode {
  /** Identity key, base64url, 43 characters. */
  readonly key: string
  /** `.b32.i2p` name of the first device. */
  readonly address: string
  /** {@linkcode DEVICE_SECRET_BYTES}, good once. */
  readonly secret: Uint8Array
}

/** @returns 142 characters. */
export function formatDeviceCode({ key, address, secret }: DeviceCode): string {
  const hash = address.slice(0, -ADDRESS_ENDING.length)
  const body = `${key}.${hash}.${encodeBase32(secret)}`
  return `${SCHEME}${body}.${checkOf(body)}`
}

/** @throws {AlliumError} `BAD_DEVICE_CODE`; does not repeat what was given. */
export function parseDeviceCode(text: string): DeviceCode {
  const found = text.length > CHARACTERS_MAX ? null : FORM.exec(text.trim())
  if (found === null) throw bad("it is not written as one, or a part is missing")
  const [, key = "", hash = "", secretText = "", check] = found
  if (check !== checkOf(`${key}.${hash}.${secretText}`)) throw bad("a character is mistyped")
  const secret = decodeBase32(secretText)
  if (secret?.length !== DEVICE_SECRET_BYTES) throw bad("a character is mistyped")
  requireSoundKey(key)
  return { key, address: hash + ADDRESS_ENDING, secret }
}

/** Twenty bits, as those of contact addresses. */
function checkOf(body: string): string {
  const digest = createHash("sha256")
    .update(SCHEME + body)
    .digest()
  return encodeBase32(digest.subarray(0, 5)).slice(0, 4)
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
  return new AlliumError("BAD_DEVICE_CODE", `Cannot read device code: ${found}`)
}

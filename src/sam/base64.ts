/**
 * Base64 as I2P writes it: `-` and `~` instead of `+` and `/`, with padding.
 *
 * i2pd refuses a destination without its padding, so we neither write nor read one.
 *
 * @see https://geti2p.net/spec/common-structures
 * @module
 */
import { AlliumError } from "../base/errors.ts"

/** I2P base64 with its padding. */
export function encodeBase64(bytes: Uint8Array): string {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return view.toString("base64").replaceAll("+", "-").replaceAll("/", "~")
}

/**
 * Reads I2P base64, strictly: one text for one value.
 *
 * @returns Bytes the caller owns.
 * @throws {AlliumError} `BAD_BASE64` for a foreign character, missing padding, or bits left over.
 */
export function decodeBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0)
    throw bad(`has ${text.length} characters, expected a multiple of 4 with its padding`)
  if (!/^[A-Za-z0-9\-~]*={0,2}$/.test(text))
    throw bad("has a character outside of I2P's alphabet, expected A-Z a-z 0-9 - ~ and padding")
  const bytes = Buffer.from(text.replaceAll("-", "+").replaceAll("~", "/"), "base64")
  if (encodeBase64(bytes) !== text) throw bad("has bits left over, expected zeros")
  return new Uint8Array(bytes)
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_BASE64", `Cannot read base64: ${found}`)
}

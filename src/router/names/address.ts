/**
 * What a name may lead to: a destination in I2P base64, or a `.b32.i2p` address of either kind.
 *
 * @module
 */
import { isAlliumError } from "../../base/errors.ts"
import { parseAddress, parseDestination } from "../../sam/index.ts"

/**
 * Checks all that can be checked: alphabet, length, certificate, checksum.
 *
 * @returns The address in its one spelling.
 * @throws {AlliumError} `BAD_DESTINATION`, `BAD_NAME`.
 */
export function requireAddress(text: string): string {
  if (!/\.b32\.i2p(?:\.alt)?$/i.test(text)) return parseDestination(text).base64
  const address = text.toLowerCase().replace(/\.alt$/, "")
  parseAddress(address)
  return address
}

/** As {@linkcode requireAddress}; `undefined` for what is no address. */
export function readAddress(text: string): string | undefined {
  try {
    return requireAddress(text)
  } catch (error) {
    if (isAlliumError(error, "BAD_DESTINATION", "BAD_NAME")) return undefined
    throw error
  }
}

/** The short form, by which two addresses are the same: 52 characters and `.b32.i2p`, or a blinded one. */
export function shortAddress(address: string): string {
  return address.endsWith(".i2p") ? address : parseDestination(address).b32
}

/**
 * From a name to a destination, through the session's own tunnels.
 *
 * @see https://geti2p.net/en/docs/api/samv3#naming
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import { parseAddress } from "./address.ts"
import type { Conversation } from "./conversation.ts"
import { type Destination, parseDestination } from "./destination.ts"
import { lookupRequest } from "./requests.ts"

/** i2pd asks the network for up to 40 s. */
const LOOKUP_TIMEOUT_MS = 120_000
/** I2P's own limit for a host name is 67. */
const NAME_CHARACTERS_MAX = 255
const BASE64_CHARACTERS_MIN = 516

/** True for what can only be a destination itself, in base64, whole or not. */
export function isDestinationText(text: string): boolean {
  return text.length >= BASE64_CHARACTERS_MIN
}

/**
 * Asks on a control socket: on any other, i2pd asks through tunnels which all programs share.
 *
 * @param name - `.i2p` name, `.b32.i2p` address, or a destination in base64, which is not asked about.
 * @throws {AlliumError} `BAD_NAME`, `BAD_DESTINATION`, `NAME_NOT_FOUND`, `BRIDGE_BAD_REPLY` when the
 * answer is not what the address stands for, and what {@linkcode Conversation.ask} throws.
 */
export async function lookupName(
  control: Conversation,
  name: string,
  call: { signal: AbortSignal },
): Promise<Destination> {
  if (isDestinationText(name)) return parseDestination(name)
  const asked = requireName(name)
  const ask = { signal: call.signal, timeoutMs: LOOKUP_TIMEOUT_MS }
  const found = await control.ask(lookupRequest(asked), ask)
  if (isHashAddress(asked) && found.b32 !== asked)
    throw new AlliumError(
      "BRIDGE_BAD_REPLY",
      "Cannot look up name: router gave another destination, expected the one with that hash",
    )
  return found
}

/** True for a 52-character address: its destination can never change, so it may be kept. */
export function isHashAddress(name: string): boolean {
  return /^[a-z2-7]{52}\.b32\.i2p$/.test(name)
}

/**
 * Lower case, and nothing that could be read as a second value of the line.
 *
 * @throws {AlliumError} `BAD_NAME`.
 */
export function requireName(text: string): string {
  const name = text.toLowerCase()
  if (name.endsWith(".b32.i2p")) parseAddress(name)
  const isName = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+i2p$/.test(name)
  if (isName && name.length <= NAME_CHARACTERS_MAX) return name
  throw new AlliumError("BAD_NAME", "Cannot look up name: is no .i2p name, expected one")
}

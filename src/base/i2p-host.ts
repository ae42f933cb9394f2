/**
 * Host names inside I2P, as programs say them to a proxy.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9476
 * @module
 */
import { AlliumError } from "./errors.ts"

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const HOST_CHARACTERS_MAX = 253
/** Names I2P routers answer themselves: nobody may be sent there through us. */
const RESERVED = /(?:^|\.)(?:proxy|router|console|mail|localhost)\.i2p$/
/** The hash of a destination, or a blinded key. */
const ADDRESS = /^(?:[a-z2-7]{52}|[a-z2-7]{56,})\.b32\.i2p$/

/** Whether a host is two labels or more, in lower case, each as the DNS wants it. */
export function isHostName(host: string): boolean {
  const labels = host.split(".")
  const isShort = host.length <= HOST_CHARACTERS_MAX
  return isShort && labels.length > 1 && labels.every((label) => LABEL.test(label))
}

/**
 * The host a program asks for, as it is looked for: lower case, without the `.alt` that RFC 9476 lets
 * people put behind `.i2p`.
 *
 * @throws {AlliumError} `PROXY_REFUSED` for everything outside I2P and for routers' own pages, `BAD_NAME` for
 * a damaged `.b32.i2p` address.
 */
export function readI2pHost(typed: string): string {
  const host = typed.toLowerCase().replace(/\.i2p\.alt$/, ".i2p")
  if (!isHostName(host) || !host.endsWith(".i2p") || RESERVED.test(host)) throw refused()
  if (host.endsWith(".b32.i2p") && !ADDRESS.test(host)) throw damaged()
  return host
}

function refused(): AlliumError {
  const message = "Cannot connect: the address leads out of I2P, expected a name that ends in .i2p"
  return new AlliumError("PROXY_REFUSED", message)
}

function damaged(): AlliumError {
  const message = "Cannot connect: the .b32.i2p address is damaged, expected 52 characters"
  return new AlliumError("BAD_NAME", message)
}

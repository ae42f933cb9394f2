/**
 * A tree of secrets from one seed: SLIP-0010 for Ed25519, hardened steps only.
 *
 * @see https://github.com/satoshilabs/slips/blob/master/slip-0010.md
 * @module
 */
import { createHmac } from "node:crypto"

const HARDENED = 0x8000_0000
const CURVE = "ed25519 seed"

/**
 * @param seed - 16 to 64 bytes.
 * @param path - Numbers below 2^31; each is a hardened step, so `[44, 0]` means `m/44'/0'`.
 * @returns 32 secret bytes, the caller's own.
 */
export function deriveSecret(seed: Uint8Array, path: readonly number[]): Uint8Array {
  let node = split(CURVE, seed)
  for (const step of path)
    node = split(node.chainCode, Buffer.concat([ZERO, node.secret, indexOf(step)]))
  return new Uint8Array(node.secret)
}

const ZERO = Uint8Array.of(0)

interface TreeNode {
  readonly secret: Uint8Array
  readonly chainCode: Uint8Array
}

function split(key: string | Uint8Array, data: Uint8Array): TreeNode {
  const digest = createHmac("sha512", key).update(data).digest()
  return { secret: digest.subarray(0, 32), chainCode: digest.subarray(32) }
}

function indexOf(step: number): Uint8Array {
  if (!Number.isInteger(step) || step < 0 || step >= HARDENED)
    throw new RangeError(`Cannot derive: step is ${step}, expected a whole number below 2^31`)
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, HARDENED + step)
  return bytes
}

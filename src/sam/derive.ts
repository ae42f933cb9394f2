/**
 * A destination from a seed: the same 32 bytes give the same address on every machine.
 *
 * What comes out cannot be told from a destination an i2pd router made: signature type 7, crypto type 0,
 * one random block repeated over all the padding. The crypto private key is zeros: for destinations no
 * router uses it (their LeaseSet keys are made by the router).
 *
 * @see https://geti2p.net/spec/common-structures#destination
 * @module
 */
import { hkdfSync } from "node:crypto"
import { type Destination, readDestination } from "./destination.ts"
import { publicKeyOf } from "./ed25519.ts"

const SALT = "i2p-dest/v1"
const SEED_BYTES = 32
const BLOCK_BYTES = 32
/** 256 bytes of the unused crypto key and 96 before the signing key, in blocks of 32. */
const PADDING_BLOCKS = 11
const CRYPTO_PRIVATE_KEY_BYTES = 256
/** Key certificate (5), payload of 4 bytes, signature type 7, crypto type 0. */
const CERTIFICATE = Uint8Array.of(5, 0, 4, 0, 7, 0, 0)

/**
 * Derives destination and private key file from a seed, with HKDF-SHA256, salt `i2p-dest/v1`: info
 * `ed25519` gives the signing key's seed, info `padding` the block that is repeated.
 *
 * @param seed - 32 secret bytes, used for nothing else.
 * @returns A destination of 391 bytes, and its private key file of 679 bytes, which the caller owns
 * and must not log.
 * @throws {RangeError} when the seed has another length.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict"
 * import { deriveDestinationKeys } from "allium/sam"
 * const { destination } = deriveDestinationKeys(new Uint8Array(32).fill(7))
 * assert.equal(destination.bytes.length, 391)
 * ```
 */
export function deriveDestinationKeys(seed: Uint8Array): {
  destination: Destination
  privateKeyFile: Uint8Array
} {
  if (seed.length !== SEED_BYTES)
    throw new RangeError(`Cannot derive destination: seed has ${seed.length} bytes, expected 32`)
  const signingSeed = derive(seed, "ed25519")
  const padding = new Array(PADDING_BLOCKS).fill(derive(seed, "padding"))
  const bytes = Buffer.concat([...padding, publicKeyOf(signingSeed), CERTIFICATE])
  const cryptoPrivateKey = new Uint8Array(CRYPTO_PRIVATE_KEY_BYTES)
  const privateKeyFile = new Uint8Array(Buffer.concat([bytes, cryptoPrivateKey, signingSeed]))
  return { destination: readDestination(new Uint8Array(bytes)), privateKeyFile }
}

function derive(seed: Uint8Array, info: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", seed, SALT, info, BLOCK_BYTES))
}

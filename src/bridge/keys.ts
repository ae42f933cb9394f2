/**
 * Keys as a router makes and checks them, for every signature type a SAM client may ask for.
 *
 * A private key file is the destination, the crypto private key (unused by destinations, any bytes), the
 * signing private key, and, when that is all zeros, an offline signature block.
 *
 * @see https://geti2p.net/spec/common-structures#privatekey
 * @module
 */
import type { RandomBytes } from "../base/random.ts"
import { decodeBase64, encodeBase64 } from "../sam/base64.ts"
import {
  type Destination,
  destinationByteCount,
  keyTypes,
  readDestination,
} from "../sam/destination.ts"
import { SCHEMES, type Scheme } from "./signatures.ts"

const KEY_FIELD_BYTES = 256
const SIGNING_FIELD_BYTES = 128
const PADDING_BLOCK_BYTES = 32
const KEY_CERTIFICATE = 5
/** X25519: the only crypto type whose private key is not 256 bytes. */
const X25519_CRYPTO_TYPE = 4

/** A destination with what is needed to be it. */
export interface BridgeKeys {
  readonly destination: Destination
  /** The private key file in I2P base64, as DESTINATION= and PRIV= carry it. */
  readonly privateBase64: string
}

/** Numbers and names SIGNATURE_TYPE may have; `undefined` for what we cannot sign with. */
export function parseSignatureType(text: string | undefined): number | undefined {
  if (text === undefined) return 0
  for (const [type, { name }] of SCHEMES) if (text === name || text === `${type}`) return type
  return undefined
}

/**
 * Makes a destination as i2pd and Java I2P do: crypto type 0, one random block as all the padding.
 *
 * @param signatureType - One of {@linkcode SCHEMES}.
 */
export function generateKeys(signatureType: number, random: RandomBytes): BridgeKeys {
  const scheme = SCHEMES.get(signatureType)
  if (scheme === undefined)
    throw new RangeError(`Cannot make keys: type ${signatureType} is unknown`)
  const secret = scheme.makeSecret(random)
  const bytes = assemble(signatureType, scheme.publicKey(secret), random(PADDING_BLOCK_BYTES))
  const file = Buffer.concat([bytes, new Uint8Array(KEY_FIELD_BYTES), secret])
  return { destination: readDestination(bytes), privateBase64: encodeBase64(file) }
}

/** 384 bytes of keys, right-aligned, then the certificate: none for DSA, key certificate for others. */
function assemble(type: number, publicKey: Uint8Array, block: Uint8Array): Uint8Array {
  const head = new Uint8Array(KEY_FIELD_BYTES + SIGNING_FIELD_BYTES)
  for (let at = 0; at < head.length; at += PADDING_BLOCK_BYTES) head.set(block, at)
  const inField = publicKey.subarray(0, SIGNING_FIELD_BYTES)
  head.set(inField, head.length - inField.length)
  const excess = publicKey.subarray(SIGNING_FIELD_BYTES)
  if (type === 0) return new Uint8Array([...head, 0, 0, 0])
  const certificate = [KEY_CERTIFICATE, 0, 4 + excess.length, 0, type, 0, 0]
  return new Uint8Array([...head, ...certificate, ...excess])
}

/**
 * Checks a private key file as a router does: lengths, and that the signing key (or the offline block)
 * belongs to the destination.
 *
 * @param base64 - I2P base64; its padding may be missing unless `paddingNeeded`.
 * @returns `undefined` for anything a router answers INVALID_KEY to.
 */
export function checkKeys(base64: string, paddingNeeded = false): BridgeKeys | undefined {
  try {
    const file = decodeBase64(paddingNeeded ? base64 : padBase64(base64))
    const destination = readDestination(file.slice(0, destinationByteCount(file)))
    if (!belongs(file, destination)) return undefined
    return { destination, privateBase64: encodeBase64(file) }
  } catch {
    return undefined
  }
}

function belongs(file: Uint8Array, destination: Destination): boolean {
  const { signatureType, cryptoType } = keyTypes(destination)
  const scheme = SCHEMES.get(signatureType)
  if (scheme === undefined) return false
  const secretOffset =
    destination.bytes.length + (cryptoType === X25519_CRYPTO_TYPE ? 32 : KEY_FIELD_BYTES)
  const secret = file.subarray(secretOffset, secretOffset + scheme.secretBytes)
  const tail = file.subarray(secretOffset + scheme.secretBytes)
  if (secret.length !== scheme.secretBytes) return false
  const publicKey = publicKeyOf(destination, scheme)
  if (secret.every((byte) => byte === 0)) return offlineFits(tail, publicKey, scheme)
  return tail.length === 0 && Buffer.compare(scheme.publicKey(secret), publicKey) === 0
}

function publicKeyOf(destination: Destination, scheme: Scheme): Uint8Array {
  const end = KEY_FIELD_BYTES + SIGNING_FIELD_BYTES
  const inField = Math.min(scheme.publicBytes, SIGNING_FIELD_BYTES)
  const excess = scheme.publicBytes - inField
  const certificatePayload = destination.bytes.subarray(end + 7, end + 7 + excess)
  return Buffer.concat([destination.bytes.subarray(end - inField, end), certificatePayload])
}

/** Expiry, transient type, transient public key, signature over these, transient private key. */
function offlineFits(block: Uint8Array, publicKey: Uint8Array, scheme: Scheme): boolean {
  if (block.length < 6 || scheme.verify === undefined) return false
  const transient = SCHEMES.get(new DataView(block.buffer, block.byteOffset).getUint16(4))
  if (transient === undefined) return false
  const signedBytes = 6 + transient.publicBytes
  const secretOffset = signedBytes + scheme.signatureBytes
  if (block.length !== secretOffset + transient.secretBytes) return false
  const made = transient.publicKey(block.subarray(secretOffset))
  return (
    Buffer.compare(made, block.subarray(6, signedBytes)) === 0 &&
    scheme.verify(
      block.subarray(signedBytes, secretOffset),
      block.subarray(0, signedBytes),
      publicKey,
    )
  )
}

/** Puts back the padding some clients lose. */
export function padBase64(base64: string): string {
  return base64.includes("=") ? base64 : base64.padEnd(Math.ceil(base64.length / 4) * 4, "=")
}

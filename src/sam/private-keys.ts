/**
 * Private key files, as i2pd and Java I2P both write them and `SESSION CREATE DESTINATION=` takes them:
 * destination, crypto private key, signing private key, and an offline signature if there is one.
 *
 * @see https://geti2p.net/spec/common-structures#privatekeyfile
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import {
  type Destination,
  destinationByteCount,
  ED25519_SIGNATURE_TYPE,
  keyTypes,
  readDestination,
  signingKey,
} from "./destination.ts"
import { isSignedBy, isSoundKey, publicKeyOf } from "./ed25519.ts"

/** Crypto private key bytes by crypto type. Routers never use them for a destination. */
const CRYPTO_KEY_BYTES: ReadonlyMap<number, number> = new Map([
  [0, 256],
  [4, 32],
])
const SEED_BYTES = 32
/** Expiry (4), signature type (2), public key (32): what the destination's key signs. */
const SIGNED_BYTES = 38
const SIGNATURE_BYTES = 64
const OFFLINE_BYTES = SIGNED_BYTES + SIGNATURE_BYTES + SEED_BYTES

/** A key that may act for the destination until it expires, while the destination's own key is elsewhere. */
export interface OfflineSignature {
  /** Seconds since 1970. */
  readonly expiresS: number
  /** Ed25519 public key, 32 bytes. */
  readonly transientPublicKey: Uint8Array
  /** By the destination's key over expiry, signature type and transient key; 64 bytes. */
  readonly signature: Uint8Array
  /** Ed25519 seed, 32 bytes. */
  readonly transientPrivateKey: Uint8Array
}

/** The content of a private key file; a secret as a whole. */
export interface DestinationKeys {
  readonly destination: Destination
  /** 256 bytes for crypto type 0, 32 for type 4; may be all zeros. */
  readonly cryptoPrivateKey: Uint8Array
  /** Ed25519 seed, 32 bytes; all zeros when {@linkcode DestinationKeys.offline} is there. */
  readonly signingPrivateKey: Uint8Array
  readonly offline?: OfflineSignature
}

/**
 * Reads and proves a private key file: Ed25519 destinations (signature type 7) with crypto type 0 or 4.
 *
 * @param file - The whole file; what is returned are copies.
 * @throws {AlliumError} `BAD_DESTINATION_KEYS` when something is cut off, left over, of another type,
 * or when private and public key, or the offline signature, do not belong together. Expired offline
 * signatures are read: what the time is, is not for this function to know.
 */
export function readDestinationKeys(file: Uint8Array): DestinationKeys {
  const destination = readHead(file)
  const cryptoKeyBytes = CRYPTO_KEY_BYTES.get(keyTypes(destination).cryptoType)
  if (cryptoKeyBytes === undefined)
    throw bad(`crypto type is ${keyTypes(destination).cryptoType}, expected 0 or 4`)
  const take = taker(file, destination.bytes.length)
  const cryptoPrivateKey = take(cryptoKeyBytes)
  const signingPrivateKey = take(SEED_BYTES)
  const tail = file.subarray(destination.bytes.length + cryptoKeyBytes + SEED_BYTES)
  const keys = { destination, cryptoPrivateKey, signingPrivateKey }
  if (tail.length === 0 && !isZero(signingPrivateKey)) return proveSeed(keys)
  if (!isZero(signingPrivateKey))
    throw bad(`${tail.length} bytes are left over, expected none behind the signing key`)
  return proveOffline({ ...keys, offline: readOffline(tail) })
}

/** Signing private key bytes of the types a router signs with, besides Ed25519: DSA, the three ECDSA, RedDSA. */
const FOREIGN_KEY_LENGTHS: ReadonlyMap<number, number> = new Map([
  [0, 20],
  [1, 32],
  [2, 48],
  [3, 66],
  [11, 32],
])

/**
 * The destination of a private key file of any signature type a router takes: Ed25519 is proved as by
 * {@linkcode readDestinationKeys}; of the others only the length is, as we cannot sign with them.
 *
 * @throws {AlliumError} `BAD_DESTINATION_KEYS`, `BAD_DESTINATION`.
 */
export function readKeyFile(file: Uint8Array): Destination {
  if (file.length < 387) throw bad(`has ${file.length} bytes, expected a destination first`)
  const byteCount = destinationByteCount(file)
  if (file.length < byteCount) throw bad(`has ${file.length} bytes, expected ${byteCount} first`)
  const destination = readDestination(file.subarray(0, byteCount))
  const { signatureType, cryptoType } = keyTypes(destination)
  const signingBytes = FOREIGN_KEY_LENGTHS.get(signatureType)
  if (signingBytes === undefined) return readDestinationKeys(file).destination
  const cryptoBytes = CRYPTO_KEY_BYTES.get(cryptoType)
  if (cryptoBytes === undefined) throw bad(`crypto type is ${cryptoType}, expected 0 or 4`)
  const byteCountWanted = byteCount + cryptoBytes + signingBytes
  if (file.length !== byteCountWanted)
    throw bad(
      `has ${file.length} bytes, expected ${byteCountWanted} with signature type ${signatureType}`,
    )
  if (isZero(file.subarray(byteCount + cryptoBytes)))
    throw bad("signing key is all zeros, expected one")
  return destination
}

/** Writes a private key file. The caller owns the bytes; the inverse of {@linkcode readDestinationKeys}. */
export function writeDestinationKeys(keys: DestinationKeys): Uint8Array {
  const { destination, cryptoPrivateKey, signingPrivateKey, offline } = keys
  const parts = [destination.bytes, cryptoPrivateKey, signingPrivateKey]
  if (offline) parts.push(signedPart(offline), offline.signature, offline.transientPrivateKey)
  const file = new Uint8Array(Buffer.concat(parts))
  readDestinationKeys(file)
  return file
}

/** The bytes an offline signature is made over, 38 of them. */
export function signedPart(
  offline: Pick<OfflineSignature, "expiresS" | "transientPublicKey">,
): Uint8Array {
  const bytes = new Uint8Array(SIGNED_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, offline.expiresS)
  view.setUint16(4, ED25519_SIGNATURE_TYPE)
  bytes.set(offline.transientPublicKey, 6)
  return bytes
}

function readHead(file: Uint8Array): Destination {
  const byteCount = file.length < 387 ? 387 : destinationByteCount(file)
  if (file.length < byteCount)
    throw bad(`has ${file.length} bytes, expected a destination of ${byteCount} first`)
  const destination = readDestination(file.subarray(0, byteCount))
  const { signatureType } = keyTypes(destination)
  if (signatureType !== ED25519_SIGNATURE_TYPE)
    throw bad(`signature type is ${signatureType}, expected 7 (Ed25519)`)
  if (!isSoundKey(signingKey(destination) ?? new Uint8Array(0)))
    throw bad("public key is unsound, expected a canonical one of large order")
  return destination
}

/** Takes copies of consecutive parts. */
function taker(file: Uint8Array, start: number): (byteCount: number) => Uint8Array {
  let at = start
  return (byteCount) => {
    const part = file.slice(at, at + byteCount)
    if (part.length < byteCount)
      throw bad(`has ${file.length} bytes, expected at least ${at + byteCount}`)
    at += byteCount
    return part
  }
}

function readOffline(tail: Uint8Array): OfflineSignature {
  if (tail.length !== OFFLINE_BYTES)
    throw bad(`offline part has ${tail.length} bytes, expected ${OFFLINE_BYTES}`)
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength)
  if (view.getUint16(4) !== ED25519_SIGNATURE_TYPE)
    throw bad(`transient signature type is ${view.getUint16(4)}, expected 7 (Ed25519)`)
  const take = taker(tail, 6)
  return {
    expiresS: view.getUint32(0),
    transientPublicKey: take(32),
    signature: take(SIGNATURE_BYTES),
    transientPrivateKey: take(SEED_BYTES),
  }
}

function proveSeed(keys: DestinationKeys): DestinationKeys {
  if (!equal(publicKeyOf(keys.signingPrivateKey), signingKey(keys.destination)))
    throw bad("signing key does not belong to the destination, expected its own")
  return keys
}

function proveOffline(
  keys: DestinationKeys & { readonly offline: OfflineSignature },
): DestinationKeys {
  const { transientPrivateKey, transientPublicKey, signature } = keys.offline
  if (!equal(publicKeyOf(transientPrivateKey), transientPublicKey))
    throw bad("transient keys do not belong together, expected a pair")
  const signer = signingKey(keys.destination) ?? new Uint8Array(0)
  if (!isSignedBy(signer, signedPart(keys.offline), signature))
    throw bad("offline signature does not fit, expected one by the destination's key")
  return keys
}

function equal(left: Uint8Array, right: Uint8Array | undefined): boolean {
  return right !== undefined && Buffer.compare(left, right) === 0
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_DESTINATION_KEYS", `Cannot read private key file: ${found}`)
}

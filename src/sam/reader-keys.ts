/**
 * Encrypted LeaseSets: who has no reader key finds no way to a destination, and does not learn that it is there.
 *
 * Measured on i2pd 2.45.1: Ed25519 keys (type 7) do; each reader has a pre-shared key in the LeaseSet, and a session of
 * theirs takes one such key, for every destination it reads. With another key, with none, or by the `.b32.i2p` name of
 * the hash, `STREAM CONNECT` says CANT_REACH_PEER and `NAMING LOOKUP` INVALID_KEY. Readers are fixed when a session is
 * created. Java I2P was not tried.
 *
 * @see https://geti2p.net/spec/encryptedleaseset
 * @module
 */
import { hkdfSync, randomBytes } from "node:crypto"
import { decodeBase32, encodeBase32 } from "../base/base32.ts"
import { AlliumError } from "../base/errors.ts"
import { formatAddress } from "./address.ts"
import { encodeBase64 } from "./base64.ts"
import { type Destination, ED25519_SIGNATURE_TYPE, signingKey } from "./destination.ts"
import type { I2cpOptions } from "./session-options.ts"

/** Each takes 40 bytes of a LeaseSet; i2pd has 3,072 for all of it. */
export const READERS_MAX = 32
const KEY_BYTES = 16
/** RedDSA: what Ed25519 keys are blinded to. */
const BLINDED_SIGNATURE_TYPE = 11
const ENCRYPTED = "5"
const PRE_SHARED = "2"

/** A new reader key: 26 letters of base32, 128 random bits. A secret. */
export function newReaderKey(): string {
  return encodeBase32(randomBytes(KEY_BYTES))
}

/** True for what {@linkcode newReaderKey} makes. */
export function isReaderKey(text: string): boolean {
  return /^[a-z2-7]{26}$/.test(text) && decodeBase32(text)?.length === KEY_BYTES
}

/** Where a destination with an encrypted LeaseSet is found: 56 letters, then `.b32.i2p` (b33). */
export function encryptedAddress(destination: Destination): string {
  return formatAddress({
    kind: "blinded",
    publicKey: signingKey(destination) ?? new Uint8Array(0),
    signatureType: ED25519_SIGNATURE_TYPE,
    blindedSignatureType: BLINDED_SIGNATURE_TYPE,
    secretRequired: false,
    clientKeyRequired: true,
  })
}

/**
 * Options of a session that only these may find.
 *
 * @param readerKeys - 1 to {@linkcode READERS_MAX}.
 * @throws {AlliumError} `BAD_INPUT`.
 */
export function encryptedOptions(readerKeys: readonly string[]): I2cpOptions {
  if (readerKeys.length === 0 || readerKeys.length > READERS_MAX)
    throw bad(`there are ${readerKeys.length} reader keys, expected 1 to ${READERS_MAX}`)
  const readers = readerKeys.map((key, index) => {
    const name = encodeBase64(Buffer.from(String(index)))
    return [`i2cp.leaseSetClient.psk.${index}`, `${name}:${preSharedKey(key)}`]
  })
  const types = { "i2cp.leaseSetType": ENCRYPTED, "i2cp.leaseSetAuthType": PRE_SHARED }
  return { ...types, ...Object.fromEntries(readers) }
}

/** Options of a session that reads with this key. @throws {AlliumError} `BAD_INPUT`. */
export function readerOptions(readerKey: string): I2cpOptions {
  return { "i2cp.leaseSetPrivKey": preSharedKey(readerKey) }
}

/** True for the values of a SESSION CREATE that asks for an encrypted LeaseSet. */
export function asksForEncryption(values: ReadonlyMap<string, string>): boolean {
  return values.get("i2cp.leaseSetType") === ENCRYPTED
}

/** 32 bytes in I2P's base64. */
function preSharedKey(readerKey: string): string {
  if (!isReaderKey(readerKey)) throw bad("a reader key is damaged, expected 26 letters of base32")
  const secret = decodeBase32(readerKey) ?? new Uint8Array(0)
  return encodeBase64(new Uint8Array(hkdfSync("sha256", secret, "", "allium reader key v1", 32)))
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_INPUT", `Cannot encrypt LeaseSet: ${found}`)
}

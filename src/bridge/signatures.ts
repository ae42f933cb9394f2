/**
 * Signature schemes: how their public keys follow from their private ones.
 *
 * DSA is what DEST GENERATE and TRANSIENT give to clients that name no SIGNATURE_TYPE. Verifying is only
 * needed for offline signatures, which the specification makes for Ed25519 and the like.
 *
 * @see https://geti2p.net/spec/common-structures#type-signingpublickey
 * @module
 */
import { createECDH, createPrivateKey, createPublicKey, verify } from "node:crypto"
import type { RandomBytes } from "../base/random.ts"

/** One signature type. */
export interface Scheme {
  /** As SIGNATURE_TYPE spells it. */
  readonly name: string
  readonly publicBytes: number
  readonly secretBytes: number
  readonly signatureBytes: number
  /** A fresh private key of `secretBytes`. */
  makeSecret(random: RandomBytes): Uint8Array
  /** The public key, `publicBytes`, big-endian. Throws for a private key out of range. */
  publicKey(secret: Uint8Array): Uint8Array
  readonly verify?: (signature: Uint8Array, signed: Uint8Array, publicKey: Uint8Array) => boolean
}

const hex = (text: string) => BigInt(`0x${text.replaceAll(/\s/g, "")}`)

/** I2P's own DSA group, 1024 and 160 bits. @see https://geti2p.net/spec/cryptography#dsa */
const DSA_P = hex(`9C05B2AA960D9B97B8931963C9CC9E8C3026E9B8ED92FAD0A69CC886D5BF8015FCADAE31A0AD18FA
  B3F01B00A358DE237655C4964AFAA2B337E96AD316B9FB1CC564B5AEC5B69A9FF6C3E4548707FEF8503D91DD8602E867
  E6D35D2235C1869CE2479C3B9D5401DE04E0727FB33D6511285D4CF29538D9E3B6051F5B22CC1C93`)
const DSA_Q = hex("A5DFC28FEF4CA1E286744CD8EED9D29D684046B7")
const DSA_G = hex(`0C1F4D27D40093B429E962D7223824E0BBC47E7C832A39236FC683AF84889581075FF9082ED32353
  D4374D7301CDA1D23C431F4698599DDA02451824FF369752593647CC3DDC197DE985E43D136CDCFC6BD5409CD2F45082
  1142A5E6F8EB1C3AB5D0484B8129FCF17BCE4F7F33321C3CB3DBB14A905E7B2B3E93BE4708CBCC82`)

const dsa: Scheme = {
  name: "DSA_SHA1",
  publicBytes: 128,
  secretBytes: 20,
  signatureBytes: 40,
  makeSecret: (random) => toBytes(1n + (toNumber(random(28)) % (DSA_Q - 1n)), 20),
  publicKey(secret) {
    const exponent = toNumber(secret)
    if (exponent <= 0n || exponent >= DSA_Q) throw new RangeError("DSA private key is out of range")
    return toBytes(power(DSA_G, exponent, DSA_P), 128)
  },
}

/** DER around a raw Ed25519 seed and around a raw public key. @see RFC 8410 */
const SEED_HEAD = Buffer.from("302e020100300506032b657004220420", "hex")
const PUBLIC_HEAD = Buffer.from("302a300506032b6570032100", "hex")

const ed25519: Scheme = {
  name: "EdDSA_SHA512_Ed25519",
  publicBytes: 32,
  secretBytes: 32,
  signatureBytes: 64,
  makeSecret: (random) => random(32),
  publicKey(secret) {
    const der = Buffer.concat([SEED_HEAD, secret])
    const key = createPublicKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" }))
    return key.export({ format: "der", type: "spki" }).subarray(PUBLIC_HEAD.length)
  },
  verify(signature, signed, publicKey) {
    const der = Buffer.concat([PUBLIC_HEAD, publicKey])
    return verify(
      null,
      signed,
      createPublicKey({ key: der, format: "der", type: "spki" }),
      signature,
    )
  },
}

function ecdsa(name: string, curve: string, scalarBytes: number): Scheme {
  return {
    name,
    publicBytes: 2 * scalarBytes,
    secretBytes: scalarBytes,
    signatureBytes: 2 * scalarBytes,
    makeSecret(random) {
      const secret = random(scalarBytes)
      // Clears the top bits, so that the number is below every curve's order; never zero.
      secret[0] = 0
      secret[1] = (secret[1] ?? 0) & 0x7f
      secret[scalarBytes - 1] = (secret[scalarBytes - 1] ?? 0) | 1
      return secret
    },
    publicKey(secret) {
      const curveKey = createECDH(curve)
      curveKey.setPrivateKey(secret)
      return curveKey.getPublicKey().subarray(1)
    },
  }
}

/** The schemes we make and check, by number. */
export const SCHEMES: ReadonlyMap<number, Scheme> = new Map([
  [0, dsa],
  [1, ecdsa("ECDSA_SHA256_P256", "prime256v1", 32)],
  [2, ecdsa("ECDSA_SHA384_P384", "secp384r1", 48)],
  [3, ecdsa("ECDSA_SHA512_P521", "secp521r1", 66)],
  [7, ed25519],
])

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let square = base; exponent > 0n; exponent >>= 1n, square = (square * square) % modulus)
    if (exponent & 1n) result = (result * square) % modulus
  return result
}

function toNumber(bytes: Uint8Array): bigint {
  return hex(Buffer.from(bytes).toString("hex") || "0")
}

function toBytes(number: bigint, byteCount: number): Uint8Array {
  return Buffer.from(number.toString(16).padStart(2 * byteCount, "0"), "hex")
}

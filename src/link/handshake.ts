/**
 * The three messages that begin a link or resume it: HELLO, WELCOME, CONFIRM. Bytes and keys in, bytes out.
 *
 * Whoever answers stays silent until the caller has shown that it knows the answerer's identity key, and
 * which identity it is itself; nobody else can read the caller's name out of HELLO.
 *
 * @see docs/protocol/link.md#handshake
 * @module
 */
import { createHash } from "node:crypto"
import {
  ED25519_KEY_BYTES,
  ED25519_SIGNATURE_BYTES,
  importEd25519,
  verifyEd25519,
} from "../base/ed25519.ts"
import { isAlliumError } from "../base/errors.ts"
import { readCount, uint64 } from "./frames.ts"
import { CREDIT_BYTES_MAX } from "./limits.ts"

/** The version this module speaks. */
const LINK_VERSION = 1
/** Whole HELLO, signature included. */
export const HELLO_BYTES = 163
/** Whole WELCOME, signature included. */
export const WELCOME_BYTES = 112
/** CONFIRM is a signature. */
export const CONFIRM_BYTES = ED25519_SIGNATURE_BYTES
/** Fresh random bytes of each side. */
export const NONCE_BYTES = 32
/** Names a link between its two ends. */
const LINK_ID_BYTES = 16

const MAGIC = Buffer.from("ALK", "latin1")
const MASK_AT = 67
const DOMAIN = {
  caller: "allium/link/1/caller",
  hello: "allium/link/1/hello",
  welcome: "allium/link/1/welcome",
  confirm: "allium/link/1/confirm",
  id: "allium/link/1/id",
} as const
const KEEPS = 1
const RESUMED = 2
/** Four bits of the flags in HELLO. */
const LANE_SHIFT = 2
const LANE_MASK = 0x3c

/** Signs as `Identity.sign` does: over `domain`, a zero byte, and `message`. */
export interface Signer {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  sign(domain: string, message: Uint8Array): Uint8Array
}

/** Between whom the handshake runs, as each side knows it. Destinations are whole, as bytes. */
export interface Ends {
  readonly callerDestination: Uint8Array
  readonly answererDestination: Uint8Array
  /** The identity key the caller wants, which the answerer holds. */
  readonly answererKey: Uint8Array
}

/** What a side tells about itself. */
export interface Terms {
  /** Channels the other side may have open at once. */
  readonly channelsMax: number
  /** Bytes it may send on a channel before any credit. */
  readonly firstWindowBytes: number
  /** Keeps the link when its stream is lost, for a while. */
  readonly keeps: boolean
}

/** What HELLO says. */
export interface Hello extends Terms {
  /** 0 for the link between the two; 1 to 15 for one beside it. */
  readonly lane: number
  readonly nonce: Uint8Array
  /** The link to resume; all zero for a new one. */
  readonly linkId: Uint8Array
  /** Bytes of frames received on that link; 0 for a new one. */
  readonly received: number
}

/** What WELCOME says. */
export interface Welcome extends Terms {
  readonly nonce: Uint8Array
  readonly received: number
  /** The link named in HELLO goes on. */
  readonly resumed: boolean
}

/** HELLO of a new link names this one. */
export const NO_LINK: Uint8Array = new Uint8Array(LINK_ID_BYTES)

/** Writes HELLO; `transcript` is what WELCOME will sign on. */
export function writeHello(hello: Hello, signer: Signer, ends: Ends) {
  const body = Buffer.concat([
    MAGIC,
    Buffer.from([LINK_VERSION]),
    hello.nonce,
    writeTerms(hello, hello.lane << LANE_SHIFT),
    hello.linkId,
    uint64(hello.received),
    mask(signer.publicKey, hello.nonce, ends),
  ])
  const signed = helloTranscript(signer.publicKey, ends, body)
  const signature = signer.sign(DOMAIN.hello, signed)
  return { bytes: Buffer.concat([body, signature]), transcript: hash(signed, signature) }
}

/**
 * Reads HELLO.
 *
 * @param bytes - {@linkcode HELLO_BYTES} of them.
 * @param ends - With the destination the stream comes from, as the router says.
 * @returns `undefined` for anything but a HELLO that wants this identity and is signed by the one it names.
 */
export function readHello(bytes: Buffer, ends: Ends) {
  if (!bytes.subarray(0, 3).equals(MAGIC) || bytes[3] === 0) return undefined
  const body = bytes.subarray(0, HELLO_BYTES - ED25519_SIGNATURE_BYTES)
  const signature = bytes.subarray(body.length)
  const nonce = new Uint8Array(bytes.subarray(4, 36))
  const callerKey = mask(body.subarray(MASK_AT, MASK_AT + ED25519_KEY_BYTES), nonce, ends)
  const signed = helloTranscript(callerKey, ends, body)
  if (!isSignedBy(callerKey, DOMAIN.hello, signed, signature)) return undefined
  const terms = readTerms(bytes, 36)
  const received = terms && readCountSafely(bytes, 59)
  if (terms === undefined || received === undefined) return undefined
  const linkId = new Uint8Array(bytes.subarray(43, 59))
  const lane = (bytes[36]! & LANE_MASK) >> LANE_SHIFT
  const hello: Hello = { nonce, ...terms, lane, linkId, received }
  return { hello, callerKey, transcript: hash(signed, signature) }
}

/** Writes WELCOME on top of HELLO's transcript. */
export function writeWelcome(welcome: Welcome, signer: Signer, helloHash: Uint8Array) {
  const body = Buffer.concat([
    Buffer.from([LINK_VERSION]),
    welcome.nonce,
    writeTerms(welcome, welcome.resumed ? RESUMED : 0),
    uint64(welcome.received),
  ])
  const signed = Buffer.concat([helloHash, body])
  const signature = signer.sign(DOMAIN.welcome, signed)
  return { bytes: Buffer.concat([body, signature]), transcript: hash(signed, signature) }
}

/**
 * Reads WELCOME.
 *
 * @param bytes - {@linkcode WELCOME_BYTES} of them.
 * @returns `undefined` when it is not signed by `answererKey` over exactly this exchange.
 */
export function readWelcome(bytes: Buffer, answererKey: Uint8Array, helloHash: Uint8Array) {
  const body = bytes.subarray(0, WELCOME_BYTES - ED25519_SIGNATURE_BYTES)
  const signature = bytes.subarray(body.length)
  const signed = Buffer.concat([helloHash, body])
  if (!isSignedBy(answererKey, DOMAIN.welcome, signed, signature)) return undefined
  const terms = readTerms(bytes, 33)
  const received = terms && readCountSafely(bytes, 40)
  if (bytes[0] !== LINK_VERSION || terms === undefined || received === undefined) return undefined
  const resumed = (bytes[33]! & RESUMED) !== 0
  const nonce = new Uint8Array(bytes.subarray(1, 33))
  const welcome: Welcome = { nonce, ...terms, received, resumed }
  return { welcome, transcript: hash(signed, signature) }
}

/** Writes CONFIRM: the caller was here now, not in a recording. */
export function writeConfirm(signer: Signer, welcomeHash: Uint8Array): Uint8Array {
  return signer.sign(DOMAIN.confirm, welcomeHash)
}

/** Checks CONFIRM. */
export function isConfirm(bytes: Buffer, callerKey: Uint8Array, welcomeHash: Uint8Array): boolean {
  return isSignedBy(callerKey, DOMAIN.confirm, welcomeHash, bytes)
}

/** Id of a new link, the same on both sides; 16 bytes. */
export function linkIdOf(welcomeHash: Uint8Array): Uint8Array {
  return new Uint8Array(hash(label(DOMAIN.id), welcomeHash).subarray(0, LINK_ID_BYTES))
}

function helloTranscript(callerKey: Uint8Array, ends: Ends, body: Uint8Array): Buffer {
  const destinations = [hash(ends.callerDestination), hash(ends.answererDestination)]
  return Buffer.concat([callerKey, ends.answererKey, ...destinations, body])
}

/** Hides or shows the caller's key: only who knows the answerer's key can do either. */
function mask(key: Uint8Array, nonce: Uint8Array, ends: Ends): Uint8Array {
  const pad = hash(label(DOMAIN.caller), ends.answererKey, nonce)
  return new Uint8Array(key.map((byte, index) => byte ^ pad[index]!))
}

function writeTerms(terms: Terms, flags: number): Buffer {
  const bytes = Buffer.alloc(7)
  bytes[0] = flags | (terms.keeps ? KEEPS : 0)
  bytes.writeUInt16BE(terms.channelsMax, 1)
  bytes.writeUInt32BE(terms.firstWindowBytes, 3)
  return bytes
}

function readTerms(bytes: Buffer, at: number): Terms | undefined {
  const channelsMax = bytes.readUInt16BE(at + 1)
  const firstWindowBytes = bytes.readUInt32BE(at + 3)
  if (firstWindowBytes < 1 || firstWindowBytes > CREDIT_BYTES_MAX) return undefined
  return { channelsMax, firstWindowBytes, keeps: (bytes[at]! & KEEPS) !== 0 }
}

function readCountSafely(bytes: Buffer, at: number): number | undefined {
  return bytes.readUInt16BE(at) < 0x20 ? readCount(bytes, at) : undefined
}

function isSignedBy(key: Uint8Array, domain: string, message: Uint8Array, signature: Uint8Array) {
  try {
    return verifyEd25519(importEd25519(key), domain, message, signature)
  } catch (error) {
    if (isAlliumError(error, "BAD_KEY")) return false
    throw error
  }
}

function label(text: string): Uint8Array {
  return Buffer.from(`${text}\0`, "latin1")
}

function hash(...parts: Uint8Array[]): Buffer {
  const sha256 = createHash("sha256")
  for (const part of parts) sha256.update(part)
  return sha256.digest()
}

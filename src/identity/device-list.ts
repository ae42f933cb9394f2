/**
 * Device lists: an identity says which devices it has, and where each is reached.
 *
 * @see docs/protocol/device.md
 * @module
 */
import { decodeBase32, encodeBase32 } from "../base/base32.ts"
import { AlliumError } from "../base/errors.ts"
import { verifySignature } from "./keys.ts"

/** Devices of one identity: each costs every contact an envelope of its own for each letter. */
export const DEVICES_MAX = 4
/** Numbers are one byte, and are never used again. */
export const DEVICE_NUMBER_MAX = 255

/** What a list is signed for. */
const DOMAIN = "allium device list 1"
const VERSION = 1
const KEY_BYTES = 32
/** Version, identity key, revision, how many. */
const LIST_HEAD_BYTES = 1 + KEY_BYTES + 8 + 1
/** Number and destination. */
const DEVICE_BYTES = 1 + KEY_BYTES
const SIGNATURE_BYTES = 64
const ADDRESS_ENDING = ".b32.i2p"

/** One device of an identity. */
export interface Device {
  /** 0 for the first one. */
  readonly number: number
  /** `.b32.i2p` name of its destination. */
  readonly address: string
}

/** Every device, by number; the first one is always among them. */
export interface DeviceList {
  /** Grows with each change. */
  readonly revision: number
  readonly devices: readonly Device[]
}

/** Whoever signs it. */
export interface ListSigner {
  readonly publicKey: Uint8Array
  sign(domain: string, message: Uint8Array): Uint8Array
}

/** Signs a list of 1 to {@linkcode DEVICES_MAX} devices: 139 to 238 bytes. */
export function makeDeviceList(by: ListSigner, { revision, devices }: DeviceList): Uint8Array {
  const count = Buffer.alloc(9)
  count.writeBigUInt64BE(BigInt(revision))
  count[8] = devices.length
  const each = devices.flatMap(({ number, address }) => [Uint8Array.of(number), hashOf(address)])
  const signed = Buffer.concat([Uint8Array.of(VERSION), by.publicKey, count, ...each])
  return new Uint8Array(Buffer.concat([signed, by.sign(DOMAIN, signed)]))
}

/**
 * Reads a list from outside.
 *
 * @param publicKey - Whose it must be, 32 bytes.
 * @throws {AlliumError} `BAD_RECORD` for another form, numbers that do not rise from 0, an address twice, or a signature by
 * somebody else.
 */
export function readDeviceList(bytes: Uint8Array, publicKey: Uint8Array): DeviceList {
  const count = bytes[LIST_HEAD_BYTES - 1] ?? 0
  const end = LIST_HEAD_BYTES + count * DEVICE_BYTES
  const isWhole = count >= 1 && count <= DEVICES_MAX && bytes.length === end + SIGNATURE_BYTES
  if (!isWhole || bytes[0] !== VERSION) throw bad("of another form")
  if (Buffer.compare(listedKey(bytes), publicKey) !== 0) throw bad("about another identity")
  if (!verifySignature(publicKey, DOMAIN, bytes.subarray(0, end), bytes.subarray(end)))
    throw bad("not signed by the identity")
  const revision = Number(Buffer.from(bytes).readBigUInt64BE(1 + KEY_BYTES))
  const devices = Array.from({ length: count }, (_, at) => deviceAt(bytes, at))
  if (!Number.isSafeInteger(revision) || !isSound(devices)) throw bad("of another form")
  return { revision, devices }
}

/** Whose a list says it is, 32 bytes; fewer when it is cut. */
export function listedKey(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(1, 1 + KEY_BYTES)
}

function deviceAt(bytes: Uint8Array, at: number): Device {
  const start = LIST_HEAD_BYTES + at * DEVICE_BYTES
  const hash = bytes.subarray(start + 1, start + DEVICE_BYTES)
  return { number: bytes[start]!, address: encodeBase32(hash) + ADDRESS_ENDING }
}

function isSound(devices: readonly Device[]): boolean {
  const rises = devices.every(({ number }, at) => number > (devices[at - 1]?.number ?? -1))
  const addresses = new Set(devices.map(({ address }) => address))
  return rises && devices[0]?.number === 0 && addresses.size === devices.length
}

function hashOf(address: string): Uint8Array {
  const hash = decodeBase32(address.slice(0, -ADDRESS_ENDING.length))
  if (hash?.length !== KEY_BYTES) throw new RangeError("Cannot list: expected a .b32.i2p name")
  return hash
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_RECORD", `Cannot take device list: it is ${found}`)
}

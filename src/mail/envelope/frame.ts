/**
 * Where everything stands in the 4,096 bytes of an envelope; `docs/protocol/envelope.md` freezes it.
 *
 * First envelopes have a hello before the header. All seals of an envelope share its nonce, and each has its own
 * key; each is bound to the session and to every byte before it.
 *
 * @module
 */
import { NONCE_BYTES, openBytes, sealBytes, TAG_BYTES } from "./aead.ts"
import { ENVELOPE_BYTES } from "./crypto.ts"
import { HELLO_BYTES } from "./handshake.ts"
import { HEADER_BYTES, readHeader, writeHeader } from "./header.ts"
import { KEY_BYTES } from "./kdf.ts"
import type { Header } from "./ratchet-state.ts"

/** First byte of every envelope. */
const VERSION = 1
const HELLO_AT = 1 + NONCE_BYTES
const HELLO_END = HELLO_AT + HELLO_BYTES + TAG_BYTES
const SEALED_HEADER_BYTES = HEADER_BYTES + TAG_BYTES
/** Before the payload; big-endian. */
const LENGTH_BYTES = 2

/** Payload bytes of an envelope: 457 in first ones, 1,737 in others. */
export function capacityOf(first: boolean): number {
  return ENVELOPE_BYTES - bodyAt(first) - TAG_BYTES - LENGTH_BYTES
}

/** What goes into an envelope. */
export interface Contents {
  /** Hash that the session is bound to, 32 bytes. */
  readonly bound: Uint8Array
  readonly nonce: Uint8Array
  /** In first envelopes. */
  readonly hello: { readonly key: Uint8Array; readonly bytes: Uint8Array } | undefined
  readonly header: Header
  readonly headerKey: Uint8Array
  readonly messageKey: Uint8Array
  /** 1 to {@linkcode capacityOf} bytes. */
  readonly payload: Uint8Array
}

/** @returns 4,096 bytes. */
export function sealFrame(contents: Contents): Uint8Array {
  const { bound, nonce, hello, header, headerKey, messageKey, payload } = contents
  const frame = new Uint8Array(KEY_BYTES + ENVELOPE_BYTES)
  const envelope = frame.subarray(KEY_BYTES)
  frame.set(bound)
  envelope[0] = VERSION
  envelope.set(nonce, 1)
  if (hello) envelope.set(sealHello({ key: hello.key, nonce }, hello.bytes), HELLO_AT)
  const start = headerAt(hello !== undefined)
  const before = (end: number) => frame.subarray(0, KEY_BYTES + end)
  const head = { key: headerKey, nonce, bound: before(start) }
  envelope.set(sealBytes(head, writeHeader(header)), start)
  const end = start + SEALED_HEADER_BYTES
  const body = { key: messageKey, nonce, bound: before(end) }
  envelope.set(sealBytes(body, pad(payload, hello !== undefined)), end)
  return envelope.slice()
}

/** The hello of a first envelope; `undefined` when the key does not open it. */
export function openHello(key: Uint8Array, envelope: Uint8Array): Uint8Array | undefined {
  if (!isEnvelope(envelope)) return undefined
  const bound = envelope.subarray(0, 1)
  return openBytes({ key, nonce: nonceOf(envelope), bound }, envelope.subarray(HELLO_AT, HELLO_END))
}

/** An envelope someone may have the keys for. */
export interface Frame {
  /** `undefined` when it is not the key, or what it opens is no header. */
  header(headerKey: Uint8Array, first: boolean): Header | undefined
  /** Without padding; `undefined` when it is not the key. */
  payload(messageKey: Uint8Array, first: boolean): Uint8Array | undefined
}

/** @returns `undefined` for another length or version. */
export function openFrame(bound: Uint8Array, envelope: Uint8Array): Frame | undefined {
  if (!isEnvelope(envelope)) return undefined
  const frame = Buffer.concat([bound, envelope])
  const nonce = nonceOf(envelope)
  const open = (key: Uint8Array, from: number, to: number) =>
    openBytes(
      { key, nonce, bound: frame.subarray(0, KEY_BYTES + from) },
      frame.subarray(KEY_BYTES + from, KEY_BYTES + to),
    )
  return {
    header(headerKey, first) {
      const bytes = open(headerKey, headerAt(first), bodyAt(first))
      return bytes && readHeader(bytes)
    },
    payload(messageKey, first) {
      const bytes = open(messageKey, bodyAt(first), ENVELOPE_BYTES)
      return bytes && unpad(bytes)
    },
  }
}

function sealHello(
  { key, nonce }: { key: Uint8Array; nonce: Uint8Array },
  hello: Uint8Array,
): Uint8Array {
  return sealBytes({ key, nonce, bound: Uint8Array.of(VERSION) }, hello)
}

function isEnvelope(bytes: Uint8Array): boolean {
  return bytes.length === ENVELOPE_BYTES && bytes[0] === VERSION
}

function nonceOf(envelope: Uint8Array): Uint8Array {
  return envelope.subarray(1, HELLO_AT)
}

function headerAt(first: boolean): number {
  return first ? HELLO_END : HELLO_AT
}

function bodyAt(first: boolean): number {
  return headerAt(first) + SEALED_HEADER_BYTES
}

function pad(payload: Uint8Array, first: boolean): Uint8Array {
  const capacity = capacityOf(first)
  if (payload.length < 1 || payload.length > capacity)
    throw new RangeError(`Cannot seal ${payload.length} bytes: expected 1 to ${capacity}`)
  const body = Buffer.alloc(LENGTH_BYTES + capacity)
  body.writeUInt16BE(payload.length)
  body.set(payload, LENGTH_BYTES)
  return body
}

function unpad(body: Uint8Array): Uint8Array | undefined {
  const length = (body[0]! << 8) | body[1]!
  if (length < 1 || length > body.length - LENGTH_BYTES) return undefined
  return new Uint8Array(body.subarray(LENGTH_BYTES, LENGTH_BYTES + length))
}

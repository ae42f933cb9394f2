/**
 * What a stranger leaves at a door: who asks, words, and where to answer. One lone envelope, always full.
 *
 * @see docs/protocol/contact.md "At a tower"
 * @module
 */
import { isUtf8 } from "node:buffer"
import { decodeBase32, encodeBase32 } from "../base/base32.ts"
import { AlliumError } from "../base/errors.ts"
import { type Card, readCard } from "../identity/card.ts"
import { BUNDLE_BYTES, PERSON_BYTES, readBundle } from "../mail/envelope/bundle.ts"
import { LONE_PAYLOAD_BYTES } from "../mail/envelope/lone.ts"
import { PLACES_MAX } from "../mail/post/introduction.ts"
import type { Introduction, Place } from "../mail/post/post.ts"
import { GREETING_CHARACTERS_MAX } from "./contact-wire.ts"

const VERSION = 1
/** The only header a card has, with the dot behind it. */
const CARD_HEADER = "eyJhbGciOiJFZERTQSJ9."
const SIGNATURE_BYTES = 64
const SELF = 0
const TOWER = 1
/** Key, address, send id and move key of a tower. */
const TOWER_BYTES = 128
const UTF8 = 0
const UTF16 = 1
/** The bundle without who it is of: the envelope says that. */
const BUNDLE_REST_BYTES = BUNDLE_BYTES - 1 - PERSON_BYTES
const BUNDLE_VERSION = 1

/** What a request says. */
export interface DoorRequest {
  /** The asker's card, compact JWS. */
  readonly card: string
  readonly greeting: string
  /** What the owner of the door must know to answer. */
  readonly introduction: Introduction
}

/** A request whose card holds. */
export interface DoorRequestRead extends Omit<DoorRequest, "card"> {
  /** Of who asks; base64url, 43 characters. */
  readonly key: string
  readonly card: Card
}

/**
 * @returns {@linkcode LONE_PAYLOAD_BYTES}. Places that do not fit are left out, the last first; one stays.
 * @throws {AlliumError} `TOO_LARGE` when words and name are too long together, though each is not.
 */
export function writeRequest({ card, greeting, introduction }: DoorRequest): Uint8Array {
  const { bundle, places } = introduction
  const fixed = [
    Uint8Array.of(VERSION),
    bundle.subarray(1 + PERSON_BYTES),
    ...sized(cardBytes(card)),
    ...greetingBytes(greeting),
  ]
  for (let count = Math.min(places.length, PLACES_MAX); count > 0; count--) {
    const chosen = places.slice(0, count).map(placeBytes)
    const whole = Buffer.concat([...fixed, Uint8Array.of(count), ...chosen])
    if (whole.length <= LONE_PAYLOAD_BYTES)
      return new Uint8Array(
        Buffer.concat([whole, new Uint8Array(LONE_PAYLOAD_BYTES - whole.length)]),
      )
  }
  throw new AlliumError(
    "TOO_LARGE",
    "Cannot ask at a tower: greeting and name do not fit one envelope",
  )
}

/**
 * Reads a request that came in a lone envelope.
 *
 * @param from.person - Identity key, agreement key and proof of who sealed it, 128 bytes.
 * @throws {AlliumError} `BAD_RECORD` for any other form; `BAD_BUNDLE`, `BAD_CARD`, `CARD_EXPIRED`.
 */
export async function readRequest(
  from: { readonly person: Uint8Array },
  payload: Uint8Array,
  nowMs: number,
): Promise<DoorRequestRead> {
  const reader = new Reader(payload)
  if (reader.number(1) !== VERSION) throw bad("of an unknown version")
  const rest = reader.take(BUNDLE_REST_BYTES)
  const bundle = Buffer.concat([Uint8Array.of(BUNDLE_VERSION), from.person, rest])
  const jws = readCardBytes(reader.take(reader.number(2)))
  const greeting = readGreetingText(reader)
  const places = readPlaces(reader)
  if (!reader.isPadding()) throw bad("not padded with zeros")
  readBundle(bundle)
  const key = Buffer.from(from.person.subarray(0, 32)).toString("base64url")
  const card = await readCard(jws, { key, nowMs })
  return { key, card, greeting, introduction: { bundle: new Uint8Array(bundle), places } }
}

/** Signature, then payload: what the JWS says in a third fewer bytes. */
function cardBytes(jws: string): Uint8Array {
  const [, payload = "", signature = ""] = jws.split(".")
  return Buffer.concat([Buffer.from(signature, "base64url"), Buffer.from(payload, "base64url")])
}

function readCardBytes(bytes: Uint8Array): string {
  const text = (part: Uint8Array) => Buffer.from(part).toString("base64url")
  const payload = text(bytes.subarray(SIGNATURE_BYTES))
  return `${CARD_HEADER}${payload}.${text(bytes.subarray(0, SIGNATURE_BYTES))}`
}

/** Without halves of characters. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString()
}

/** UTF-8, or UTF-16 (big-endian) when that is shorter. */
function greetingBytes(words: string): Uint8Array[] {
  const greeting = wellFormed(words)
  const utf8 = Buffer.from(greeting)
  if (utf8.length <= 2 * greeting.length) return [Uint8Array.of(UTF8), ...sized(utf8)]
  return [Uint8Array.of(UTF16), ...sized(Buffer.from(greeting, "utf16le").swap16())]
}

function readGreetingText(reader: Reader): string {
  const encoding = reader.number(1)
  const bytes = Buffer.from(reader.take(reader.number(2)))
  const isText = encoding === UTF8 ? isUtf8(bytes) : encoding === UTF16 && bytes.length % 2 === 0
  if (!isText) throw bad("without words that can be read")
  const text = encoding === UTF8 ? bytes.toString() : bytes.swap16().toString("utf16le")
  if (text.length > GREETING_CHARACTERS_MAX || text !== wellFormed(text))
    throw bad("with too many words, or halves of characters")
  return text
}

function placeBytes(place: Place): Uint8Array {
  if (place.kind === "self") return Uint8Array.of(SELF)
  const { key, address, sendId, moveKey } = place
  const hash = decodeBase32(address.slice(0, 52)) ?? new Uint8Array(32)
  return Buffer.concat([Uint8Array.of(TOWER), Buffer.from(key, "base64url"), hash, sendId, moveKey])
}

function readPlaces(reader: Reader): Place[] {
  const count = reader.number(1)
  if (count < 1 || count > PLACES_MAX) throw bad("without a place for the answer")
  return Array.from({ length: count }, () => readPlace(reader))
}

function readPlace(reader: Reader): Place {
  const kind = reader.number(1)
  if (kind === SELF) return { kind: "self" }
  if (kind !== TOWER) throw bad("with a place of an unknown kind")
  const bytes = reader.take(TOWER_BYTES)
  const field = (index: number) => bytes.slice(32 * index, 32 * (index + 1))
  return {
    kind: "tower",
    key: Buffer.from(field(0)).toString("base64url"),
    address: `${encodeBase32(field(1))}.b32.i2p`,
    sendId: field(2),
    moveKey: field(3),
  }
}

function sized(bytes: Uint8Array): Uint8Array[] {
  return [Uint8Array.of(bytes.length >> 8, bytes.length & 255), bytes]
}

/** Fields one after another; `BAD_RECORD` where they end too early. */
class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  take(byteCount: number): Uint8Array {
    const end = this.#at + byteCount
    if (end > this.#bytes.length) throw bad("cut short")
    const bytes = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return bytes
  }

  number(byteCount: number): number {
    return this.take(byteCount).reduce((sum, byte) => sum * 256 + byte, 0)
  }

  isPadding(): boolean {
    return this.#bytes.subarray(this.#at).every((byte) => byte === 0)
  }
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_RECORD", `Cannot read request at door: it is ${found}`)
}

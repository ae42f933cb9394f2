/**
 * Cards: what one gives away to be added; a compact JWS in one exact form.
 *
 * @see docs/protocol/card.md
 * @see https://www.rfc-editor.org/rfc/rfc7515
 * @module
 */
import { createHash, createPublicKey, type KeyObject } from "node:crypto"
import { CompactSign, compactVerify } from "jose"
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import { isSoundKey } from "../sam/ed25519.ts"
import { nameShape } from "./names.ts"

/** Whole card; a QR code and a contact notice have room for it. */
const CARD_BYTES_MAX = 2048
/** `{"alg":"EdDSA"}`: the only header there is, so no `jwk`, `jku`, `x5u`, `crit` or other algorithm. */
const HEADER = "eyJhbGciOiJFZERTQSJ9"
const FORM = /^[\w-]+\.[\w-]+\.[\w-]{86}$/
const DAY_S = 86_400
/** A card is good for a year. */
const LIFE_S = 365 * DAY_S
/** No card is believed for longer than this, whatever it says. */
const LIFE_MAX_S = 2 * LIFE_S
/** Clocks differ, and cards are dated to the day. */
const SKEW_MAX_S = 2 * DAY_S

const key = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const address = z.string().regex(/^[a-z2-7]{51}[aq]\.b32\.i2p$/)

const cardShape = z.strictObject({
  v: z.literal(1),
  rev: z.int().min(1),
  iat: z.int().nonnegative(),
  exp: z.int().nonnegative(),
  key,
  destination: address,
  door: address.optional(),
  name: nameShape.optional(),
  next: key,
})

/** What a card says. */
export interface Card {
  /** Grows with each card that says something new. */
  readonly revision: number
  /** Seconds since 1970, a whole day in UTC: the hour would tell where and when one lives. */
  readonly issuedS: number
  /** Seconds since 1970. */
  readonly expiresS: number
  /** Identity key, base64url, 43 characters. */
  readonly key: string
  /** `.b32.i2p` name where the identity is reached. */
  readonly destination: string
  /** `.b32.i2p` name for first contact, when it is another one. */
  readonly door?: string
  /** What they call themselves; untrusted text of 1 to 64 visible characters. */
  readonly name?: string
  /** SHA-256 of the identity key that comes after this one, base64url, 43 characters. */
  readonly nextKeyHash: string
}

/** Signs a card. @param keys.privateKey - Ed25519, belonging to `content.key`. */
export async function makeCard(
  content: Omit<Card, "issuedS" | "expiresS">,
  keys: { privateKey: KeyObject; nowMs: number },
): Promise<string> {
  const iat = Math.floor(keys.nowMs / 1000 / DAY_S) * DAY_S
  const { revision: rev, nextKeyHash: next, key, destination, door, name } = content
  const plain = { v: 1, rev, iat, exp: iat + LIFE_S, key, destination, door, name, next }
  const payload = new TextEncoder().encode(JSON.stringify(cardShape.parse(plain)))
  return new CompactSign(payload).setProtectedHeader({ alg: "EdDSA" }).sign(keys.privateKey)
}

/**
 * Reads a card from outside.
 *
 * @param jws - Untrusted text.
 * @param expect.key - Whose card it must be: from the URI, or proven by a link; base64url, 43 characters.
 * @param expect.nowMs - Milliseconds since 1970.
 * @throws {AlliumError} `BAD_CARD` unless every byte is as {@linkcode makeCard} writes it and the signature is by that key;
 * `CARD_EXPIRED` for a sound card that is too old.
 */
export async function readCard(jws: string, expect: { key: string; nowMs: number }): Promise<Card> {
  if (jws.length > CARD_BYTES_MAX) throw bad("it is too long")
  if (!FORM.test(jws) || !jws.startsWith(`${HEADER}.`)) throw bad("it is not written as a card")
  const payload = await verified(jws, expect.key)
  const content = parsePayload(payload)
  if (content.key !== expect.key) throw bad("it is about another key")
  requireTimes(content, expect.nowMs / 1000)
  return toCard(content)
}

/** The commitment a card makes to the key after this one. */
export function keyHash(publicKey: Uint8Array): string {
  return createHash("sha256").update(publicKey).digest("base64url")
}

async function verified(jws: string, keyText: string): Promise<Uint8Array> {
  const signature = jws.slice(-86)
  const isCanonical = Buffer.from(signature, "base64url").toString("base64url") === signature
  if (!isCanonical) throw bad("it is not written as a card")
  const publicKey = publicKeyObject(keyText)
  try {
    return (await compactVerify(jws, publicKey, { algorithms: ["EdDSA"] })).payload
  } catch (cause) {
    throw new AlliumError("BAD_CARD", "Cannot read card: its signature is not by that key", {
      cause,
    })
  }
}

function publicKeyObject(text: string): KeyObject {
  const bytes = Buffer.from(text, "base64url")
  if (bytes.length !== 32 || bytes.toString("base64url") !== text || !isSoundKey(bytes))
    throw bad("its key is unsound")
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: text }, format: "jwk" })
}

/** One card, one text: spaces, members twice or in another order are refused by writing it again. */
function parsePayload(payload: Uint8Array): z.infer<typeof cardShape> {
  const text = new TextDecoder().decode(payload)
  const result = cardShape.safeParse(parseJson(text))
  if (!result.success) throw bad("it does not say what a card says")
  const { v, rev, iat, exp, key, destination, door, name, next } = result.data
  const again = JSON.stringify({ v, rev, iat, exp, key, destination, door, name, next })
  if (again !== text) throw bad("it says it in another form")
  return result.data
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the parser quotes what it read; the shape refuses this
  }
}

function requireTimes({ iat, exp }: { iat: number; exp: number }, nowS: number): void {
  if (exp <= iat || exp - iat > LIFE_MAX_S) throw bad("its dates make no sense")
  if (iat > nowS + SKEW_MAX_S) throw bad("it is from the future")
  if (exp <= nowS) throw new AlliumError("CARD_EXPIRED", "Cannot use card: it is too old")
}

function toCard({ rev, iat, exp, next, ...rest }: z.infer<typeof cardShape>): Card {
  const { key, destination, door, name } = rest
  return {
    revision: rev,
    issuedS: iat,
    expiresS: exp,
    key,
    destination,
    ...(door !== undefined && { door }),
    ...(name !== undefined && { name }),
    nextKeyHash: next,
  }
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_CARD", `Cannot read card: ${found}`)
}

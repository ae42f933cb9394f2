/**
 * Envelopes once more: written from `docs/protocol/envelope.md` and the pseudo-code of the Double Ratchet and PQDR, line by line, with
 * noble alone. It shares nothing with `src/mail/envelope`, is slow, bounds nothing, and turns at once when something comes.
 *
 * @module
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js"
import { ed25519, x25519 } from "@noble/curves/ed25519.js"
import { hkdf } from "@noble/hashes/hkdf.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"

type Bytes = Uint8Array
type Random = (byteCount: number) => Bytes

/** Somebody's secrets: an Ed25519 seed and an X25519 secret. */
export interface PlainPerson {
  readonly identitySecret: Bytes
  readonly agreementSecret: Bytes
}

const utf8 = (text: string) => new TextEncoder().encode(text)
const join = (...parts: Bytes[]) => new Uint8Array(Buffer.concat(parts))
const hash = (use: string, ...parts: Bytes[]) =>
  sha256(join(utf8(`allium/envelope/1/${use}\0`), ...parts))
const derive = (secret: Bytes, salt: Bytes, use: string, count: number) => {
  const bytes = hkdf(sha256, secret, salt, utf8(`allium/envelope/1/${use}`), 32 * count)
  return Array.from({ length: count }, (_, index) => bytes.slice(32 * index, 32 * (index + 1)))
}
const ZERO_12 = new Uint8Array(12)
const ZERO_32 = new Uint8Array(32)
const F = new Uint8Array(32).fill(0xff)

const encrypt = (key: Bytes, nonce: Bytes, ad: Bytes, plaintext: Bytes) =>
  chacha20poly1305(key, nonce, ad).encrypt(plaintext)
function decrypt(key: Bytes | undefined, nonce: Bytes, ad: Bytes, sealed: Bytes) {
  try {
    return key && chacha20poly1305(key, nonce, ad).decrypt(sealed)
  } catch {
    return undefined // the answer, not a failure
  }
}

function personOf({ identitySecret, agreementSecret }: PlainPerson): Bytes {
  const agreementKey = x25519.getPublicKey(agreementSecret)
  const proof = ed25519.sign(join(utf8("allium agreement key v1\0"), agreementKey), identitySecret)
  return join(ed25519.getPublicKey(identitySecret), agreementKey, proof)
}

/** @returns 96 bytes of secret and 1,441 bytes of bundle. */
export function makePlainPrekeys(owner: PlainPerson, random: Random) {
  const secret = random(96)
  const keys = hybrid(secret)
  const body = join(Uint8Array.of(1), personOf(owner), keys.publicKey, random(32))
  const signed = join(utf8("allium prekey bundle v1\0"), body)
  return { secret, bundle: join(body, ed25519.sign(signed, owner.identitySecret)) }
}

function hybrid(secret: Bytes) {
  const [dh, kem] = [secret.slice(0, 32), ml_kem768.keygen(secret.slice(32))]
  return { dh, kem: kem.secretKey, publicKey: join(x25519.getPublicKey(dh), kem.publicKey) }
}

interface State {
  DHs: Bytes
  PQs: Bytes
  publicKey: Bytes
  ct: Bytes
  RK: Bytes
  CKs?: Bytes
  CKr?: Bytes
  HKs?: Bytes
  HKr?: Bytes
  NHKs: Bytes
  NHKr: Bytes
  Ns: number
  Nr: number
  PN: number
  /** Whether HKr is that of first envelopes. */
  firstR: boolean
  skipped: { HK: Bytes; n: number; mk: Bytes; first: boolean }[]
}

/** One side of a session; it changes when something is sealed or opened. */
export class PlainSession {
  readonly #ad: Bytes
  #state: State
  #hello: { key: Bytes; bytes: Bytes } | undefined
  readonly #random: Random

  private constructor(ad: Bytes, state: State, random: Random) {
    this.#ad = ad
    this.#state = state
    this.#random = random
  }

  get name(): Bytes {
    return this.#ad.slice(0, 16)
  }

  static begin(self: PlainPerson, bundle: Bytes, random: Random): PlainSession {
    const [agreementKey, prekey, helloKey] = [
      bundle.slice(33, 65),
      bundle.slice(129, 1_345),
      bundle.slice(1_345, 1_377),
    ]
    const ek = random(32)
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(prekey.slice(32), random(32))
    const dh1 = x25519.getSharedSecret(self.agreementSecret, prekey.slice(0, 32))
    const dh2 = x25519.getSharedSecret(ek, agreementKey)
    const dh3 = x25519.getSharedSecret(ek, prekey.slice(0, 32))
    const opening = join(x25519.getPublicKey(ek), cipherText)
    const bound = hash("hello", bundle, opening)
    const [personKey] = derive(join(F, dh2, dh3, sharedSecret), ZERO_32, "person", 1)
    const person = personOf(self)
    const hello = join(opening, encrypt(personKey!, ZERO_12, bound, person))
    const [SK, hka, nhkb] = rootOf(dh1, dh2, dh3, sharedSecret)
    const state = { ...blank(SK!, nhkb!), HKs: hka!, NHKs: ZERO_32 }
    turnSending(state, prekey, random)
    const session = new PlainSession(hash("session", bound, person), state, random)
    session.#hello = { key: helloKey, bytes: hello }
    return session
  }

  /** `undefined` when it is for somebody else. */
  static accept(
    self: PlainPerson,
    { secret, bundle }: { secret: Bytes; bundle: Bytes },
    envelope: Bytes,
    random: Random,
  ): PlainSession | undefined {
    const nonce = envelope.slice(1, 13)
    const hello = decrypt(
      bundle.slice(1_345, 1_377),
      nonce,
      envelope.slice(0, 1),
      envelope.slice(13, 1_293),
    )
    if (hello === undefined) return undefined
    const keys = hybrid(secret)
    const ek = hello.slice(0, 32)
    const ss = ml_kem768.decapsulate(hello.slice(32, 1_120), keys.kem)
    const dh2 = x25519.getSharedSecret(self.agreementSecret, ek)
    const dh3 = x25519.getSharedSecret(keys.dh, ek)
    const bound = hash("hello", bundle, hello.slice(0, 1_120))
    const [personKey] = derive(join(F, dh2, dh3, ss), ZERO_32, "person", 1)
    const person = decrypt(personKey, ZERO_12, bound, hello.slice(1_120))
    if (person === undefined) return undefined
    const signed = join(utf8("allium agreement key v1\0"), person.slice(32, 64))
    if (!ed25519.verify(person.slice(64), signed, person.slice(0, 32))) return undefined
    const dh1 = x25519.getSharedSecret(keys.dh, person.slice(32, 64))
    const [SK, hka, nhkb] = rootOf(dh1, dh2, dh3, ss)
    const state = { ...blank(SK!, hka!), DHs: keys.dh, PQs: keys.kem, NHKs: nhkb! }
    return new PlainSession(hash("session", bound, person), state, random)
  }

  /** RatchetEncryptPQ2HE */
  seal(payload: Bytes): Bytes {
    const s = this.#state
    const mk = hmac(sha256, s.CKs!, Uint8Array.of(1))
    s.CKs = hmac(sha256, s.CKs!, Uint8Array.of(2))
    const header = join(s.publicKey, s.ct, u32(s.PN), u32(s.Ns))
    s.Ns += 1
    const nonce = this.#random(12)
    let envelope = join(Uint8Array.of(1), nonce)
    if (this.#hello)
      envelope = join(
        envelope,
        encrypt(this.#hello.key, nonce, Uint8Array.of(1), this.#hello.bytes),
      )
    envelope = join(envelope, encrypt(s.HKs!, nonce, join(this.#ad, envelope), header))
    const body = new Uint8Array(4_096 - envelope.length - 16)
    body.set([payload.length >> 8, payload.length & 255])
    body.set(payload, 2)
    return join(envelope, encrypt(mk, nonce, join(this.#ad, envelope), body))
  }

  /** What a lone envelope holds, when the session it seems to begin was accepted just now. */
  openLone(envelope: Bytes): Bytes | undefined {
    const [key] = derive(this.#state.RK, this.#ad, "lone", 1)
    const bound = join(this.#ad, envelope.slice(0, 1_293))
    return decrypt(key, envelope.slice(1, 13), bound, envelope.slice(1_293))
  }

  /** RatchetDecryptPQ2HE; the state changes only when everything is genuine. */
  open(envelope: Bytes): Bytes | undefined {
    const s: State = { ...this.#state, skipped: [...this.#state.skipped] }
    const payload = this.#decrypt(s, envelope)
    if (payload === undefined) return undefined
    this.#state = s
    this.#hello = undefined
    return payload
  }

  #decrypt(s: State, envelope: Bytes): Bytes | undefined {
    for (const { HK, n, mk, first } of s.skipped) {
      const header = this.#header(HK, envelope, first)
      if (header === undefined || header.n !== n) continue
      s.skipped = s.skipped.filter((one) => one.mk !== mk)
      return this.#body(mk, envelope, first)
    }
    let header = this.#header(s.HKr, envelope, s.firstR)
    if (header === undefined) {
      const first = s.CKs === undefined
      header = this.#header(s.NHKr, envelope, first)
      if (header === undefined) return undefined
      skipTo(s, header.pn)
      s.firstR = first
      turnReceiving(s, header, this.#random)
    }
    if (header.n < s.Nr) return undefined
    skipTo(s, header.n)
    const mk = hmac(sha256, s.CKr!, Uint8Array.of(1))
    s.CKr = hmac(sha256, s.CKr!, Uint8Array.of(2))
    s.Nr += 1
    return this.#body(mk, envelope, s.firstR)
  }

  #header(key: Bytes | undefined, envelope: Bytes, first: boolean) {
    const at = first ? 1_293 : 13
    const ad = join(this.#ad, envelope.slice(0, at))
    const bytes = decrypt(key, envelope.slice(1, 13), ad, envelope.slice(at, at + 2_328))
    if (bytes === undefined) return undefined
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    const [key_, ct] = [bytes.slice(0, 1_216), bytes.slice(1_216, 2_304)]
    return { key: key_, ct, pn: view.getUint32(2_304), n: view.getUint32(2_308) }
  }

  #body(mk: Bytes, envelope: Bytes, first: boolean): Bytes | undefined {
    const at = first ? 3_621 : 2_341
    const ad = join(this.#ad, envelope.slice(0, at))
    const body = decrypt(mk, envelope.slice(1, 13), ad, envelope.slice(at))
    return body?.slice(2, 2 + ((body[0]! << 8) | body[1]!))
  }
}

/** SK, HKA, NHKB. */
function rootOf(dh1: Bytes, dh2: Bytes, dh3: Bytes, ss: Bytes) {
  return derive(join(F, dh1, dh2, dh3, ss), ZERO_32, "PQXDH_CURVE25519_SHA-256_ML-KEM-768", 3)
}

function blank(RK: Bytes, NHKr: Bytes): State {
  const empty = new Uint8Array()
  const keys = { DHs: empty, PQs: empty, publicKey: empty, ct: empty }
  const counts = { Ns: 0, Nr: 0, PN: 0, firstR: false }
  return { ...keys, RK, NHKs: empty, NHKr, ...counts, skipped: [] }
}

/** SkipMessageKeysHE */
function skipTo(s: State, until: number): void {
  while (s.CKr !== undefined && s.Nr < until) {
    const mk = hmac(sha256, s.CKr, Uint8Array.of(1))
    s.CKr = hmac(sha256, s.CKr, Uint8Array.of(2))
    s.skipped.push({ HK: s.HKr!, n: s.Nr, mk, first: s.firstR })
    s.Nr += 1
  }
}

/** DHRatchetPQ2HE */
function turnReceiving(s: State, { key, ct }: { key: Bytes; ct: Bytes }, random: Random): void {
  s.PN = s.Ns
  s.Ns = 0
  s.Nr = 0
  s.HKs = s.NHKs
  s.HKr = s.NHKr
  const dh = x25519.getSharedSecret(s.DHs, key.slice(0, 32))
  const mixed = derive(join(dh, ml_kem768.decapsulate(ct, s.PQs)), s.RK, "root", 3)
  ;[s.RK, s.CKr, s.NHKr] = mixed as [Bytes, Bytes, Bytes]
  turnSending(s, key, random)
}

function turnSending(s: State, theirKey: Bytes, random: Random): void {
  const keys = hybrid(random(96))
  const { cipherText, sharedSecret } = ml_kem768.encapsulate(theirKey.slice(32), random(32))
  const dh = x25519.getSharedSecret(keys.dh, theirKey.slice(0, 32))
  const mixed = derive(join(dh, sharedSecret), s.RK, "root", 3)
  ;[s.RK, s.CKs, s.NHKs] = mixed as [Bytes, Bytes, Bytes]
  Object.assign(s, { DHs: keys.dh, PQs: keys.kem, publicKey: keys.publicKey, ct: cipherText })
}

function u32(value: number): Bytes {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

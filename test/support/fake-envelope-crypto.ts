/**
 * Envelopes that cost nothing: nothing is secret in them, but no forgery passes, none opens twice, and state matters as in
 * the real ones. For stories with many of them.
 */
import { createHash } from "node:crypto"
import { AlliumError } from "../../src/base/errors.ts"
import type { RandomBytes } from "../../src/base/random.ts"
import {
  type CryptoSession,
  ENVELOPE_BYTES,
  type EnvelopeCrypto,
  type MailSelf,
} from "../../src/mail/envelope/crypto.ts"

/** As many as the real ones may be late by. */
const SKIP_MAX = 1_000
const HEAD_BYTES = 1 + 1 + 16 + 4 + 8 + 16 + 32 + 2
const TAG_BYTES = 16
/** Rough sizes of the real ones. */
const CAPACITY = { first: 700, later: 1_600 }

interface FakeSession extends CryptoSession {
  readonly key: Uint8Array
  /** While it is not answered and was begun here: whose prekeys, and what was added. */
  readonly offer: {
    readonly prekeys: Uint8Array
    readonly salt: Uint8Array
    readonly from: Uint8Array
  }
  readonly sent: number
  readonly received: number
  readonly missing: readonly number[]
}

function hash(...pieces: Uint8Array[]): Uint8Array {
  const sum = createHash("sha256")
  for (const piece of pieces) sum.update(piece)
  return new Uint8Array(sum.digest())
}

const KINDS = { first: 1, fromBeginner: 2, fromOther: 3 } as const
const same = (left: Uint8Array, right: Uint8Array) => Buffer.compare(left, right) === 0
const text = (value: string) => new TextEncoder().encode(value)

/** An identity for {@linkcode createFakeCrypto}. */
export function makeFakeSelf(publicKey: Uint8Array): MailSelf {
  return {
    publicKey,
    agreementKey: publicKey,
    agreementProof: new Uint8Array(64),
    agree: (key) => key,
    sign: () => new Uint8Array(64),
  }
}

/** See the module. */
export function createFakeCrypto({ random }: { random: RandomBytes }): EnvelopeCrypto {
  return {
    makePrekeys(self) {
      const secret = random(32)
      const bundle = new Uint8Array([...self.publicKey, ...hash(secret).subarray(0, 8)])
      return { secret, bundle }
    },
    ownerOf(bundle) {
      if (bundle.length !== 40)
        throw new AlliumError("BAD_BUNDLE", "Cannot read bundle: expected 40 bytes")
      return bundle.slice(0, 32)
    },
    begin(self, bundle) {
      const offer = { prekeys: bundle.slice(32), salt: random(16), from: self.publicKey }
      return fresh(offer, true)
    },
    accept(_self, prekeys, envelope) {
      const head = readHead(envelope)
      if (head?.kind !== KINDS.first) return undefined
      if (!same(head.prekeys, prekeys.bundle.subarray(32))) return undefined
      const offer = { prekeys: head.prekeys, salt: head.salt, from: head.from }
      const opened = this.open(fresh(offer, false), envelope, { nowMs: 0 })
      return opened && { ...opened, peerKey: head.from }
    },
    seal(given, payload) {
      const session = given as FakeSession
      if (payload.length < 1 || payload.length > session.capacity)
        throw new RangeError("Cannot seal: the payload does not fit")
      const kind = kindOf(session)
      const envelope = writeEnvelope(session, kind, payload)
      return { session: { ...session, sent: session.sent + 1 } as CryptoSession, envelope }
    },
    open(given, envelope) {
      const session = given as FakeSession
      const head = readHead(envelope)
      if (head === undefined || !same(head.name, session.name)) return undefined
      if ((head.kind === KINDS.fromOther) !== session.begun) return undefined
      const body = envelope.subarray(0, ENVELOPE_BYTES - TAG_BYTES)
      if (!same(tag(session, body), envelope.subarray(-TAG_BYTES))) return undefined
      const next = receive(session, head.number)
      const payload = envelope.slice(HEAD_BYTES, HEAD_BYTES + head.length)
      return next && { session: next, payload }
    },
    exportSession(session) {
      return text(
        JSON.stringify(session, (_, value) =>
          value instanceof Uint8Array ? { hex: Buffer.from(value).toString("hex") } : value,
        ),
      )
    },
    importSession(bytes) {
      try {
        return JSON.parse(Buffer.from(bytes).toString(), (_, value) =>
          typeof value?.hex === "string" ? new Uint8Array(Buffer.from(value.hex, "hex")) : value,
        )
      } catch {
        throw new AlliumError("BAD_SESSION", "Cannot read session: it is damaged")
      }
    },
  }
}

function fresh(offer: FakeSession["offer"], begun: boolean): CryptoSession {
  const key = hash(offer.prekeys, offer.salt, offer.from)
  const session: FakeSession = {
    ...{ name: hash(key).slice(0, 16), begun, answered: false, capacity: CAPACITY.first },
    ...{ key, offer, sent: 0, received: 0, missing: [] },
  }
  return session
}

function kindOf({ begun, answered }: CryptoSession): number {
  if (!begun) return KINDS.fromOther
  return answered ? KINDS.fromBeginner : KINDS.first
}

function writeEnvelope(session: FakeSession, kind: number, payload: Uint8Array): Uint8Array {
  const envelope = Buffer.alloc(ENVELOPE_BYTES)
  envelope.set([1, kind])
  envelope.set(session.name, 2)
  envelope.writeUInt32BE(session.sent + 1, 18)
  if (kind === KINDS.first) {
    envelope.set(session.offer.prekeys, 22)
    envelope.set(session.offer.salt, 30)
    envelope.set(session.offer.from, 46)
  }
  envelope.writeUInt16BE(payload.length, 78)
  envelope.set(payload, HEAD_BYTES)
  const body = envelope.subarray(0, ENVELOPE_BYTES - TAG_BYTES)
  envelope.set(tag(session, body), ENVELOPE_BYTES - TAG_BYTES)
  return new Uint8Array(envelope)
}

function tag(session: FakeSession, body: Uint8Array): Uint8Array {
  return hash(session.key, body).subarray(0, TAG_BYTES)
}

function readHead(bytes: Uint8Array) {
  const envelope = Buffer.from(bytes)
  if (envelope.length !== ENVELOPE_BYTES || envelope[0] !== 1) return undefined
  return {
    kind: envelope[1],
    name: bytes.slice(2, 18),
    number: envelope.readUInt32BE(18),
    prekeys: bytes.slice(22, 30),
    salt: bytes.slice(30, 46),
    from: bytes.slice(46, 78),
    length: envelope.readUInt16BE(78),
  }
}

function receive(session: FakeSession, number: number): CryptoSession | undefined {
  const { received, missing } = session
  const answered = { answered: true, capacity: CAPACITY.later }
  if (number <= received) {
    if (!missing.includes(number)) return undefined
    const left = missing.filter((one) => one !== number)
    return { ...session, ...answered, missing: left } as CryptoSession
  }
  if (number - received > SKIP_MAX) return undefined
  const skipped = Array.from({ length: number - received - 1 }, (_, index) => received + 1 + index)
  const kept = [...missing, ...skipped].slice(-2 * SKIP_MAX)
  return { ...session, ...answered, received: number, missing: kept } as CryptoSession
}

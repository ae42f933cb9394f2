import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type Ends,
  HELLO_BYTES,
  isConfirm,
  linkIdOf,
  readHello,
  readWelcome,
  WELCOME_BYTES,
  writeConfirm,
  writeHello,
  writeWelcome,
} from "../../../src/link/handshake.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import vectors from "../../vectors/link/vectors.json" with { type: "json" }
import { makeDestination, makeSigner } from "./support.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"))
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const ann = makeSigner(1)
const bob = makeSigner(2)
const ends: Ends = {
  callerDestination: makeDestination(1).bytes,
  answererDestination: makeDestination(2).bytes,
  answererKey: bob.publicKey,
}

function play(vector: (typeof vectors.handshakes)[number]) {
  const caller = {
    nonce: hex(vector.callerNonce),
    channelsMax: vector.callerChannels,
    firstWindowBytes: vector.callerWindow,
    keeps: (vector.callerFlags & 1) !== 0,
    lane: (vector.callerFlags & 0x3c) >> 2,
    linkId: hex(vector.resumes),
    received: vector.callerReceived,
  }
  const answerer = {
    nonce: hex(vector.answererNonce),
    channelsMax: vector.answererChannels,
    firstWindowBytes: vector.answererWindow,
    keeps: (vector.answererFlags & 1) !== 0,
    resumed: (vector.answererFlags & 2) !== 0,
    received: vector.answererReceived,
  }
  const hello = writeHello(caller, ann, ends)
  const welcome = writeWelcome(answerer, bob, hello.transcript)
  return { caller, answerer, hello, welcome, confirm: writeConfirm(ann, welcome.transcript) }
}

const [fresh, resumed] = vectors.handshakes.map((vector) => play(vector))
const good = fresh!

describe.each(vectors.handshakes)(
  "the handshake of the specification's vector $resumes",
  (vector) => {
    const { caller, answerer, hello, welcome, confirm } = play(vector)
    it("is written byte for byte", () => {
      expect(toHex(hello.bytes)).toBe(vector.hello)
      expect(toHex(welcome.bytes)).toBe(vector.welcome)
      expect(toHex(confirm)).toBe(vector.confirm)
      expect(toHex(linkIdOf(welcome.transcript))).toBe(vector.linkId)
      expect([hello.bytes.length, welcome.bytes.length]).toEqual([HELLO_BYTES, WELCOME_BYTES])
    })
    it("is read back by the other side", () => {
      const heard = readHello(hello.bytes, ends)
      expect(heard?.hello).toEqual(caller)
      expect(toHex(heard!.callerKey)).toBe(vector.callerKey)
      const answered = readWelcome(welcome.bytes, bob.publicKey, hello.transcript)
      expect(answered?.welcome).toEqual(answerer)
      expect(isConfirm(Buffer.from(confirm), ann.publicKey, answered!.transcript)).toBe(true)
    })
  },
)

describe("readHello()", () => {
  it.each([
    { name: "who wants another identity", change: { answererKey: ann.publicKey } },
    { name: "who comes from elsewhere", change: { callerDestination: makeDestination(3).bytes } },
    { name: "who dialled elsewhere", change: { answererDestination: makeDestination(3).bytes } },
  ])("refuses one $name", ({ change }) => {
    expect(readHello(good.hello.bytes, { ...ends, ...change })).toBeUndefined()
  })
  it("does not show the caller's key to whoever does not know the answerer's", () => {
    expect(toHex(good.hello.bytes)).not.toContain(toHex(ann.publicKey))
  })
  it("refuses every changed bit, and never fails", () => {
    fc.assert(
      fc.property(fc.nat({ max: HELLO_BYTES * 8 - 1 }), (bit) => {
        expect(readHello(flip(good.hello.bytes, bit), ends)).toBeUndefined()
      }),
      { numRuns: 2_000 },
    )
  })
  it("refuses whatever else comes, and never fails", () => {
    const random = fc.uint8Array({ minLength: HELLO_BYTES, maxLength: HELLO_BYTES })
    fc.assert(
      fc.property(random, fc.boolean(), (bytes, greeted) => {
        const hello = Buffer.from(bytes)
        if (greeted) good.hello.bytes.copy(hello, 0, 0, 36)
        expect(readHello(hello, ends)).toBeUndefined()
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("readWelcome()", () => {
  const { transcript } = good.hello
  it.each([
    { name: "by another identity", key: ann.publicKey, of: transcript },
    { name: "for another call", key: bob.publicKey, of: resumed!.hello.transcript },
  ])("refuses one $name", ({ key, of }) => {
    expect(readWelcome(good.welcome.bytes, key, of)).toBeUndefined()
  })
  it("refuses every changed bit and whatever else comes, and never fails", () => {
    const random = fc.uint8Array({ minLength: WELCOME_BYTES, maxLength: WELCOME_BYTES })
    const flipped = fc
      .nat({ max: WELCOME_BYTES * 8 - 1 })
      .map((bit) => flip(good.welcome.bytes, bit))
    fc.assert(
      fc.property(fc.oneof(random, flipped), (bytes) => {
        expect(readWelcome(Buffer.from(bytes), bob.publicKey, transcript)).toBeUndefined()
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("isConfirm()", () => {
  it("refuses a confirmation of another handshake, and a signature for another purpose", () => {
    const confirm = Buffer.from(good.confirm)
    expect(isConfirm(confirm, ann.publicKey, resumed!.welcome.transcript)).toBe(false)
    const other = Buffer.from(ann.sign("allium/link/1/welcome", good.welcome.transcript))
    expect(isConfirm(other, ann.publicKey, good.welcome.transcript)).toBe(false)
  })
})

function flip(bytes: Buffer, bit: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[bit >> 3] = changed[bit >> 3]! ^ (1 << (bit & 7))
  return changed
}

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { CryptoSession } from "../../../../src/mail/envelope/crypto.ts"
import { HYBRID_SUITE } from "../../../../src/mail/envelope/hybrid-keys.ts"
import { hashOf } from "../../../../src/mail/envelope/kdf.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"
import { ann, bob, bytes, meet, meetAndAnswer, NOW, seededCrypto, text } from "./people.ts"

const crypto = seededCrypto("files")
const badSession = expect.objectContaining({ code: "BAD_SESSION" })

function withKeptKeys(): CryptoSession {
  const { ann: hers, bob: his } = meetAndAnswer(crypto)
  const one = crypto.seal(hers, bytes("one"))
  const two = crypto.seal(one.session, bytes("two"))
  const three = crypto.seal(two.session, bytes("three"))
  return crypto.open(his, three.envelope, NOW)!.session
}

/** Sessions in every state, by name. */
const SESSIONS: Readonly<Record<string, CryptoSession>> = {
  "begun, nothing sealed": crypto.begin(ann, crypto.makePrekeys(bob).bundle),
  "begun, something sealed": meet(crypto).ann,
  accepted: meet(crypto).bob,
  "answered, our turn": meetAndAnswer(crypto).ann,
  "has answered": meetAndAnswer(crypto).bob,
  "with kept keys": withKeptKeys(),
}

/** With a checksum that is right, whatever is in it. */
function checked(body: Uint8Array): Uint8Array {
  return Buffer.concat([body, hashOf("file", body).subarray(0, 16)])
}

describe("exportSession() and importSession()", () => {
  it.each(Object.entries(SESSIONS))("are inverse: %s", (_, session) => {
    const file = crypto.exportSession(session)
    const read = crypto.importSession(file)
    expect({ ...read }).toEqual({ ...session })
    expect(crypto.exportSession(read)).toEqual(file)
  })

  it("take 1.5 kB, 2.7 until it is answered, and 42 bytes for each kept key", () => {
    const sizes = Object.values(SESSIONS).map((one) => crypto.exportSession(one).length)
    expect(sizes).toEqual([2_664, 2_700, 1_436, 1_436, 1_472, 1_436 + 35 + 2 * 42])
  })

  it("go on where the session was", () => {
    const { ann: hers, bob: his } = meetAndAnswer(crypto)
    const read = crypto.importSession(crypto.exportSession(his))
    const { envelope } = crypto.seal(hers, bytes("after"))
    expect(text(crypto.open(read, envelope, NOW)?.payload)).toBe("after")
  })

  it.each(Object.entries(SESSIONS))("refuse any damage: %s", (_, session) => {
    const file = crypto.exportSession(session)
    for (let at = 0; at < file.length; at += 7) {
      const damaged = Uint8Array.from(file)
      damaged[at] = damaged[at]! ^ 1
      expect(() => crypto.importSession(damaged)).toThrow(badSession)
    }
    for (const length of [0, 1, 15, 16, 17, file.length - 1])
      expect(() => crypto.importSession(file.subarray(0, length))).toThrow(badSession)
  })

  it("refuse what makes no sense, though the checksum is right", () => {
    const files = Object.values(SESSIONS).map((one) => crypto.exportSession(one).slice(0, -16))
    const wrong = fc.tuple(
      fc.constantFrom(...files),
      fc.nat({ max: 2_800 }),
      fc.integer({ min: 1, max: 255 }),
      fc.constantFrom("flip", "cut", "add", "flags"),
    )
    fc.assert(
      fc.property(wrong, ([file, place, bits, how]) => {
        const at = place % file.length
        const body = how === "cut" ? file.slice(0, at) : Uint8Array.from(file)
        if (how === "flip") body[at] = body[at]! ^ bits
        if (how === "flags") body[1] = body[1]! ^ bits
        readOrRefuse(checked(how === "add" ? Buffer.concat([body, body.subarray(at)]) : body))
      }),
      { numRuns: fuzzRuns(50) },
    )
  })

  it("refuse random bytes with a right checksum", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3_000 }), (body) => readOrRefuse(checked(body))),
      { numRuns: fuzzRuns(100) },
    )
  })
})

/** What is read is as good as what was written: it can be written, and can be used. */
function readOrRefuse(file: Uint8Array): void {
  try {
    const session = crypto.importSession(file)
    expect(crypto.exportSession(session)).toEqual(new Uint8Array(file))
    expect(crypto.open(session, new Uint8Array(4_096), NOW)).toBeUndefined()
    crypto.seal(session, bytes("x"))
  } catch (error) {
    expect(error).toMatchObject({ code: "BAD_SESSION" })
  }
}

describe("HYBRID_SUITE", () => {
  it("gives both sides of a turn the same secret", () => {
    const random = (byteCount: number) => new Uint8Array(byteCount).fill(9)
    const theirs = HYBRID_SUITE.beginTurn(
      crypto.makePrekeys(bob).bundle.subarray(129, 1_345),
      random,
    ).keys
    const { keys, ciphertext, shared } = HYBRID_SUITE.beginTurn(theirs.publicKey, random)
    expect(theirs.meet(keys.publicKey, ciphertext)).toEqual(shared)
  })
})

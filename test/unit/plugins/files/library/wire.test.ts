import { createPrivateKey, createPublicKey, sign } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { readEvidence, writeEvidence } from "../../../../../plugins/files/library/evidence.ts"
import {
  isSafePath,
  type PlainQuestion,
  readAnswer,
  readQuestion,
  type Says,
  signAnswer,
  writeQuestion,
} from "../../../../../plugins/files/library/wire.ts"
import { packValue } from "../../../../../src/base/pack.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"

const nonce = Uint8Array.from({ length: 16 }, (_, index) => index)
const transfer = new Uint8Array(16).fill(9)
/** RFC 8032, 7.1, test 1: its seed. */
const seed = Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex")
const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed])
const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" })
const spki = createPublicKey(key).export({ format: "der", type: "spki" })
const publicKey = new Uint8Array(spki.subarray(-32))
const signer = {
  sign: (domain: string, message: Uint8Array) =>
    new Uint8Array(sign(null, Buffer.concat([Buffer.from(`${domain}\0`), message]), key)),
}
const me = new Uint8Array(32).fill(7)
const isMine = (one: Uint8Array) => Buffer.compare(one, me) === 0
const asked = writeQuestion({ kind: "browse", after: 0 }, nonce)
const listed = { path: "Holidays/one.jpg", isFolder: false, size: 10, fileCount: 1 }
const says: Says = { kind: "list", listed: [listed], next: 1 }
const badRecord = expect.objectContaining({ code: "BAD_RECORD" })

describe("questions to a library", () => {
  it("are the bytes of the page, written by hand from the MessagePack specification", () => {
    const browse = `84 a176 01 a56e6f6e6365 c410000102030405060708090a0b0c0d0e0f
      a46b696e64 a662726f777365 a56166746572 00`
    const bytes = new Uint8Array(Buffer.from(browse.replaceAll(/\s/g, ""), "hex"))
    expect(asked).toEqual(bytes)
    expect(readQuestion(bytes)).toEqual({ v: 1, nonce, kind: "browse", after: 0 })
  })
  it.each<PlainQuestion>([
    { kind: "browse", path: "Holidays/2026", after: 100 },
    { kind: "search", words: ["one", "zwei"], after: 0 },
    { kind: "ask", path: "Holidays", transfer },
  ])("are read back: $kind", (question) => {
    expect(readQuestion(writeQuestion(question, nonce))).toEqual({ v: 1, nonce, ...question })
  })
  it.each([
    ["another version", { v: 2, nonce, kind: "browse", after: 0 }],
    ["a member too many", { v: 1, nonce, kind: "browse", after: 0, all: true }],
    ["a short nonce", { v: 1, nonce: nonce.slice(1), kind: "browse", after: 0 }],
    ["a path upwards", { v: 1, nonce, kind: "browse", path: "a/../b", after: 0 }],
    ["a path from the root", { v: 1, nonce, kind: "browse", path: "/etc", after: 0 }],
    ["a path that turns the line", { v: 1, nonce, kind: "browse", path: "a\u202eb", after: 0 }],
    ["no words", { v: 1, nonce, kind: "search", words: [], after: 0 }],
    ["too many words", { v: 1, nonce, kind: "search", words: Array(9).fill("a"), after: 0 }],
    ["a long word", { v: 1, nonce, kind: "search", words: ["x".repeat(65)], after: 0 }],
    ["a page before the first", { v: 1, nonce, kind: "browse", after: -1 }],
    ["an unknown kind", { v: 1, nonce, kind: "upload" }],
  ])("are refused with %s", (_name, value) => {
    expect(() => readQuestion(packValue(value))).toThrow(badRecord)
  })
  it("are refused when they are noise", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.anything()), (noise) => {
        expect(() => readQuestion(noise)).toThrow(badRecord)
      }),
      { numRuns: fuzzRuns(200) },
    )
  })
})

describe("answers of a library", () => {
  const answer = signAnswer(says, asked, me, signer, 1_700_000_000_999)

  it("say who said what to whom and when", () => {
    const body = readAnswer(answer, asked, publicKey, isMine)
    expect(body).toMatchObject({ v: 1, to: me, at: 1_700_000_000, says })
  })
  it("are signed over domain, zero and body: the vector of the page", () => {
    const refused = signAnswer({ kind: "refused", code: "NOT_FOUND" }, asked, me, signer, 0)
    expect(Buffer.from(refused.signature).toString("hex")).toMatchInlineSnapshot(
      `"7fa0bba2889a1a4d9b386ebab5f31482233e770dfd4479c4260d51b63882a2236d2aeff48f72e98135fad27501100f6ebdd8d5ce31aa972e54cda36112d3580d"`,
    )
  })
  it("are not believed to another question, to somebody else, or from somebody else", () => {
    const other = writeQuestion({ kind: "browse", after: 0 }, new Uint8Array(16))
    expect(() => readAnswer(answer, other, publicKey, isMine)).toThrow(badRecord)
    expect(() => readAnswer(answer, asked, publicKey, () => false)).toThrow(badRecord)
    expect(() => readAnswer(answer, asked, new Uint8Array(32).fill(3), isMine)).toThrow(badRecord)
  })
  it("are not believed with any byte changed", () => {
    fc.assert(
      fc.property(fc.nat(answer.body.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const body = answer.body.slice()
        body[at]! ^= flip
        expect(() => readAnswer({ ...answer, body }, asked, publicKey, isMine)).toThrow(badRecord)
      }),
      { numRuns: fuzzRuns(50) },
    )
  })
  it.each([
    ["a name that leaves its folder", { kind: "list", listed: [{ ...listed, path: "../x" }] }],
    ["a size beyond 8 TiB", { kind: "list", listed: [{ ...listed, size: 2 ** 43 + 1 }] }],
    ["more than fits a page", { kind: "list", listed: Array(101).fill(listed) }],
    ["an unknown refusal", { kind: "refused", code: "BORED" }],
  ])("are refused with %s, though signed", (_name, wrong) => {
    const signed = signAnswer(wrong as Says, asked, me, signer, 0)
    expect(() => readAnswer(signed, asked, publicKey, isMine)).toThrow(badRecord)
  })
})

describe("evidence", () => {
  const { body, signature } = signAnswer(says, asked, me, signer, 5_000)
  const one = { from: publicKey, question: asked, body, signature }

  it("is read back with who said what to whom", () => {
    const [proven] = readEvidence(writeEvidence([one]))
    expect(proven).toMatchObject({ from: publicKey, question: { kind: "browse" } })
    expect(proven!.body).toMatchObject({ to: me, at: 5, says })
  })
  it("is refused with any byte of an answer changed", () => {
    const file = writeEvidence([one])
    fc.assert(
      fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = file.slice()
        damaged[at]! ^= flip
        expect(() => readEvidence(damaged)).toThrow(badRecord)
      }),
      { numRuns: fuzzRuns(60) },
    )
  })
  it("is refused when it is noise", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        expect(() => readEvidence(noise)).toThrow(badRecord)
      }),
      { numRuns: fuzzRuns(100) },
    )
  })
})

describe("isSafePath()", () => {
  it("takes nothing that safeName() would change", () => {
    const unsafe = ["", "a//b", "a/", ".ssh", "a/.b", "con", "a:b", "a\\b", "-rf", "a\nb", "~"]
    expect(unsafe.filter(isSafePath)).toEqual([])
    expect(isSafePath("Holidays/2026/größe 1.jpg")).toBe(true)
    expect(isSafePath(Array(34).fill("a").join("/"))).toBe(false)
  })
})

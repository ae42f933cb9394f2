import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isAlliumError } from "../../../src/base/errors.ts"
import { packValue } from "../../../src/base/pack.ts"
import { systemRandom } from "../../../src/base/random.ts"
import {
  type DeviceLetter,
  packDeviceLetter,
  readDeviceLetter,
} from "../../../src/router/device-letters.ts"
import { askToJoin, handOver, isAsking } from "../../../src/router/device-wire.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import { signerOf } from "../identity/signer.ts"

const bytes = (value: number, length = 32) => new Uint8Array(length).fill(value)
const meeting = {
  secret: bytes(1, 16),
  callerKey: signerOf(bytes(2)).publicKey,
  identityKey: signerOf(bytes(3)).publicKey,
}
const address = `${"b".repeat(51)}a.b32.i2p`
const secrets = {
  ...{ identity: bytes(4), agreement: bytes(5), destination: bytes(6) },
  nextKeyHash: "n".repeat(43),
}
const handover = {
  joined: { name: "ann", device: 1, address, secrets },
  list: bytes(7, 9),
  contacts: [],
  parts: { notes: bytes(8, 3) },
}

describe("a handover", () => {
  it("opens for who asked with the secret", () => {
    const { ask, open } = askToJoin(meeting, systemRandom)
    expect(isAsking(meeting, ask)).toBe(true)
    expect(open(handOver(meeting, ask, handover, systemRandom))).toEqual(handover)
  })

  it.each([
    { other: "secret", change: { secret: bytes(9, 16) } },
    { other: "caller", change: { callerKey: bytes(9) } },
    { other: "identity", change: { identityKey: bytes(9) } },
  ])("is not given to, and not taken from, another $other", ({ change }) => {
    const { ask, open } = askToJoin({ ...meeting, ...change }, systemRandom)
    expect(isAsking(meeting, ask)).toBe(false)
    const answer = handOver(meeting, ask, handover, systemRandom)
    expect(() => open(answer)).toThrow(expect.objectContaining({ code: "DEVICE_REFUSED" }))
  })

  it("does not open for another asking, not even with the secret", () => {
    const first = askToJoin(meeting, systemRandom)
    const answer = handOver(meeting, first.ask, handover, systemRandom)
    expect(() => askToJoin(meeting, systemRandom).open(answer)).toThrow(
      expect.objectContaining({ code: "DEVICE_REFUSED" }),
    )
  })

  it("shows nothing of what is in it", () => {
    const { ask } = askToJoin(meeting, systemRandom)
    const answer = Buffer.from(handOver(meeting, ask, handover, systemRandom))
    for (const secret of Object.values(secrets))
      expect(answer.includes(Buffer.from(secret))).toBe(false)
    expect(answer.includes(Buffer.from(meeting.secret))).toBe(false)
  })

  it("is refused whatever else comes", () => {
    const { ask, open } = askToJoin(meeting, systemRandom)
    const good = handOver(meeting, ask, handover, systemRandom)
    const changed = fc.nat(good.length * 8 - 1).map((bit) => {
      const answer = new Uint8Array(good)
      answer[bit >> 3]! ^= 1 << (bit & 7)
      return answer
    })
    fc.assert(
      fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 200 })), (answer) => {
        try {
          open(answer)
          return false
        } catch (error) {
          return isAlliumError(error, "DEVICE_REFUSED")
        }
      }),
      { numRuns: fuzzRuns(100) },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (any) => !isAsking(meeting, any)),
      { numRuns: fuzzRuns(100) },
    )
  })
})

describe("readDeviceLetter()", () => {
  const contact = "k".repeat(43)
  const said = { contact, topic: "notes", name: "note-1" }
  const letters: readonly DeviceLetter[] = [
    { kind: "list", list: bytes(1, 4) },
    { kind: "sent", ...said, content: bytes(2, 5) },
    { kind: "state", ...said, state: { kind: "failed", reason: "NO_CONTACT" } },
    { kind: "contact", contact, atMs: 5 },
    { kind: "ask", uri: "allium:", name: "bob", greeting: "" },
  ]

  it("reads what was written", () => {
    for (const letter of letters) expect(readDeviceLetter(packDeviceLetter(letter))).toEqual(letter)
  })

  it("refuses whatever else comes", () => {
    const values = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.json().map((text) => packValue(JSON.parse(text))),
      fc
        .constantFrom(...letters)
        .map((letter) => packValue({ v: 1, ...letter, more: "of something" })),
      fc.constantFrom(...letters).map((letter) => packValue({ v: 2, ...letter })),
    )
    fc.assert(
      fc.property(values, (content) => {
        try {
          readDeviceLetter(content)
          return false
        } catch (error) {
          return isAlliumError(error, "BAD_RECORD")
        }
      }),
      { numRuns: fuzzRuns(200) },
    )
  })
})

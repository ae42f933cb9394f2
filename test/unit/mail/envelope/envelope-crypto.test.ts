import { describe, expect, it } from "vitest"
import { systemRandom } from "../../../../src/base/random.ts"
import type { CryptoSession } from "../../../../src/mail/envelope/crypto.ts"
import { createEnvelopeCrypto } from "../../../../src/mail/envelope/envelope-crypto.ts"
import { ann, bob, bytes, meet, meetAndAnswer, NOW, text } from "./people.ts"

const crypto = createEnvelopeCrypto({ random: systemRandom })

/** Seals texts one after another. */
function sealAll(session: CryptoSession, texts: readonly string[]) {
  const envelopes: Uint8Array[] = []
  for (const one of texts) {
    const sealed = crypto.seal(session, bytes(one))
    envelopes.push(sealed.envelope)
    session = sealed.session
  }
  return { session, envelopes }
}

/** Opens envelopes one after another; each must open. */
function openAll(session: CryptoSession, envelopes: readonly Uint8Array[]) {
  const texts: (string | undefined)[] = []
  for (const envelope of envelopes) {
    const opened = crypto.open(session, envelope, NOW)
    texts.push(text(opened?.payload))
    session = opened?.session ?? session
  }
  return { session, texts }
}

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `number ${index}`)

describe("accept()", () => {
  it("opens the first envelope, and says who sent it", () => {
    const prekeys = crypto.makePrekeys(bob)
    const begun = crypto.begin(ann, prekeys.bundle)
    const { session, envelope } = crypto.seal(begun, bytes("hello"))
    const opened = crypto.accept(bob, prekeys, envelope, NOW)
    expect(text(opened?.payload)).toBe("hello")
    expect(opened?.peerKey).toEqual(ann.publicKey)
    expect(opened?.session.name).toEqual(session.name)
    expect(session).toMatchObject({ begun: true, answered: false, capacity: 457 })
    expect(opened?.session).toMatchObject({ begun: false, answered: true, capacity: 1_737 })
  })

  it("opens the same envelope again, into the same session", () => {
    const prekeys = crypto.makePrekeys(bob)
    const { envelope } = crypto.seal(crypto.begin(ann, prekeys.bundle), bytes("hello"))
    const [once, again] = [1, 2].map(() => crypto.accept(bob, prekeys, envelope, NOW))
    expect(crypto.exportSession(once!.session)).toEqual(crypto.exportSession(again!.session))
  })

  it("opens whichever envelope of a session comes first, and the session opens the others", () => {
    const prekeys = crypto.makePrekeys(bob)
    const { envelopes } = sealAll(crypto.begin(ann, prekeys.bundle), numbered(5))
    const opened = crypto.accept(bob, prekeys, envelopes[3]!, NOW)
    expect(text(opened?.payload)).toBe("number 3")
    const others = [4, 0, 2, 1].map((index) => envelopes[index]!)
    expect(openAll(opened!.session, others).texts).toEqual(
      [4, 0, 2, 1].map((index) => `number ${index}`),
    )
  })

  it("does not open what was sealed for other prekeys, or for nobody", () => {
    const [prekeys, others] = [crypto.makePrekeys(bob), crypto.makePrekeys(bob)]
    const { envelope } = crypto.seal(crypto.begin(ann, prekeys.bundle), bytes("hello"))
    expect(crypto.accept(bob, others, envelope, NOW)).toBeUndefined()
    expect(crypto.accept(bob, prekeys, systemRandom(4_096), NOW)).toBeUndefined()
    expect(crypto.accept(bob, prekeys, envelope.subarray(1), NOW)).toBeUndefined()
    expect(crypto.accept(bob, prekeys, new Uint8Array(), NOW)).toBeUndefined()
  })

  it("does not open for another identity than the bundle's, whoever has the prekeys", () => {
    const prekeys = crypto.makePrekeys(bob)
    const { envelope } = crypto.seal(crypto.begin(ann, prekeys.bundle), bytes("hello"))
    expect(crypto.accept(ann, prekeys, envelope, NOW)).toBeUndefined()
  })

  it("does not open for who says to be somebody else", () => {
    const prekeys = crypto.makePrekeys(bob)
    const { publicKey, agreementKey, agreementProof } = ann
    const eve = { ...bob, publicKey, agreementKey, agreementProof } // Ann's names, another secret
    const { envelope } = crypto.seal(crypto.begin(eve, prekeys.bundle), bytes("hello"))
    expect(crypto.accept(bob, prekeys, envelope, NOW)).toBeUndefined()
    const mallory = { ...ann, agreementKey: bob.agreementKey, agree: bob.agree } // a key Ann did not sign
    const forged = crypto.seal(crypto.begin(mallory, prekeys.bundle), bytes("hello"))
    expect(crypto.accept(bob, prekeys, forged.envelope, NOW)).toBeUndefined()
  })

  it("does not open for a key that everybody has the secret of, though its identity signed it", () => {
    const prekeys = crypto.makePrekeys(bob)
    const agreementKey = new Uint8Array(32)
    const agreementProof = ann.sign("allium agreement key v1", agreementKey)
    const weak = { ...ann, agreementKey, agreementProof, agree: () => new Uint8Array(32) }
    const { envelope } = crypto.seal(crypto.begin(weak, prekeys.bundle), bytes("hello"))
    expect(crypto.accept(bob, prekeys, envelope, NOW)).toBeUndefined()
  })

  it("refuses prekeys that were never made", () => {
    const prekeys = { ...crypto.makePrekeys(bob), secret: new Uint8Array(95) }
    expect(() => crypto.accept(bob, prekeys, new Uint8Array(4_096), NOW)).toThrow(RangeError)
  })
})

describe("begin()", () => {
  it("carries its hello until it is answered", () => {
    const prekeys = crypto.makePrekeys(bob)
    const { session, envelopes } = sealAll(crypto.begin(ann, prekeys.bundle), numbered(3))
    const names = envelopes.map((one) => crypto.accept(bob, prekeys, one, NOW)!.session.name)
    expect(names).toEqual([session.name, session.name, session.name])
    const his = crypto.accept(bob, prekeys, envelopes[0]!, NOW)!.session
    const answer = crypto.seal(his, bytes("welcome"))
    const opened = crypto.open(session, answer.envelope, NOW)
    expect(opened?.session).toMatchObject({ answered: true, capacity: 1_737 })
    const next = crypto.seal(opened!.session, bytes("next"))
    expect(crypto.accept(bob, prekeys, next.envelope, NOW)).toBeUndefined()
    const late = openAll(answer.session, [next.envelope, envelopes[2]!, envelopes[1]!])
    expect(late.texts).toEqual(["next", "number 2", "number 1"])
  })

  it("is no trouble when both sides do it at once", () => {
    const [hers, his] = [crypto.makePrekeys(ann), crypto.makePrekeys(bob)]
    const fromAnn = crypto.seal(crypto.begin(ann, his.bundle), bytes("from Ann"))
    const fromBob = crypto.seal(crypto.begin(bob, hers.bundle), bytes("from Bob"))
    expect(text(crypto.accept(bob, his, fromAnn.envelope, NOW)?.payload)).toBe("from Ann")
    expect(text(crypto.accept(ann, hers, fromBob.envelope, NOW)?.payload)).toBe("from Bob")
    expect(fromAnn.session.name).not.toEqual(fromBob.session.name)
  })
})

describe("open()", () => {
  it("lets two talk in turns", () => {
    let { ann: hers, bob: his } = meetAndAnswer(crypto)
    for (let round = 0; round < 5; round++) {
      const there = crypto.seal(hers, bytes(`there ${round}`))
      const arrived = crypto.open(his, there.envelope, NOW)
      expect(text(arrived?.payload)).toBe(`there ${round}`)
      const back = crypto.seal(arrived!.session, bytes(`back ${round}`))
      const returned = crypto.open(there.session, back.envelope, NOW)
      expect(text(returned?.payload)).toBe(`back ${round}`)
      hers = returned!.session
      his = back.session
    }
  })

  it("opens nothing twice, and not what it sealed itself", () => {
    const { ann: hers, bob: his } = meetAndAnswer(crypto)
    const { session, envelope } = crypto.seal(hers, bytes("once"))
    const opened = crypto.open(his, envelope, NOW)
    expect(crypto.open(opened!.session, envelope, NOW)).toBeUndefined()
    expect(crypto.open(session, envelope, NOW)).toBeUndefined()
  })

  it("leaves the session as it was", () => {
    const { ann: hers, bob: his } = meetAndAnswer(crypto)
    const { envelope } = crypto.seal(hers, bytes("again"))
    const before = crypto.exportSession(his)
    const [once, again] = [1, 2].map(() => crypto.open(his, envelope, NOW))
    expect(crypto.exportSession(his)).toEqual(before)
    expect(crypto.exportSession(once!.session)).toEqual(crypto.exportSession(again!.session))
  })

  it("opens a message of an old chain after several turns", () => {
    let { ann: hers, bob: his } = meetAndAnswer(crypto)
    const late = sealAll(hers, ["late 0", "late 1", "late 2"])
    hers = late.session
    his = openAll(his, [late.envelopes[1]!]).session
    for (let turn = 0; turn < 3; turn++) {
      const back = sealAll(his, ["back"])
      hers = openAll(hers, back.envelopes).session
      const there = sealAll(hers, ["there"])
      his = openAll(back.session, there.envelopes).session
      hers = there.session
    }
    expect(openAll(his, [late.envelopes[2]!, late.envelopes[0]!]).texts).toEqual([
      "late 2",
      "late 0",
    ])
  })

  it("opens what jumps 1,000, not what jumps 1,001", () => {
    const { ann: hers, bob: his } = meetAndAnswer(crypto)
    const { envelopes } = sealAll(hers, numbered(1_002))
    expect(crypto.open(his, envelopes[1_001]!, NOW)).toBeUndefined()
    expect(text(crypto.open(his, envelopes[1_000]!, NOW)?.payload)).toBe("number 1000")
  })

  it("forgets keys of what was overtaken after 30 days, and not before", () => {
    const { ann: hers, bob: his } = meetAndAnswer(crypto)
    const { envelopes } = sealAll(hers, numbered(4))
    const past = (days: number) => ({ nowMs: NOW.nowMs + days * 86_400_000 })
    const opened = crypto.open(his, envelopes[2]!, NOW)!
    expect(text(crypto.open(opened.session, envelopes[0]!, past(30))?.payload)).toBe("number 0")
    expect(crypto.open(opened.session, envelopes[0]!, past(30.01))).toBeUndefined()
    const later = crypto.open(opened.session, envelopes[3]!, past(30.01))!
    expect(crypto.exportSession(later.session)).toHaveLength(
      crypto.exportSession(opened.session).length - 2 * 42 - 35,
    )
  })

  it("opens everything that arrives when 30 % of 1,000 are lost and the rest is shuffled", () => {
    const { ann: hers, bob: his } = meetAndAnswer(crypto)
    const { envelopes } = sealAll(hers, numbered(1_000))
    const order = envelopes.map((envelope, index) => ({ envelope, at: (index * 7_919) % 1_000 }))
    order.sort((one, other) => one.at - other.at)
    const arriving = order.slice(0, 700)
    const { texts } = openAll(
      his,
      arriving.map(({ envelope }) => envelope),
    )
    expect(texts.filter((one) => one === undefined)).toEqual([])
    expect(new Set(texts).size).toBe(700)
  })
})

describe("seal()", () => {
  it("takes 1 to capacity bytes, and gives them back without padding", () => {
    const { ann: unanswered } = meet(crypto)
    const { ann: hers, bob: his } = meetAndAnswer(crypto)
    for (const session of [unanswered, hers])
      for (const length of [0, session.capacity + 1])
        expect(() => crypto.seal(session, new Uint8Array(length))).toThrow(RangeError)
    for (const length of [1, 2, 1_736, 1_737]) {
      const payload = systemRandom(length)
      const { envelope } = crypto.seal(hers, payload)
      expect(envelope).toHaveLength(4_096)
      expect(crypto.open(his, envelope, NOW)?.payload).toEqual(payload)
    }
  })

  it("never repeats a byte pattern for the same payload and state", () => {
    const { ann: hers, bob: his } = meetAndAnswer(crypto)
    const [one, other] = [1, 2].map(() => crypto.seal(hers, bytes("same")).envelope)
    const same = one!.filter((byte, index) => byte === other![index]).length
    expect(same).toBeLessThan(64)
    expect([one, other].map((each) => text(crypto.open(his, each!, NOW)?.payload))).toEqual([
      "same",
      "same",
    ])
  })

  it("takes sessions that were made here only", () => {
    const { ann: hers } = meet(crypto)
    expect(() => crypto.seal({ ...hers }, bytes("hello"))).toThrow(TypeError)
  })
})

describe("CryptoSession", () => {
  it("shows no secret when it is printed", () => {
    const { ann: hers } = meet(crypto)
    expect(Object.keys(hers)).toEqual(["name", "begun", "answered", "capacity"])
  })
})

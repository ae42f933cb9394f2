import { describe, expect, it } from "vitest"
import { HYBRID_SUITE, openHybridKeys } from "../../../../src/mail/envelope/hybrid-keys.ts"
import {
  readableChains,
  takeReceivingKey,
  takeSendingKey,
} from "../../../../src/mail/envelope/ratchet.ts"
import {
  answerRatchet,
  beginRatchet,
  type Header,
  type RatchetState,
} from "../../../../src/mail/envelope/ratchet-state.ts"
import { seededRandom } from "./people.ts"

const random = seededRandom("ratchets")
const nowMs = 0

function start(): { ann: RatchetState; bob: RatchetState } {
  const keys = openHybridKeys(random(96))
  const given = { rootKey: random(32), beginnerKey: random(32), otherKey: random(32) }
  return { ann: beginRatchet(given, keys.publicKey), bob: answerRatchet(given, keys) }
}

/** Sends one; its header may be changed on the way, as only the sender could. */
function send(from: RatchetState, to: RatchetState, change: Partial<Header> = {}) {
  const sent = takeSendingKey(HYBRID_SUITE, from, random)
  const mark = readableChains(to).find(({ headerKey }) =>
    Buffer.from(headerKey).equals(sent.headerKey),
  )
  const header = { ...sent.header, ...change }
  const taken =
    mark && takeReceivingKey(HYBRID_SUITE, to, { headerKey: mark.headerKey, header, nowMs })
  return { sent, taken }
}

/** Both have a chain, and Ann has sent two in hers, of which Bob has one. */
function talking() {
  const { ann, bob } = start()
  const first = send(ann, bob)
  const answer = send(first.taken!.state, first.sent.state)
  const [hers, his] = [answer.taken!.state, answer.sent.state]
  const one = send(hers, his)
  return { ann: one.sent.state, bob: one.taken!.state }
}

describe("takeReceivingKey()", () => {
  it("comes to the key of the sender", () => {
    const { ann, bob } = start()
    const { sent, taken } = send(ann, bob)
    expect(taken?.messageKey).toEqual(sent.messageKey)
  })

  it("refuses a turn with a key of small order", () => {
    const { ann, bob } = start()
    const key = takeSendingKey(HYBRID_SUITE, ann, random).header.key.slice()
    key.fill(0, 0, 32)
    expect(send(ann, bob, { key }).taken).toBeUndefined()
  })

  it.each([
    ["a chain before the first", { sentBefore: 1 }],
    ["a jump of 1,001", { number: 1_001 }],
    ["the highest number there is", { number: 2 ** 32 - 1 }],
  ])("refuses %s in a first turn", (_, change) => {
    const { ann, bob } = start()
    expect(send(ann, bob, change).taken).toBeUndefined()
  })

  it.each([
    ["a chain that had fewer than came", { sentBefore: 0 }],
    ["a chain that had 1,001 more than came", { sentBefore: 1_002 }],
    ["a jump of 1,001", { number: 1_001 }],
  ])("refuses %s in a later turn", (_, change) => {
    const { ann, bob } = start()
    const first = send(ann, bob)
    const answer = send(first.taken!.state, first.sent.state)
    expect(send(answer.taken!.state, answer.sent.state, change).taken).toBeUndefined()
    expect(send(answer.taken!.state, answer.sent.state).taken).toBeDefined()
  })

  it("lets nobody answer what was not sent", () => {
    const { bob } = talking()
    expect(bob.turn.is).toBe("ours")
    const keys = readableChains(bob).map(({ headerKey }) => headerKey)
    expect(keys).not.toContain(bob.nextReceivingKey)
    const { header } = takeSendingKey(HYBRID_SUITE, bob, random)
    const arrival = { headerKey: bob.nextReceivingKey, header, nowMs }
    expect(takeReceivingKey(HYBRID_SUITE, bob, arrival)).toBeUndefined()
  })

  it("keeps at most what two jumps of 1,000 skip", () => {
    const { ann, bob } = start()
    const first = send(ann, bob)
    const answer = send(first.taken!.state, first.sent.state)
    const jump = { sentBefore: 1_001, number: 1_000 }
    const { taken } = send(answer.taken!.state, answer.sent.state, jump)
    expect(taken?.state.kept.map(({ keys }) => keys.length)).toEqual([1_000, 1_000])
  })
})

describe("takeSendingKey()", () => {
  it("refuses who was begun with and has opened nothing", () => {
    expect(() => takeSendingKey(HYBRID_SUITE, start().bob, random)).toThrow(RangeError)
  })

  it("gives no key twice", () => {
    const { ann } = start()
    const one = takeSendingKey(HYBRID_SUITE, ann, random)
    const two = takeSendingKey(HYBRID_SUITE, one.state, random)
    expect(one.messageKey).not.toEqual(two.messageKey)
    expect([one.header.number, two.header.number]).toEqual([0, 1])
    expect(two.header.key).toEqual(one.header.key)
  })
})

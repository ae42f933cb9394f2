import Olm from "@matrix-org/olm"
import { beforeAll, describe, expect, it } from "vitest"
import { seededChance, systemRandom } from "../../../../src/base/random.ts"
import { openAgreementKey } from "../../../../src/base/x25519.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"
import { type OlmMessage, OlmPeer } from "../../../support/olm-peer.ts"

/** Olm keeps 40 keys of what was overtaken; a story must not need more. */
const BURST_MOST = 12

interface Side {
  encrypt(text: string): OlmMessage
  decrypt(message: OlmMessage): string | undefined
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64").replace(/=+$/, "")
const fromBase64 = (text: string) => new Uint8Array(Buffer.from(text, "base64"))

function asSide(session: Olm.Session): Side {
  return {
    encrypt: (text) => session.encrypt(text) as unknown as OlmMessage,
    decrypt: ({ type, body }) => session.decrypt(type, body),
  }
}

/** We begin, their library answers. */
function weBegin(): { ours: Side; theirs: Side } {
  const account = new Olm.Account()
  account.create()
  account.generate_one_time_keys(1)
  const { curve25519 } = JSON.parse(account.identity_keys())
  const [oneTimeKey] = Object.values<string>(JSON.parse(account.one_time_keys()).curve25519)
  const ours = OlmPeer.begin({
    identityKey: fromBase64(curve25519),
    oneTimeKey: fromBase64(oneTimeKey!),
  })
  const session = new Olm.Session()
  const first = ours.encrypt("first")
  session.create_inbound(account, first.body)
  expect(session.decrypt(first.type, first.body)).toBe("first")
  return { ours, theirs: asSide(session) }
}

/** Their library begins, we answer. */
function theyBegin(): { ours: Side; theirs: Side } {
  const account = new Olm.Account()
  account.create()
  const [identity, oneTime] = [systemRandom(32), systemRandom(32)]
  const [identityKey, oneTimeKey] = [identity, oneTime].map((one) =>
    base64(openAgreementKey(one).publicKey),
  )
  const session = new Olm.Session()
  session.create_outbound(account, identityKey!, oneTimeKey!)
  const theirs = asSide(session)
  const first = theirs.encrypt("first")
  const ours = OlmPeer.answer({ identity, oneTime }, first)
  expect(ours.decrypt(first)).toBe("first")
  return { ours, theirs }
}

function shuffle<T>(items: T[], chance: () => number): T[] {
  return items
    .map((item) => ({ item, at: chance() }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => item)
}

describe("our ratchet with Olm's labels", () => {
  beforeAll(async () => {
    const before = new Set(process.listeners("uncaughtException"))
    await Olm.init()
    // Emscripten wants to be told of every crash of the process; that is vitest's business.
    for (const event of ["uncaughtException", "unhandledRejection"] as const)
      for (const listener of process.listeners(event as "uncaughtException"))
        if (String(listener).includes("throw") && !before.has(listener))
          process.removeListener(event, listener)
  })

  it.each([
    ["we begin", weBegin],
    ["they begin", theyBegin],
  ])("talks with Olm's library when %s: bursts, shuffled, a third lost, some twice", (_, meet) => {
    const chance = seededChance(7)
    const sides = meet()
    let delivered = 0
    for (let burst = 0; burst < fuzzRuns(30); burst++) {
      const [from, to] = chance() < 0.5 ? [sides.ours, sides.theirs] : [sides.theirs, sides.ours]
      const count = 1 + Math.floor(chance() * BURST_MOST)
      const sent = Array.from({ length: count }, (_, index) => {
        const text = `burst ${burst}, message ${index}`
        return { text, message: from.encrypt(text) }
      })
      for (const { text, message } of shuffle(sent, chance).slice(0, Math.ceil((count * 2) / 3))) {
        expect(to.decrypt(message)).toBe(text)
        delivered++
      }
    }
    expect(delivered).toBeGreaterThan(fuzzRuns(30))
  })

  it("refuses what Olm refuses, and goes on", () => {
    const { ours, theirs } = theyBegin()
    const message = theirs.encrypt("hello")
    const forged = Buffer.from(message.body, "base64")
    forged[forged.length - 1]! ^= 1
    expect(ours.decrypt({ ...message, body: base64(forged) })).toBeUndefined()
    expect(ours.decrypt(message)).toBe("hello")
    expect(ours.decrypt(message)).toBeUndefined()
  })
})

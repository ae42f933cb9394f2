/**
 * What letters look like on the wire: whatever they are and say, they cannot be told apart. Recorded from whole routers,
 * between each of them and its I2P router, where links can be read.
 *
 * What can be told all the same (how many, which way, when) is in docs/protocol/letter.md, "What can be told".
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { median } from "../../bench/figure.ts"
import { ENVELOPE_BYTES } from "../../src/mail/envelope/crypto.ts"
import { answers, requests } from "../../src/mail/mailbox/wire.ts"
import { chiSquareOfBytes } from "../support/chi-square.ts"
import { isPut, openWirePeople, type WirePeople, type WirePerson } from "../support/wire-people.ts"
import type { MailboxFrame } from "../support/wire-tap.ts"

const LARGE = 4_352
const SMALL = 256
/** A text of so many bytes takes several envelopes. */
const LONG = "a long text that says much ".repeat(300)
/** How long an acknowledgement alone may wait, as docs/protocol/letter.md says. */
const ACK_MS = 2_000
/** Two runs of the same thing on a busy machine may be so far apart. */
const NOISE_MS = 500

let people: WirePeople
let ann: WirePerson
let bob: WirePerson
let count = 0

const say = (who: WirePerson, contact: string, text: string) =>
  who.ask<{ id: string }>("message send", { contact, text, wait: true })
/** Of the newest message of Ann's, or of Bob's, that is no group's. */
const newest = async (direction: "in" | "out") => {
  const list = await ann.ask<{ id: string; direction: string }[]>("message list", {
    contact: "bob",
  })
  return list.findLast((one) => one.direction === direction)!.id
}
const group = async () => (await ann.ask<{ id: string }[]>("group list"))[0]!.id

/** What Ann does; each makes envelopes for Bob. */
const deeds = {
  "short text": () => ann.ask("message send", { contact: "bob", text: "hi" }),
  "long text": () => ann.ask("message send", { contact: "bob", text: LONG }),
  reaction: async () =>
    ann.ask("message react", {
      ...{ contact: "bob", message: await newest("in"), emoji: `${++count}` },
    }),
  edit: async () =>
    ann.ask("message edit", {
      ...{ contact: "bob", message: await newest("out"), text: `better ${++count}` },
    }),
  "group change": async () =>
    ann.ask("group rename", { group: await group(), name: `friends ${++count}` }),
  "text in a group": async () => ann.ask("message send", { contact: await group(), text: "all" }),
  "read receipt": async () => {
    await say(bob, "ann", "read this")
    await ann.quiet()
    return ann.ask("message read", { contact: "bob" })
  },
  "acknowledgement alone": () => say(bob, "ann", "I hear"),
  "answer, the first of a turn": async () => {
    await say(bob, "ann", "your turn")
    await ann.quiet()
    return ann.ask("message send", { contact: "bob", text: "an answer" })
  },
} satisfies Record<string, () => Promise<unknown>>
type Kind = keyof typeof deeds

/** What passed at `ear` because of a deed. */
async function record(ear: WirePerson, deed: () => Promise<unknown>): Promise<MailboxFrame[]> {
  await ear.quiet()
  const mark = ear.tap.frames.length
  await deed()
  await ear.untilPuts(ear === ann ? "out" : "in", 1, mark)
  await ear.quiet()
  return ear.tap.frames.slice(mark)
}

/** Each frame without what is random or counts: tag, id and envelope. */
function shapeOf(frame: MailboxFrame): string {
  const { tag, id, envelope, ...rest } = requests.decode(frame.bytes) as Record<string, unknown>
  expect([tag, id, envelope].every((one) => one !== undefined)).toBe(true)
  return JSON.stringify(rest, (_, value) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value,
  )
}

const envelopeOf = ({ bytes }: MailboxFrame) =>
  (requests.decode(bytes) as unknown as { envelope: Uint8Array }).envelope

/** Backups go to the tower too, by another clock: in pieces that can be told from letters by their size. */
const isOfQueues = ({ bytes }: MailboxFrame) => !(isPiece(bytes) || isAboutBlobs(bytes))
const isPiece = (bytes: Uint8Array) => bytes[0]! >= 0x80
const isAboutBlobs = (bytes: Uint8Array) => bytes[0] === 0x09 || bytes[0] === 0x0a

/** All but the version looks like a fair draw, as a whole and at each place. */
function expectRandom(envelopes: readonly Uint8Array[]): void {
  expect(new Set(envelopes.map(([version]) => version)).size).toBe(1)
  const bodies = envelopes.map((one) => one.subarray(1))
  expect(bodies.every(({ length }) => length === ENVELOPE_BYTES - 1)).toBe(true)
  // 255 on average, deviation 22.6: one run in millions is beyond.
  expect(chiSquareOfBytes(Buffer.concat(bodies))).toBeLessThan(400)
  expect(chiSquareOfBytes(Buffer.concat(bodies))).toBeGreaterThan(140)
  const heads = bodies.map((one) => one.subarray(0, 128))
  expect(chiSquareOfBytes(Buffer.concat(heads))).toBeLessThan(420)
  const likely = 256 * (1 - (255 / 256) ** bodies.length)
  for (let at = 0; at < ENVELOPE_BYTES - 1; at++) {
    const values = new Set(bodies.map((body) => body[at]))
    expect(values.size, `values at ${at + 1}`).toBeGreaterThan(likely / 2)
  }
}

beforeAll(async () => {
  people = await openWirePeople()
  ann = people.ann
  bob = people.bob
  for (const who of [ann, bob]) await who.ask("message settings", { receipts: "on", typing: "on" })
  await say(ann, "bob", "the first")
  await say(bob, "ann", "the second")
  await ann.ask("group create", { name: "friends", members: ["bob"] })
  await bob.until<unknown[]>("group list", {}, (all) => all.length === 1)
  await ann.quiet()
}, 90_000)
afterAll(() => people?.[Symbol.asyncDispose](), 30_000)

describe("on a link, from one mailbox at home to another", () => {
  const heard = new Map<string, MailboxFrame[]>()
  const everything = () => [...heard.values()].flat()

  beforeAll(async () => {
    heard.set("beginning", [...ann.tap.frames])
    for (const [kind, deed] of Object.entries(deeds)) heard.set(kind, await record(ann, deed))
    heard.set("typing", await record(ann, () => ann.ask("message typing", { contact: "bob" })))
  }, 90_000)

  it("every envelope is in a frame of one size, whatever it says, and every answer in one of another", () => {
    for (const [kind, frames] of heard) {
      const puts = frames.filter(isPut)
      expect(puts.length, kind).toBeGreaterThan(0)
      expect(new Set(puts.map(({ bytes }) => bytes.length)), kind).toEqual(new Set([LARGE]))
      if (kind === "beginning") continue // prekeys are asked for, too
      const said = frames.filter(({ by }) => by === "mailbox")
      expect(new Set(said.map(({ bytes }) => bytes.length)), kind).toEqual(new Set([SMALL]))
      expect(new Set(said.map(({ bytes }) => bytes[0])), kind).toEqual(new Set([0x04]))
      expect(said.length, kind).toBe(puts.length)
    }
  })

  it("no field of a frame but its tag, its id and the envelope differs", () => {
    expect(new Set(everything().filter(isPut).map(shapeOf)).size).toBe(1)
    const said = everything().filter(({ by, bytes }) => by === "mailbox" && bytes[0] === 0x04)
    const words = said.map(({ bytes }) => ({ ...answers.decode(bytes), tag: 0 }))
    expect(new Set(words.map((one) => JSON.stringify(one)))).toEqual(
      new Set([JSON.stringify({ kind: "put", tag: 0, answer: "ok" })]),
    )
  })

  it("tags count, and ids are never the same", () => {
    const puts = [...ann.puts("out"), ...ann.puts("in")]
    const ids = puts.map(({ bytes }) => Buffer.from(bytes.subarray(37, 53)).toString("hex"))
    expect(new Set(ids).size).toBe(ids.length)
    const tags = new Map<string, number[]>()
    for (const { channel, bytes } of puts) {
      const tag = Buffer.from(bytes).readUInt32BE(1)
      tags.set(channel, [...(tags.get(channel) ?? []), tag])
    }
    for (const each of tags.values())
      expect(each).toEqual(each.map((_, index) => index + (each[0] ?? 0)))
  })

  it("envelopes are random in every byte but the first: first ones, ratchet steps, all kinds", () => {
    expectRandom(everything().filter(isPut).map(envelopeOf))
  })

  it("a long text looks like as many short ones", async () => {
    const long = heard.get("long text")!.filter(({ way, by }) => way === "out" && by === "client")
    const mark = ann.tap.frames.length
    for (let sent = 0; sent < long.length; sent++) {
      await deeds["short text"]()
      await ann.untilPuts("out", sent + 1, mark)
    }
    await ann.quiet()
    const sizes = (frames: readonly MailboxFrame[]) => frames.map(({ bytes }) => bytes.length)
    expect(long.length).toBeGreaterThan(3)
    expect(sizes(ann.puts("out", mark))).toEqual(sizes(long))
  })
})

describe("the time between a deed and its envelope", () => {
  /** With Ann's clock standing still: nothing that waits for a time happens. */
  async function gapWithoutTime(kind: Kind): Promise<number> {
    await ann.quiet()
    ann.clock.stop()
    try {
      const mark = ann.tap.frames.length
      const startMs = performance.now()
      await deeds[kind]()
      return (await ann.untilPuts("out", 1, mark)).atMs - startMs
    } finally {
      ann.clock.go()
    }
  }

  it("is no wait for any clock, and the same for all kinds but for the noise of a machine", async () => {
    const kinds = ["short text", "long text", "reaction", "edit", "group change"] as const
    const gaps = new Map(kinds.map((kind) => [kind, [] as number[]]))
    for (let round = 0; round < 5; round++)
      for (const kind of round % 2 ? kinds.toReversed() : kinds)
        gaps.get(kind)!.push(await gapWithoutTime(kind))
    const medians = [...gaps.values()].map(median)
    expect(Math.max(...medians) - Math.min(...medians)).toBeLessThan(NOISE_MS)
  }, 90_000)

  it("is up to 2 s for an acknowledgement alone, as chance says, counted from the taking", async () => {
    for (const chance of [0.75, 0, 0.4]) {
      await ann.quiet()
      people.chance = chance
      const mark = ann.tap.frames.length
      const delivered = say(bob, "ann", "when do you say so?")
      const came = await ann.untilPuts("in", 1, mark)
      const told = await ann.untilPuts("out", 1, mark)
      await delivered
      people.chance = 0.01
      expect(told.atMs - came.atMs).toBeGreaterThan(chance * ACK_MS - 1)
      expect(told.atMs - came.atMs).toBeLessThan(chance * ACK_MS + 3 * NOISE_MS)
    }
  }, 60_000)

  it("an answer within it carries the acknowledgement: one envelope, no more", async () => {
    await ann.quiet()
    people.chance = 0.999
    const mark = ann.tap.frames.length
    const delivered = say(bob, "ann", "quick, answer!")
    await bob.untilPuts("out", 1, 0)
    await ann.untilPuts("in", 1, mark)
    await deeds["short text"]()
    await delivered
    await ann.untilPuts("in", 2, mark)
    people.chance = 0.01
    await ann.quiet()
    expect(ann.puts("out", mark)).toHaveLength(1)
  }, 60_000)
})

describe("at a tower", () => {
  const heard = new Map<string, MailboxFrame[]>()
  let letterOfPlaces: MailboxFrame[] = []

  beforeAll(async () => {
    const { tower } = people
    const { uri } = await tower.ask<{ uri: string }>("tower run", {})
    letterOfPlaces = await record(ann, () => ann.ask("tower use", { uri }))
    await bob.ask("tower use", { uri })
    for (const who of [ann, bob])
      await who.until<{ state: string; queues: number }[]>("tower list", {}, (list) =>
        list.every(({ state, queues }) => state === "up" && queues === 1),
      )
    await say(ann, "bob", "places are told")
    await say(bob, "ann", "and ours")
    await bob.ask("identity reach", { name: "bob", reach: "pull-only" })
    await ann.until<{ reachable: boolean }[]>("contact list", {}, ([one]) => !one?.reachable)
    await say(ann, "bob", "by your tower")
    for (const [kind, deed] of Object.entries(deeds))
      heard.set(kind, (await record(tower, deed)).filter(isOfQueues))
  }, 120_000)

  const everything = () => [...heard.values()].flat()
  const put = () => everything().filter(isPut)
  const handedOut = () =>
    everything().filter(({ by, bytes }) => by === "mailbox" && bytes[0] === 0x41)

  it("new places are told in envelopes like all others", () => {
    const puts = letterOfPlaces.filter(isPut)
    expect(puts.length).toBeGreaterThan(0)
    expect(new Set(puts.map(({ bytes }) => bytes.length))).toEqual(new Set([LARGE]))
    expect(new Set(letterOfPlaces.filter(isPut).map(shapeOf)).size).toBe(1)
  })

  it("every envelope comes and goes in a frame of one size, and all else in one of another", () => {
    for (const [kind, frames] of heard) {
      expect(frames.filter(isPut).length, kind).toBeGreaterThan(0)
      for (const { bytes } of frames)
        expect(bytes.length, kind).toBe(bytes[0] === 0x41 ? LARGE : SMALL)
    }
    expect(handedOut().length).toBe(put().length)
  })

  it("the same bytes come in and go out, under no other field that differs for one queue", () => {
    const queues = new Set(
      put().map(({ bytes }) => Buffer.from(bytes.subarray(5, 37)).toString("hex")),
    )
    expect(queues.size).toBe(2)
    expect(new Set(put().map(shapeOf)).size).toBe(2)
    expect(
      handedOut().every(({ bytes }) =>
        bytes.subarray(11 + ENVELOPE_BYTES).every((byte) => byte === 0),
      ),
    ).toBe(true)
  })

  it("envelopes are random in every byte but the first", () => {
    expectRandom(put().map(envelopeOf))
  })

  it("nothing comes of typing", async () => {
    const { tower } = people
    await tower.quiet()
    const mark = tower.tap.frames.length
    await ann.ask("message typing", { contact: "bob" })
    await tower.quiet()
    expect(tower.puts("in", mark)).toEqual([])
  })
})

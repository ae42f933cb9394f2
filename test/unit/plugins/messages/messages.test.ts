import { describe, expect, it } from "vitest"
import { messages } from "../../../../plugins/messages/index.ts"
import {
  type EventDocument,
  listOffer,
  type MessageDocument,
  sendOffer,
  watchOffer,
} from "../../../../plugins/messages/offers.ts"
import { collectProgress, FakePair, type FakePeer } from "../../../support/fake-plugin-context.ts"

describe("messages", () => {
  it("delivers a text and says so on both sides", async () => {
    const { pair, ann, bob } = await openPair()
    pair.connect()
    const sent = await send(ann, "hello")
    expect(sent).toMatchObject({ state: "queued", direction: "out", contact: "bob", text: "hello" })
    await pair.world.until(() => ann.told("delivered").length === 1)
    expect(bob.told("received")).toMatchObject([{ text: "hello", contact: "ann", id: sent.id }])
    expect(await list(ann)).toMatchObject([{ id: sent.id, state: "delivered" }])
    expect(await list(bob)).toMatchObject([{ id: sent.id, state: "received", direction: "in" }])
  })

  it("keeps what is written while the contact is away, also over restarts, and keeps its order", async () => {
    const { pair, ann, bob } = await openPair()
    for (let count = 1; count <= 300; count++) await send(ann, `text ${count}`)
    await ann.stop()
    await ann.start(messages)
    expect(bob.told("received")).toEqual([])
    pair.connect()
    await pair.world.until(() => ann.told("delivered").length === 300)
    const texts = bob.told("received").map(({ text }) => text)
    expect(texts).toEqual(Array.from({ length: 300 }, (_, index) => `text ${index + 1}`))
  })

  it("tells times in whole minutes only", async () => {
    const { pair, ann } = await openPair()
    await pair.world.pass(59_999)
    expect(await send(ann, "x")).toMatchObject({ sentAt: "2026-01-01T00:00:00.000Z" })
    await pair.world.pass(1)
    expect(await send(ann, "x")).toMatchObject({ sentAt: "2026-01-01T00:01:00.000Z" })
  })

  it("waits until it is delivered when asked, and says for whom", async () => {
    const { pair, ann } = await openPair()
    const { list: progress, ...call } = collectProgress()
    const sending = ann.run(sendOffer, { contact: "bob", text: "hi", wait: true }, call)
    await pair.world.pass(400_000)
    pair.connect()
    await pair.world.until(() => ann.told("delivered").length === 1)
    await expect(sending).resolves.toMatchObject({ state: "delivered" })
    expect(progress[0]).toMatchObject({ doing: "waiting for bob: it is in the outbox" })
  })

  it("fails what can never be delivered, with the reason", async () => {
    const { pair, ann } = await openPair()
    const sending = ann.run(sendOffer, { contact: "bob", text: "hi", wait: true })
    const failure = expect(sending).rejects.toMatchObject({ code: "MESSAGE_FAILED" })
    ann.setContact(undefined)
    await pair.world.until(() => ann.told("failed").length === 1)
    expect(ann.told("failed")).toMatchObject([{ text: "hi", reason: "NO_CONTACT" }])
    await failure
  })

  it.each(["asking", "refused", "blocked"] as const)(
    "refuses to write to a contact who is %s",
    async (state) => {
      const { ann } = await openPair()
      ann.setContact(state)
      await expect(send(ann, "hi")).rejects.toMatchObject({ code: "CONTACT_STATE" })
    },
  )

  it("waits for a contact who has not answered our request yet", async () => {
    const { pair, ann, bob } = await openPair()
    ann.setContact("requested")
    bob.setContact("asking")
    await send(ann, "are you there?")
    pair.connect()
    await pair.world.pass(600_000)
    expect(ann.told("delivered")).toEqual([])
    ann.setContact("accepted")
    bob.setContact("accepted")
    await pair.world.until(() => ann.told("delivered").length === 1)
  })

  it("lists pages before a number, oldest first", async () => {
    const { ann } = await openPair()
    for (let count = 1; count <= 7; count++) await send(ann, String(count))
    const texts = async (input: object) =>
      ((await ann.run(listOffer, { contact: "bob", ...input })) as MessageDocument[]).map(
        ({ text }) => text,
      )
    expect(await texts({ limit: 3 })).toEqual(["5", "6", "7"])
    expect(await texts({ limit: 3, before: 5 })).toEqual(["2", "3", "4"])
    await expect(ann.run(listOffer, { before: 5 })).rejects.toMatchObject({ code: "BAD_INPUT" })
    expect(await ann.run(listOffer, {})).toHaveLength(7)
  })

  it("shows a watcher new messages and what becomes of them", async () => {
    const { pair, ann, bob } = await openPair()
    const stop = new AbortController()
    const seen: string[] = []
    const watching = (async () => {
      const stream = ann.run(watchOffer, { contact: "bob" }, { signal: stop.signal })
      for await (const { text, event } of stream as unknown as AsyncIterable<EventDocument>)
        seen.push(`${text} ${event}`)
    })()
    await pair.world.settle()
    pair.connect()
    await send(ann, "ping")
    await pair.world.until(() => ann.told("delivered").length === 1)
    await send(bob, "pong", "ann")
    await pair.world.until(() => bob.told("delivered").length === 1)
    stop.abort()
    await watching
    expect(seen).toEqual(["ping queued", "ping delivered", "pong received"])
  })

  it("tells a watcher who is too far behind, rather than leaving messages out", async () => {
    const { ann } = await openPair()
    const stream = ann.run(watchOffer, {}) as unknown as AsyncIterable<MessageDocument>
    const reader = stream[Symbol.asyncIterator]()
    const first = reader.next()
    for (let count = 0; count < 1_100; count++) await send(ann, "x")
    await expect(first).resolves.toMatchObject({ done: false })
    const rest = (async () => {
      for (;;) if ((await reader.next()).done) return
    })()
    await expect(rest).rejects.toMatchObject({ code: "BUSY" })
  })
})

async function openPair() {
  const pair = new FakePair()
  await pair.left.start(messages)
  await pair.right.start(messages)
  return { pair, ann: pair.left, bob: pair.right }
}

function send(from: FakePeer, text: string, contact = from.other.name): Promise<MessageDocument> {
  return from.run(sendOffer, { contact, text })
}

function list(of: FakePeer): Promise<MessageDocument[]> {
  return of.run(listOffer, { contact: of.other.name })
}

/** Clients and servers of /mailbox/1, one of them hostile, absent or slow. */
import { once, setMaxListeners } from "node:events"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { AlliumError } from "../../../../src/base/errors.ts"
import { openMailboxClient } from "../../../../src/mail/mailbox/client.ts"
import type { Mailbox, StoredEnvelope } from "../../../../src/mail/mailbox/mailbox.ts"
import { serveMailbox } from "../../../../src/mail/mailbox/server.ts"
import { type Answer, answers, type Request, requests } from "../../../../src/mail/mailbox/wire.ts"
import { type FakeChannel, joinChannels } from "../../../support/fake-channel.ts"
import { FakeWorld } from "../../../support/fake-world.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

const CALL = { signal: new AbortController().signal }
setMaxListeners(0, CALL.signal)
const ID = new Uint8Array(32).fill(1)
const PUT = { sendId: ID, id: new Uint8Array(16), envelope: new Uint8Array(4_096) }
const BAD = { code: "BAD_RECORD" }

/** A mailbox that does nothing but what a test gives it. */
function mailbox(deeds: Partial<Mailbox> = {}): Mailbox {
  const refuse = async () => {
    throw new AlliumError("MAILBOX_REFUSED", "Cannot do that: SECRET not here")
  }
  const subscribe = (): AsyncIterable<StoredEnvelope> => ({
    [Symbol.asyncIterator]: () => ({ next: refuse }),
  })
  const named = { subscribe, ...deeds } as Mailbox
  return new Proxy(named, { get: (target, name) => target[name as keyof Mailbox] ?? refuse })
}

function serve(served: Mailbox, world = new FakeWorld()) {
  const [near, far] = joinChannels("/mailbox/1", world)
  const abort = new AbortController()
  const done = serveMailbox(far, served, { signal: abort.signal, clock: world.clock })
  return { near, far, abort, done, world }
}

/** A client whose other end is the test. */
function alone() {
  const world = new FakeWorld()
  const [near, far] = joinChannels("/mailbox/1", world)
  far.on("error", () => {})
  return { client: openMailboxClient(near), near, far, world }
}

/** Answers each request with what `reply` gives. */
async function answerAll(
  far: FakeChannel,
  reply: (request: Request) => Uint8Array[],
): Promise<void> {
  const { FrameReader } = await import("../../../../src/mail/mailbox/frames.ts")
  const reader = new FrameReader()
  far.on("data", (chunk: Buffer) => {
    for (const frame of reader.push(chunk))
      for (const bytes of reply(requests.decode(frame))) far.write(bytes)
  })
}

const said = (answer: Answer) => answers.encode(answer)

describe("a mailbox behind a channel", () => {
  it("refuses with its own code, and without its own words", async () => {
    const { near } = serve(mailbox())
    const client = openMailboxClient(near)
    const refused = { code: "MAILBOX_REFUSED", message: expect.not.stringContaining("SECRET") }
    await expect(client.put(PUT, CALL)).rejects.toMatchObject(refused)
    await expect(client.make({ kind: "door" }, CALL)).rejects.toMatchObject(refused)
    await expect(client.getBlob(ID, CALL)).rejects.toMatchObject(refused)
    const from = client.subscribe(ID, { after: 0 }, CALL)[Symbol.asyncIterator]()
    await expect(from.next()).rejects.toMatchObject(refused)
    const blob = { id: ID, writeKey: ID, bytes: new Uint8Array(400_000) }
    await expect(client.putBlob(blob, CALL)).rejects.toMatchObject(refused)
    await expect(client.putBlob(blob, CALL)).rejects.toMatchObject(refused)
  })

  it("answers out of order, and many at once", async () => {
    const waiting: (() => void)[] = []
    const put = () =>
      new Promise<{ kind: "ok" }>((resolve) => waiting.unshift(() => resolve({ kind: "ok" })))
    const { near, world } = serve(mailbox({ put }))
    const client = openMailboxClient(near)
    const order: number[] = []
    const puts = Array.from({ length: 200 }, async (_, at) => {
      await client.put(PUT, CALL)
      order.push(at)
    })
    await world.settle()
    expect(waiting).toHaveLength(64)
    while (order.length < 200) {
      for (const go of waiting.splice(0)) go()
      await world.settle()
    }
    await Promise.all(puts)
    expect(order[0]).toBe(63)
  })

  it("hears at once that a caller gave up, and has the place free when the mailbox has answered", async () => {
    const put: Mailbox["put"] = (_, { signal }) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason), { once: true }),
      )
    const { near, world } = serve(
      mailbox({ put, tokenKey: async () => ({ epoch: 1, publicKey: ID }) }),
    )
    const client = openMailboxClient(near)
    for (let round = 0; round < 3; round++) {
      const abort = new AbortController()
      setMaxListeners(0, abort.signal)
      const puts = Array.from({ length: 64 }, () => client.put(PUT, { signal: abort.signal }))
      const settled = Promise.allSettled(puts)
      await world.settle()
      abort.abort(new Error("enough"))
      for (const put of await settled) expect(put).toMatchObject({ reason: { message: "enough" } })
    }
    expect(await client.tokenKey(CALL)).toEqual({ epoch: 1, publicKey: ID })
  })

  it("never has more on its way to a subscriber than was asked for", async () => {
    let given = 0
    async function* subscribe() {
      while (true) yield { number: ++given, envelope: PUT.envelope }
    }
    const { near, world } = serve(mailbox({ subscribe }))
    const client = openMailboxClient(near)
    const abort = new AbortController()
    const from = client
      .subscribe(ID, { after: 0 }, { signal: abort.signal })
      [Symbol.asyncIterator]()
    let taken = 0
    for (const until of [1, 20, 500]) {
      for (; taken < until; taken++) expect((await from.next()).value!.number).toBe(taken + 1)
      await world.settle()
      expect(given - taken).toBeLessThanOrEqual(66)
    }
    expect(given - taken).toBeGreaterThan(20)
    abort.abort()
    expect((await from.next()).done).toBe(true)
    await world.settle()
    const before = given
    await world.settle()
    expect(given).toBe(before)
  })

  it("is over for everybody when the channel is", async () => {
    const never = () => new Promise<never>(() => {})
    for (const end of ["reset", "served"] as const) {
      const { near, far, abort, world } = serve(mailbox({ put: never, get: never }))
      const client = openMailboxClient(near)
      const calls = [client.put(PUT, CALL), client.get(ID, { after: 0, limit: 1 }, CALL)]
      const all = Promise.allSettled(calls)
      await world.settle()
      if (end === "reset") far.destroy()
      else abort.abort()
      for (const one of await all) expect(one).toMatchObject({ reason: { code: "CHANNEL_RESET" } })
      await expect(client.put(PUT, CALL)).rejects.toMatchObject({ code: "CHANNEL_RESET" })
    }
  })

  it("says what the channel says when it is lost", async () => {
    const { client, near, world } = alone()
    const call = expect(client.put(PUT, CALL)).rejects.toMatchObject({ code: "LINK_LOST" })
    await world.settle()
    near.destroy(new AlliumError("LINK_LOST", "Cannot go on: gone"))
    await call
  })

  it("ends its channel when the client ends, after it has answered", async () => {
    let go = () => {}
    const put = () => new Promise<{ kind: "ok" }>((resolve) => (go = () => resolve({ kind: "ok" })))
    const { near, done, world } = serve(mailbox({ put }))
    near.end(requests.encode({ kind: "put", tag: 7, ...PUT, toll: undefined }))
    await world.settle()
    go()
    const [answer] = (await once(near, "data")) as [Buffer]
    expect(answers.decode(new Uint8Array(answer))).toEqual({ kind: "put", tag: 7, answer: "ok" })
    await done
  })

  it("gives up a blob that takes too long, and goes on", async () => {
    const { near, world, done, far } = serve(mailbox())
    const ask = { kind: "putBlob", tag: 1, id: ID, writeKey: ID, size: 100_000, token: undefined }
    near.write(requests.encode(ask as Request))
    await world.settle()
    await world.pass(900_001)
    const [answer] = (await once(near, "data")) as [Buffer]
    expect(answers.decode(new Uint8Array(answer))).toMatchObject({ kind: "failed", code: "BUSY" })
    expect(far.destroyed).toBe(false)
    near.end()
    await done
  })
})

describe("a hostile client", () => {
  const putBlob = { kind: "putBlob", id: ID, writeKey: ID, token: undefined } as const
  it.each<[string, Uint8Array[]]>([
    ["an answer for a request", [Uint8Array.of(0x3e), new Uint8Array(255)]],
    ["a type without a size", [Uint8Array.of(0xff)]],
    ["a tag in use", [subscribeFrame(1), subscribeFrame(1)]],
    ["a piece of no blob", [requests.encode({ kind: "chunk", tag: 1, bytes: new Uint8Array(9) })]],
    ["a blob beyond 16 MiB", [requests.encode({ ...putBlob, tag: 1, size: 16_777_217 })]],
    ["two blobs at once", [1, 2].map((tag) => requests.encode({ ...putBlob, tag, size: 100_000 }))],
    [
      "a piece of a wrong length",
      [
        requests.encode({ ...putBlob, tag: 1, size: 100_000 }),
        requests.encode({ kind: "chunk", tag: 1, bytes: new Uint8Array(9) }),
      ],
    ],
    [
      "credit without end",
      [
        subscribeFrame(1),
        ...[1, 2].map(() => requests.encode({ kind: "more", tag: 1, credit: 65_535 })),
      ],
    ],
  ])("that sends %s loses the channel", async (_, frames) => {
    const waiting = (_id: unknown, _range: unknown, { signal }: { signal: AbortSignal }) =>
      waitingFor(signal)
    const { near, far, done } = serve(mailbox({ subscribe: waiting }))
    near.on("error", () => {})
    for (const frame of frames) near.write(frame)
    await done
    expect(far.destroyed).toBe(true)
    expect(far.errored).toMatchObject(BAD)
  })

  it("makes no server fail, whatever it sends", async () => {
    const pieces = fc.array(fc.oneof(anyFrame(), fc.uint8Array({ maxLength: 300 })), {
      maxLength: 12,
    })
    await fc.assert(
      fc.asyncProperty(pieces, async (frames) => {
        const { near, done, world, far } = serve(
          mailbox({ tokenKey: async () => ({ epoch: 1, publicKey: ID }) }),
        )
        near.on("error", () => {})
        near.resume()
        for (const frame of frames) if (!near.destroyed) near.write(frame)
        near.end()
        await done
        await world.settle()
        expect(far.destroyed || far.writableEnded).toBe(true)
      }),
      { numRuns: fuzzRuns(25) },
    )
  })
})

describe("a hostile server", () => {
  const number = (one: number) =>
    said({ kind: "envelope", tag: 1, number: one, envelope: PUT.envelope })
  const get = (client: Mailbox) => client.get(ID, { after: 5, limit: 2 }, CALL)
  /** Takes one, sleeps while everything comes, and takes the rest. */
  const sleepy = async (client: Mailbox) => {
    const from = client.subscribe(ID, { after: 5 }, CALL)
    for await (const _ of from)
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  it.each<[string, Uint8Array[], (client: Mailbox) => Promise<unknown>]>([
    ["answers what nobody asked", [said({ kind: "done", tag: 9 })], get],
    [
      "answers another question",
      [said({ kind: "made", tag: 1, receiveId: ID, sendId: ID, expiresS: 1 })],
      get,
    ],
    ["sends envelopes out of order", [number(7), number(6)], get],
    ["sends envelopes from before", [number(5)], get],
    ["sends more than was asked for", [number(6), number(7), number(8)], get],
    [
      "sends more than a subscriber has room for",
      [6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map(number),
      sleepy,
    ],
    ["sends a subscriber envelopes twice", [number(6), number(6)], read],
    [
      "sends a blob beyond 16 MiB",
      [said({ kind: "blob", tag: 1, size: 2 ** 32 - 1 })],
      (client) => client.getBlob(ID, CALL),
    ],
    [
      "sends pieces of a wrong length",
      [said({ kind: "blob", tag: 1, size: 9 }), said({ kind: "chunk", tag: 1, bytes: ID })],
      (client) => client.getBlob(ID, CALL),
    ],
    [
      "signs another number of tokens",
      [
        said({
          kind: "issued",
          tag: 1,
          epoch: 1,
          publicKey: ID,
          proof: new Uint8Array(64),
          evaluated: [ID, ID],
        }),
      ],
      (client) => client.issueTokens({ invitation: ID, blinded: [ID] }, CALL),
    ],
    ["sends what is no frame", [Uint8Array.of(0xc1)], get],
  ])("that %s is found out", async (_, frames, ask) => {
    const { client, far } = alone()
    const told = expect(ask(client)).rejects.toMatchObject(BAD)
    await answerAll(far, (request) =>
      request.kind === "more" || request.kind === "cancel" ? [] : frames,
    )
    await told
  })

  it("makes no client fail, whatever it sends", async () => {
    const pieces = fc.array(anyAnswer(), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(pieces, async (frames) => {
        const { client, far } = alone()
        const calls = Promise.allSettled([
          client.put(PUT, CALL),
          client.get(ID, { after: 0, limit: 3 }, CALL),
          client.getBlob(ID, CALL),
          client.putBlob({ id: ID, writeKey: ID, bytes: new Uint8Array(20_000) }, CALL),
          client.greeting(ID, CALL),
          read(client),
        ])
        far.resume()
        for (const frame of frames) if (!far.destroyed) far.write(frame)
        far.end()
        for (const call of await calls)
          if (call.status === "rejected") expect(call.reason).toBeInstanceOf(AlliumError)
      }),
      { numRuns: fuzzRuns(25) },
    )
  })
})

function subscribeFrame(tag: number): Uint8Array {
  return requests.encode({ kind: "subscribe", tag, receiveId: ID, after: 0, credit: 4 })
}

/** Never gives anything. */
function waitingFor(signal: AbortSignal): AsyncIterable<StoredEnvelope> {
  const next = async () => {
    if (!signal.aborted) await once(signal, "abort")
    return { done: true, value: undefined } as const
  }
  return { [Symbol.asyncIterator]: () => ({ next }) }
}

/** Frames that are right, wrong by a byte, or of a chosen type with anything behind it. */
function anyFrame(): fc.Arbitrary<Uint8Array> {
  const tag = fc.integer({ min: 1, max: 4 })
  const right = fc.oneof(
    tag.map((tag) => requests.encode({ kind: "tokenKey", tag })),
    tag.map((tag) => requests.encode({ kind: "put", tag, ...PUT, toll: undefined })),
    tag.map((tag) => subscribeFrame(tag)),
    tag.map((tag) => requests.encode({ kind: "cancel", tag })),
    tag.map((tag) => requests.encode({ kind: "getBlob", tag, id: ID })),
    tag.map((tag) => requests.encode({ kind: "chunk", tag, bytes: ID })),
    tag.map((tag) =>
      requests.encode({ kind: "putBlob", tag, id: ID, writeKey: ID, size: 32, token: undefined }),
    ),
    tag.map((tag) => requests.encode({ kind: "more", tag, credit: 9 })),
    tag.map((tag) => requests.encode({ kind: "get", tag, receiveId: ID, after: 1, limit: 200 })),
  )
  return fc.oneof({ weight: 5, arbitrary: right }, { weight: 1, arbitrary: damaged(right) })
}

function anyAnswer(): fc.Arbitrary<Uint8Array> {
  const tag = fc.integer({ min: 1, max: 6 })
  const right = fc.oneof(
    tag.map((tag) => said({ kind: "done", tag })),
    tag.map((tag) => said({ kind: "put", tag, answer: "ok" })),
    tag.map((tag) => said({ kind: "failed", tag, code: "BUSY" })),
    tag.map((tag) => said({ kind: "none", tag })),
    tag.map((tag) => said({ kind: "blob", tag, size: 32 })),
    tag.map((tag) => said({ kind: "chunk", tag, bytes: ID })),
    tag.map((tag) => said({ kind: "moved", tag, sealed: ID })),
    fc
      .tuple(tag, fc.nat(5))
      .map(([tag, number]) => said({ kind: "envelope", tag, number, envelope: PUT.envelope })),
  )
  return fc.oneof({ weight: 5, arbitrary: right }, { weight: 1, arbitrary: damaged(right) })
}

function damaged(frames: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc.tuple(frames, fc.nat(255), fc.nat(255)).map(([frame, at, byte]) => {
    const bytes = Uint8Array.from(frame)
    bytes[at] = byte
    return bytes
  })
}

async function read(client: Mailbox): Promise<void> {
  for await (const _ of client.subscribe(ID, { after: 0 }, CALL));
}

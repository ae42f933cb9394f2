/** What a contact may try on a `/files/1` channel, asking or answering. */
import { createHash } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  autoOffer,
  cancelOffer,
  listOffer,
  sendOffer,
  type TransferDocument,
} from "../../../../plugins/files/offers.ts"
import {
  type Answer,
  PROTOCOL,
  type Question,
  readAnswer,
  readQuestion,
} from "../../../../plugins/files/wire.ts"
import { frameRecord, RecordReader } from "../../../../src/base/records.ts"
import type { Channel } from "../../../../src/link/link.ts"
import { definePlugin, type PeerChannel } from "../../../../src/router/plugin.ts"
import { FakeFiles } from "../../../support/fake-files.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

const id = (number: number) => new Uint8Array(16).fill(number)
const hash = () => new Uint8Array(32)
const offer = (more: object = {}) => ({
  ...{ kind: "offer", id: id(1), name: "a.txt", size: 10, sha256: hash(), root: hash() },
  ...more,
})
const get = (more: object = {}) => ({
  kind: "get",
  id: id(1),
  offset: 0,
  byteCount: 1,
  have: 0,
  ...more,
})
const data = (more: object = {}) => ({
  kind: "data",
  id: id(1),
  offset: 0,
  bytes: new Uint8Array(1),
  ...more,
})

describe("readQuestion()", () => {
  it.each([
    ["nothing", null],
    ["another kind", { kind: "data" }],
    ["a short id", offer({ id: new Uint8Array(15) })],
    ["a negative size", offer({ size: -1 })],
    ["half a byte", offer({ size: 0.5 })],
    ["more than 8 TiB", offer({ size: 2 ** 43 + 1 })],
    ["a short hash", offer({ sha256: new Uint8Array(20) })],
    ["too long a name", offer({ name: "é".repeat(513) })],
    ["a name that is no text", offer({ name: 7 })],
    ["more than it should", offer({ path: "/etc" })],
    ["no bytes", get({ byteCount: 0 })],
    ["more than a part", get({ byteCount: 1_048_577 })],
    ["a place before the file", get({ offset: -1 })],
    ["a reason of its own", { kind: "decline", id: id(1), reason: "because" }],
  ])("refuses %s", (_, value) => {
    expect(() => readQuestion(value)).toThrow(expect.objectContaining({ code: "BAD_RECORD" }))
  })
})

describe("readAnswer()", () => {
  it.each([
    ["a question", offer()],
    ["empty data", data({ bytes: new Uint8Array() })],
    ["too much data", data({ bytes: new Uint8Array(65_537) })],
    ["too many hashes", { kind: "manifest", id: id(1), block: 0, hashes: new Uint8Array(32_769) }],
  ])("refuses %s", (_, value) => {
    expect(() => readAnswer(value)).toThrow(expect.objectContaining({ code: "BAD_RECORD" }))
  })
})

describe("files, against a hostile contact", () => {
  let story: FakeFiles
  const served: PeerChannel[] = []
  let dial: () => Promise<Channel>

  /** In Bob's place: asks what the test says, answers what the test says. */
  const hostile = definePlugin({
    name: "hostile",
    offers: [],
    async start(context) {
      context.serve(PROTOCOL, async (call) => void served.push(call))
      dial = async () => {
        const [identity] = context.identities.list()
        const [contact] = context.contacts.list(identity!)
        const to = { identity: identity!, contact: contact! }
        const channel = await context.open(to, PROTOCOL, context)
        channel.on("error", () => {})
        return channel
      }
      return undefined
    },
  })

  beforeAll(async () => {
    story = new FakeFiles()
    await story.start(story.ann)
    await story.bob.start(hostile)
    story.pair.connect()
  })
  afterAll(() => story[Symbol.dispose]())

  it.each([
    ["no value", Buffer.from([0, 0, 0, 1, 0xc1])],
    ["a record longer than any question", Buffer.from([0, 0, 0x10, 0])],
    ["an answer", frameRecord({ kind: "noted", id: id(1) })],
    ["an offer with the id of our own file", undefined],
  ])("resets the channel for %s", async (_, bytes) => {
    const ours = bytes ? undefined : await send("ours", 10)
    const channel = await dial()
    channel.write(bytes ?? frameRecord(offer({ id: Buffer.from(ours!.id, "hex") })))
    await story.world.until(() => channel.destroyed)
    expect(channel.errored).toMatchObject({ code: "CHANNEL_RESET" })
  })

  it("has nothing for who asks for what was never offered, or to others, or is not hashed yet", async () => {
    expect(await ask(get({ id: id(9) }))).toEqual([{ kind: "gone", id: id(9), reason: "UNKNOWN" }])
    const manifest = { kind: "manifest", id: id(9), block: 0 }
    expect(await ask(manifest)).toEqual([{ kind: "gone", id: id(9), reason: "UNKNOWN" }])
    for (const kind of ["withdraw", "decline"])
      expect(await ask({ kind, id: id(9), reason: "CANCELLED" })).toEqual([
        { kind: "noted", id: id(9) },
      ])
    expect(await ask({ kind: "complete", id: id(9) })).toEqual([{ kind: "noted", id: id(9) }])
  })

  it.each([
    ["beyond the end", { offset: 10, byteCount: 1 }],
    ["over the end", { offset: 0, byteCount: 11 }],
    ["with more than there is", { have: 11 }],
  ])("resets the channel of who asks %s", async (_, more) => {
    const { id: sent } = await send("ten", 10)
    const channel = await dial()
    channel.write(frameRecord(get({ id: Buffer.from(sent, "hex"), ...more })))
    await story.world.until(() => channel.destroyed)
  })

  it("takes at most 100 undecided offers, and says that it is busy", async () => {
    const answers: Answer[] = []
    for (let count = 1; count <= 110; count++)
      answers.push(...(await ask(offer({ id: id(count) }))))
    expect(answers.filter(({ kind }) => kind === "noted").length).toBe(100)
    expect(answers.filter(({ kind }) => kind === "busy").length).toBe(10)
    for (const { id: mine, direction } of await list())
      if (direction === "in") await story.ann.run(cancelOffer, { id: mine })
  })

  it("answers at most eight channels at once", async () => {
    const channels = await Promise.all(Array.from({ length: 20 }, dial))
    await story.world.settle()
    expect(channels.filter(({ destroyed }) => !destroyed)).toHaveLength(8)
    for (const channel of channels) channel.destroy()
    await story.world.settle()
  })

  it.each([
    ["data that was not asked for", { offset: 5 }],
    ["data of another file", { id: id(77) }],
    ["more data than there is", { bytes: new Uint8Array(11) }],
    ["an answer to another question", { kind: "noted", offset: undefined, bytes: undefined }],
    ["no answer at all", { kind: "?" }],
  ])("resets the channel for %s, and asks again later", async (_, lie) => {
    const file = id(200 + (story.pair.openCount % 50))
    await lure(file)
    for (let time = 1; time <= 3; time++) {
      const { channel, question } = await nextGet()
      expect(question.id).toEqual(file)
      channel.write(frameRecord(data({ id: file, bytes: CONTENT, ...lie })))
      await story.world.until(() => channel.destroyed)
    }
    const [mine] = (await list()).filter((one) => one.id === Buffer.from(file).toString("hex"))
    expect(mine).toMatchObject({ state: "waiting", done: 0 })
    await story.ann.run(cancelOffer, { id: mine!.id })
    expect(existsSync(join(story.ann.folder, "received", "a.txt"))).toBe(false)
  })

  it("takes the file from the same contact when it behaves", async () => {
    await lure(id(150))
    const { channel } = await nextGet()
    channel.write(frameRecord(data({ id: id(150), bytes: CONTENT })))
    await story.until(story.ann, "done", Buffer.from(id(150)).toString("hex"))
    expect(readFileSync(join(story.ann.folder, "received", "a.txt"))).toEqual(Buffer.from(CONTENT))
  })

  it("survives channels of anything", async () => {
    const bytes = fc.uint8Array({ maxLength: 40 })
    const number = fc.oneof(fc.integer({ min: -1, max: 20 }), fc.double())
    const question = fc.record(
      {
        kind: fc.constantFrom("offer", "withdraw", "decline", "complete", "manifest", "get", "x"),
        id: fc.oneof(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.constant(id(1)), bytes),
        name: fc.string({ unit: "binary" }),
        ...{ size: number, block: number, offset: number, byteCount: number, have: number },
        sha256: fc.uint8Array({ minLength: 32, maxLength: 32 }),
        root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
        reason: fc.constantFrom("REFUSED", "CANCELLED", "UNKNOWN", "x"),
      },
      { requiredKeys: ["kind", "id"] },
    )
    const likely = question.map(({ kind, ...rest }) => {
      const keys: Record<string, (keyof typeof rest)[]> = {
        offer: ["id", "name", "size", "sha256", "root"],
        withdraw: ["id", "reason"],
        decline: ["id", "reason"],
        complete: ["id"],
        manifest: ["id", "block"],
        get: ["id", "offset", "byteCount", "have"],
      }
      return { kind, ...Object.fromEntries((keys[kind] ?? []).map((key) => [key, rest[key]])) }
    })
    const piece = fc.oneof(
      bytes,
      question.map(frameRecord),
      likely.map(frameRecord),
      likely.map(frameRecord),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 5 }), async (pieces) => {
        const channel = await dial()
        for (const one of pieces) channel.write(one)
        channel.end()
        channel.resume()
        await story.world.settle()
        channel.destroy()
        expect(story.ann.faults).toEqual([])
      }),
      { numRuns: fuzzRuns(1_000) },
    )
    await story.world.settle()
    const still = await send("still working", 10)
    expect(still.state).toBe("hashing")
    expect((await list()).length).toBeLessThan(1_500)
  }, 120_000)

  async function send(name: string, size: number): Promise<TransferDocument> {
    const sent: TransferDocument = await story.ann.run(sendOffer, {
      contact: "bob",
      path: story.file(name, size),
    })
    await story.until(story.ann, "waiting", sent.id)
    return sent
  }

  function list(): Promise<TransferDocument[]> {
    return story.ann.run(listOffer, {})
  }

  /** Answers to one question, on a channel of its own. */
  async function ask(question: object): Promise<Answer[]> {
    const channel = await dial()
    const reader = new RecordReader(100_000)
    const answers: Answer[] = []
    channel.on("data", (chunk: Uint8Array) => answers.push(...reader.push(chunk).map(readAnswer)))
    channel.write(frameRecord(question))
    channel.end()
    await story.world.until(() => channel.destroyed || answers.length > 0)
    return answers
  }

  /** Ann accepts an offer by herself and comes to fetch. */
  async function lure(of: Uint8Array): Promise<void> {
    await story.ann.run(autoOffer, { contact: "bob", below: "1MiB" })
    const [sha256, root] = [sha(CONTENT), sha(sha(CONTENT))]
    await ask(offer({ id: of, size: CONTENT.length, sha256, root }))
  }

  /** The next channel on which data is asked for; everything else is answered as it should be. */
  async function nextGet(): Promise<{ channel: Channel; question: Question }> {
    for (;;) {
      await story.world.until(() => served.length > 0)
      const { channel } = served.shift()!
      const reader = new RecordReader(100_000)
      let found: Question | undefined
      channel.on("error", () => {})
      channel.on("data", (chunk: Uint8Array) => {
        for (const question of reader.push(chunk).map(readQuestion)) {
          const { kind, id } = question
          if (kind === "get") found = question
          else if (kind === "manifest")
            channel.write(frameRecord({ kind, id, block: 0, hashes: sha(CONTENT) }))
          else channel.write(frameRecord({ kind: "noted", id }))
        }
      })
      channel.on("end", () => channel.end())
      await story.world.until(() => found !== undefined || channel.destroyed)
      if (found) return { channel, question: found }
    }
  }
})

const CONTENT = new Uint8Array(Buffer.from("0123456789"))

function sha(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest())
}

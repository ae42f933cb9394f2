/** What every mailbox promises, on every disk and over every way. */
import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { systemRandom } from "../../../src/base/random.ts"
import { findWork } from "../../../src/mail/mailbox/work.ts"
import {
  CALL,
  envelope,
  freshToken,
  idOf,
  item,
  makeQueue,
  nameOf,
  openTower,
  random,
  type Tower,
  WAYS,
} from "./towers.ts"

const DAY_MS = 86_400_000
const ALL = { after: 0, limit: 64 }

async function names(tower: Tower, receiveId: Uint8Array, after = 0): Promise<string[]> {
  const found = await tower.mailbox.get(receiveId, { after, limit: 64 }, CALL)
  return found.map(({ envelope }) => nameOf(envelope))
}

describe.each(WAYS)("a tower, $disk disk, $reach", (way) => {
  it("gives what was put, in order, until it is acknowledged", async () => {
    await using tower = await openTower(way)
    const { sendId, receiveId } = await makeQueue(tower)
    for (const name of ["one", "two", "three"])
      expect(await tower.mailbox.put(item(sendId, name), CALL)).toEqual({ kind: "ok" })
    const found = await tower.mailbox.get(receiveId, ALL, CALL)
    expect(found.map(({ number }) => number)).toEqual([1, 2, 3])
    expect(found[1]!.envelope).toEqual(envelope("two"))
    expect(await names(tower, receiveId, 1)).toEqual(["two", "three"])
    expect(await tower.mailbox.get(receiveId, { after: 0, limit: 2 }, CALL)).toHaveLength(2)
    await tower.mailbox.acknowledge(receiveId, 2, CALL)
    expect(await names(tower, receiveId)).toEqual(["three"])
    await tower.mailbox.acknowledge(receiveId, 99, CALL)
    expect(await names(tower, receiveId)).toEqual([])
    await tower.mailbox.put(item(sendId, "four"), CALL)
    expect((await tower.mailbox.get(receiveId, ALL, CALL))[0]!.number).toBe(4)
  })

  it("keeps an envelope once, however often and however much at once it is put", async () => {
    await using tower = await openTower(way)
    const { sendId, receiveId } = await makeQueue(tower)
    const puts = Array.from({ length: 40 }, (_, at) =>
      tower.mailbox.put(item(sendId, at % 20), CALL),
    )
    const answers = (await Promise.all(puts)).map(({ kind }) => kind)
    expect(answers.filter((kind) => kind === "ok")).toHaveLength(20)
    expect(answers.filter((kind) => kind === "duplicate")).toHaveLength(20)
    await tower.mailbox.acknowledge(receiveId, 20, CALL)
    await tower.restart()
    expect(await tower.mailbox.put(item(sendId, 3), CALL)).toEqual({ kind: "duplicate" })
    expect(await names(tower, receiveId)).toEqual([])
  })

  it("wakes subscribers at once, and gives what was there before", async () => {
    await using tower = await openTower(way)
    const { sendId, receiveId } = await makeQueue(tower)
    for (let at = 0; at < 30; at++) await tower.mailbox.put(item(sendId, at), CALL)
    const abort = new AbortController()
    const seen: string[] = []
    const reading = (async () => {
      const from = tower.mailbox.subscribe(receiveId, { after: 5 }, { signal: abort.signal })
      for await (const { envelope } of from) if (seen.push(nameOf(envelope)) === 195) abort.abort()
    })()
    const puts = Array.from({ length: 170 }, (_, at) =>
      tower.mailbox.put(item(sendId, 30 + at), CALL),
    )
    await Promise.all(puts)
    await reading
    expect(seen).toEqual(Array.from({ length: 195 }, (_, at) => String(at + 5)))
  })

  it("says FULL at 256, and has room again when something is taken out", async () => {
    await using tower = await openTower(way)
    const { sendId, receiveId } = await makeQueue(tower)
    const puts = Array.from({ length: 257 }, (_, at) => tower.mailbox.put(item(sendId, at), CALL))
    const answers = (await Promise.all(puts)).map(({ kind }) => kind)
    expect(answers.filter((kind) => kind === "full")).toHaveLength(1)
    await tower.mailbox.acknowledge(receiveId, 1, CALL)
    expect(await tower.mailbox.put(item(sendId, "more"), CALL)).toEqual({ kind: "ok" })
    expect(tower.engine.report()).toMatchObject({ queues: 1, envelopes: 256 })
  })

  it("has everything again after a restart", async () => {
    await using tower = await openTower(way)
    const { sendId, receiveId } = await makeQueue(tower)
    for (let at = 0; at < 70; at++) await tower.mailbox.put(item(sendId, at), CALL)
    await tower.mailbox.acknowledge(receiveId, 33, CALL)
    const before = tower.engine.report()
    await tower.restart()
    expect(tower.engine.report()).toEqual(before)
    const range = { after: 0, limit: 64 }
    const found = await tower.mailbox.get(receiveId, range, CALL)
    expect(found.map(({ number, envelope }) => [number, nameOf(envelope)])).toEqual(
      Array.from({ length: 37 }, (_, at) => [at + 34, String(at + 33)]),
    )
  })

  it("says GONE for what never was, was deleted, or moved", async () => {
    await using tower = await openTower(way)
    const { sendId, receiveId } = await makeQueue(tower)
    expect(await tower.mailbox.put(item(random(32), 0), CALL)).toEqual({ kind: "gone" })
    await tower.mailbox.put(item(sendId, 0), CALL)
    const sealed = random(1_024)
    await tower.mailbox.move(receiveId, sealed, CALL)
    const gone = { kind: "gone", moved: sealed }
    expect(await tower.mailbox.put(item(sendId, 1), CALL)).toEqual(gone)
    expect(await names(tower, receiveId)).toEqual(["0"])
    await tower.mailbox.remove(receiveId, CALL)
    expect(await tower.mailbox.put(item(sendId, 1), CALL)).toEqual(gone)
    await expect(tower.mailbox.get(receiveId, ALL, CALL)).rejects.toMatchObject({
      code: "NO_QUEUE",
    })
    const other = await makeQueue(tower)
    await tower.mailbox.remove(other.receiveId, CALL)
    expect(await tower.mailbox.put(item(other.sendId, 1), CALL)).toEqual({ kind: "gone" })
  })

  it("takes each token once, and no other", async () => {
    await using tower = await openTower(way)
    const token = await freshToken(tower)
    const forged = Uint8Array.from(token)
    forged[50]! ^= 1
    const bad = { code: "BAD_TOKEN" }
    const make = (token?: Uint8Array) =>
      tower.mailbox.make({ kind: "queue", ...(token && { token }) }, CALL)
    await expect(make(forged)).rejects.toMatchObject(bad)
    await expect(make()).rejects.toMatchObject(bad)
    await make(token)
    await expect(make(token)).rejects.toMatchObject(bad)
    await tower.restart()
    await expect(make(token)).rejects.toMatchObject(bad)
  })

  it("asks strangers for work, and takes an answer for its envelope alone", async () => {
    await using tower = await openTower(way, { workBitsMin: 1, workBitsMax: 2 })
    const { sendId, receiveId } = await makeQueue(tower, "door")
    const first = item(sendId, "first")
    const asked = await tower.mailbox.put(first, CALL)
    if (asked.kind !== "toll") throw new Error(asked.kind)
    const nonce = await findWork({ ...asked, id: first.id }, { ...CALL, random: systemRandom })
    const toll = { kind: "work", nonce } as const
    expect(await tower.mailbox.put({ ...first, toll }, CALL)).toEqual({ kind: "ok" })
    expect(await tower.mailbox.put({ ...first, toll }, CALL)).toEqual({ kind: "duplicate" })
    expect(await names(tower, receiveId)).toEqual(["first"])
    await tower.world.pass(1_200_000)
    const late = { ...item(sendId, "late"), toll }
    expect(await tower.mailbox.put(late, CALL)).toMatchObject({ kind: "toll" })
  })

  it("takes a ticket of the door's owner once", async () => {
    await using tower = await openTower(way, { workBitsMin: 200, workBitsMax: 200 })
    const { sendId, receiveId } = await makeQueue(tower, "door")
    const ticket = random(32)
    const hash = new Uint8Array(createHash("sha256").update(ticket).digest())
    await tower.mailbox.addTicket(receiveId, hash, CALL)
    const toll = { kind: "introduction", ticket } as const
    const put = (name: string) => tower.mailbox.put({ ...item(sendId, name), toll }, CALL)
    expect(await put("first")).toEqual({ kind: "ok" })
    expect(await put("first")).toEqual({ kind: "duplicate" })
    expect(await put("second")).toMatchObject({ kind: "toll" })
  })

  it("hands out the greeting of a door", async () => {
    await using tower = await openTower(way)
    const { sendId, receiveId } = await makeQueue(tower, "door")
    expect(await tower.mailbox.greeting(sendId, CALL)).toBeUndefined()
    const greeting = random(8_192)
    await tower.mailbox.setGreeting(receiveId, random(10), CALL)
    await tower.mailbox.setGreeting(receiveId, greeting, CALL)
    expect(await tower.mailbox.greeting(sendId, CALL)).toEqual(greeting)
    const queue = await makeQueue(tower)
    await expect(tower.mailbox.setGreeting(queue.receiveId, greeting, CALL)).rejects.toMatchObject({
      code: "MAILBOX_REFUSED",
    })
  })

  it("keeps blobs, and lets only their writer replace them", async () => {
    await using tower = await openTower(way)
    const [id, writeKey] = [random(32), random(32)]
    const bytes = random(700_000)
    const token = await freshToken(tower)
    expect(await tower.mailbox.getBlob(id, CALL)).toBeUndefined()
    await expect(tower.mailbox.putBlob({ id, writeKey, bytes }, CALL)).rejects.toMatchObject({
      code: "BAD_TOKEN",
    })
    await tower.mailbox.putBlob({ id, writeKey, bytes, token }, CALL)
    expect(Buffer.compare((await tower.mailbox.getBlob(id, CALL))!, bytes)).toBe(0)
    const other = { id, writeKey: random(32), bytes: random(5) }
    await expect(tower.mailbox.putBlob(other, CALL)).rejects.toMatchObject({
      code: "MAILBOX_REFUSED",
    })
    await tower.mailbox.putBlob({ id, writeKey, bytes: random(0) }, CALL)
    expect(await tower.mailbox.getBlob(id, CALL)).toEqual(new Uint8Array())
    await tower.mailbox.putBlob({ id, writeKey, bytes: random(40_000) }, CALL)
    expect(await tower.mailbox.getBlob(id, CALL)).toHaveLength(40_000)
    expect(tower.engine.report().bytes).toBe(40_000)
  })

  it("says FULL when its disk is spoken for, and keeps what it has", async () => {
    await using tower = await openTower(way, { capBytes: 4 * 4_096, queuesMax: 2 })
    const { sendId, receiveId } = await makeQueue(tower)
    await makeQueue(tower)
    await expect(makeQueue(tower)).rejects.toMatchObject({ code: "MAILBOX_FULL" })
    for (const name of [1, 2]) await tower.mailbox.put(item(sendId, name), CALL)
    expect(await tower.mailbox.put(item(sendId, 3), CALL)).toEqual({ kind: "full" })
    const blob = { id: random(32), writeKey: random(32), bytes: random(1) }
    const token = await freshToken(tower)
    await expect(tower.mailbox.putBlob({ ...blob, token }, CALL)).rejects.toMatchObject({
      code: "MAILBOX_FULL",
    })
    expect(await names(tower, receiveId)).toEqual(["1", "2"])
    await tower.mailbox.acknowledge(receiveId, 1, CALL)
    expect(await tower.mailbox.put(item(sendId, 3), CALL)).toEqual({ kind: "ok" })
    await tower.mailbox.acknowledge(receiveId, 2, CALL)
    await tower.mailbox.putBlob({ ...blob, token }, CALL)
  })
})

describe.each(WAYS.slice(0, 2))("time at a tower, $disk disk, $reach", (way) => {
  it("ends a queue 30 days after its owner was last heard", async () => {
    await using tower = await openTower(way)
    const { sendId, receiveId, expiresS } = await makeQueue(tower)
    expect(expiresS).toBe(tower.world.clock.now() / 1_000 + 30 * 86_400)
    await tower.world.pass(29 * DAY_MS)
    await tower.mailbox.get(receiveId, ALL, CALL)
    await tower.world.pass(29 * DAY_MS)
    expect(await tower.mailbox.put(item(sendId, 1), CALL)).toEqual({ kind: "ok" })
    await tower.world.pass(2 * DAY_MS)
    expect(await tower.mailbox.put(item(sendId, 2), CALL)).toEqual({ kind: "gone" })
    expect(tower.engine.report()).toMatchObject({ queues: 0, envelopes: 0, bytes: 0 })
  })

  it("keeps a queue whose owner listens, and drops envelopes after 30 days", async () => {
    await using tower = await openTower(way)
    const { sendId, receiveId } = await makeQueue(tower)
    await tower.mailbox.put(item(sendId, "old"), CALL)
    await tower.world.pass(10 * DAY_MS)
    await tower.mailbox.put(item(sendId, "young"), CALL)
    const abort = new AbortController()
    const from = tower.mailbox.subscribe(receiveId, { after: 99 }, { signal: abort.signal })
    const end = from[Symbol.asyncIterator]().next()
    await tower.world.pass(21 * DAY_MS)
    expect(await names(tower, receiveId)).toEqual(["young"])
    await tower.world.pass(31 * DAY_MS)
    expect(await names(tower, receiveId)).toEqual([])
    expect(await tower.mailbox.put(item(sendId, "new"), CALL)).toEqual({ kind: "ok" })
    abort.abort()
    expect((await end).done).toBe(true)
  })

  it("tells for 30 days where a queue moved", async () => {
    await using tower = await openTower(way)
    const { sendId, receiveId } = await makeQueue(tower)
    await tower.mailbox.move(receiveId, random(100), CALL)
    await tower.mailbox.remove(receiveId, CALL)
    await tower.world.pass(29 * DAY_MS)
    expect(await tower.mailbox.put(item(sendId, 1), CALL)).toHaveProperty("moved")
    await tower.world.pass(2 * DAY_MS)
    expect(await tower.mailbox.put(item(sendId, 1), CALL)).toEqual({ kind: "gone" })
    expect(tower.engine.report().queues).toBe(0)
    void idOf
  })
})

/** The plug is pulled at every commit of a story, before and after it reached the disk. */
import { describe, expect, it } from "vitest"
import { systemRandom } from "../../../src/base/random.ts"
import { blindTokens, unblindTokens } from "../../../src/mail/mailbox/tokens.ts"
import { openTowerEngine, type TowerEngine } from "../../../src/mail/mailbox/tower/engine.ts"
import { FakeWorld } from "../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../support/memory-store.ts"
import { CALL, idOf, item, nameOf, random } from "./towers.ts"

/** What somebody outside was told. */
interface Told {
  queue?: { receiveId: Uint8Array; sendId: Uint8Array }
  readonly stored: Set<string>
  readonly asked: Set<string>
  /** Asked to be dropped, and dropped, up to this number. */
  dropped: number
  acknowledged: number
  blob?: number
  moved: boolean
}

const nothingTold = (): Told => ({
  stored: new Set(),
  asked: new Set(),
  dropped: 0,
  acknowledged: 0,
  moved: false,
})

async function story(tower: TowerEngine, told: Told): Promise<void> {
  const invitation = await tower.makeInvitation(2)
  const pending = blindTokens(2, systemRandom)
  const blinded = pending.map((one) => one.blinded)
  const issued = await tower.issueTokens({ invitation, blinded }, CALL)
  const tokens = unblindTokens(pending, issued, await tower.tokenKey(CALL))
  const queue = await tower.make({ kind: "queue", token: tokens[0]! }, CALL)
  told.queue = queue
  const put = async (name: string) => {
    told.asked.add(name)
    const { kind } = await tower.put(item(queue.sendId, name), CALL)
    if (kind === "ok" || kind === "duplicate") told.stored.add(name)
  }
  for (let round = 0; round < 3; round++) {
    await Promise.all(["a", "b", "c"].map((name) => put(`${name}${round}`)))
    const found = await tower.get(queue.receiveId, { after: 0, limit: 64 }, CALL)
    const upTo = found.at(-2)!.number
    told.dropped = upTo
    await tower.acknowledge(queue.receiveId, upTo, CALL)
    told.acknowledged = upTo
  }
  const blob = { id: idOf("blob"), writeKey: idOf("key"), bytes: random(600_000) }
  await tower.putBlob({ ...blob, token: tokens[1]! }, CALL)
  told.blob = 600_000
  await tower.putBlob({ ...blob, bytes: random(700_000) }, CALL)
  told.blob = 700_000
  await tower.move(queue.receiveId, random(9), CALL)
  told.moved = true
}

async function check(tower: TowerEngine, told: Told): Promise<void> {
  const { queue } = told
  if (queue !== undefined) {
    const found = await tower.get(queue.receiveId, { after: 0, limit: 64 }, CALL)
    expect(found.every(({ number }) => number > told.acknowledged)).toBe(true)
    const names = found.map(({ envelope }) => nameOf(envelope))
    expect(new Set(names).size).toBe(names.length)
    // Numbers have no gaps: what was stored is there, or its owner has asked to drop it.
    const numbers = found.map(({ number }) => number)
    const from = numbers[0] ?? told.dropped + 1
    expect(from).toBeLessThanOrEqual(told.dropped + 1)
    expect(numbers).toEqual(numbers.map((_, at) => from + at))
    expect(numbers.at(-1) ?? told.dropped).toBeGreaterThanOrEqual(told.stored.size)
    if (!told.moved)
      for (const name of told.stored) {
        const { kind } = await tower.put(item(queue.sendId, name), CALL)
        if (kind !== "gone") expect(kind).toBe("duplicate")
      }
    else expect(await tower.put(item(queue.sendId, "x"), CALL)).toHaveProperty("moved")
  }
  if (told.blob !== undefined) {
    const blob = await tower.getBlob(idOf("blob"), CALL)
    expect(blob!.length).toBeGreaterThanOrEqual(told.blob)
  }
  const { envelopes, queues } = tower.report()
  expect(queues).toBeLessThanOrEqual(1)
  expect(envelopes).toBeLessThanOrEqual(told.asked.size)
}

async function open(disk: MemoryDisk, world: FakeWorld, onCrash: () => void): Promise<TowerEngine> {
  const store = new MemoryLife(disk, world, onCrash).room("tower/")
  return openTowerEngine({ store, clock: world.clock, random: systemRandom })
}

async function tell(crashAt?: MemoryDisk["crashAt"]): Promise<number> {
  const [disk, world] = [new MemoryDisk(), new FakeWorld()]
  disk.crashAt = crashAt
  const told: Told = nothingTold()
  let crash = () => {}
  const crashed = new Promise<void>((resolve) => {
    crash = resolve
  })
  const first = open(disk, world, crash).then((tower) => story(tower, told))
  await Promise.race([first, crashed])
  const commitCount = disk.commitCount
  disk.crashAt = undefined
  const tower = await open(disk, new FakeWorld(), () => {})
  await check(tower, told)
  await tower[Symbol.asyncDispose]()
  return commitCount
}

describe("a tower whose plug is pulled", () => {
  it("never loses what it said it has, and never gives again what was acknowledged", async () => {
    const commitCount = await tell()
    expect(commitCount).toBeGreaterThan(10)
    for (let commit = 1; commit <= commitCount; commit++)
      for (const moment of ["before", "after"] as const) await tell({ commit, moment })
  })

  it("says STORE_FULL when the disk is full, changes nothing, and goes on when it is not", async () => {
    const [disk, world] = [new MemoryDisk(), new FakeWorld()]
    const told: Told = nothingTold()
    await using tower = await open(disk, world, () => {})
    await story(tower, told)
    const invitation = await tower.makeInvitation(1)
    const pending = blindTokens(1, systemRandom)
    const blinded = pending.map((one) => one.blinded)
    const issued = await tower.issueTokens({ invitation, blinded }, CALL)
    const [token] = unblindTokens(pending, issued, await tower.tokenKey(CALL))
    const before = tower.report()
    disk.full = true
    const full = { code: "STORE_FULL" }
    await expect(tower.make({ kind: "queue", token: token! }, CALL)).rejects.toMatchObject(full)
    await expect(tower.acknowledge(told.queue!.receiveId, 999, CALL)).rejects.toMatchObject(full)
    expect(tower.report()).toEqual(before)
    disk.full = false
    const { sendId } = await tower.make({ kind: "queue", token: token! }, CALL)
    disk.full = true
    await expect(tower.put(item(sendId, "x"), CALL)).rejects.toMatchObject(full)
    disk.full = false
    expect(await tower.put(item(sendId, "x"), CALL)).toEqual({ kind: "ok" })
  })
})

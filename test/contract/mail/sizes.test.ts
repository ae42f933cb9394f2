/** What somebody sees who records all that goes over a channel: sizes, which say nothing of what is in it. */
import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { systemRandom } from "../../../src/base/random.ts"
import { findWork } from "../../../src/mail/mailbox/work.ts"
import { CALL, item, joinLine, makeQueue, openTower, random, recordWrites } from "./towers.ts"

const SMALL = 256
const LARGE = 4_352

describe("recorded frames", () => {
  it("are alike for every kind of put, and for every kind of small thing", async () => {
    await using tower = await openTower(
      { disk: "memory", reach: "direct" },
      { workBitsMin: 1, workBitsMax: 1 },
    )
    const queue = await makeQueue(tower)
    const door = await makeQueue(tower, "door")
    const { mailbox, near, far } = joinLine(tower.engine, tower.world, tower.world.clock)
    const [asked, answered] = [recordWrites(near), recordWrites(far)]

    await mailbox.put(item(queue.sendId, "short"), CALL)
    await mailbox.put({ ...item(queue.sendId, "full"), envelope: random(4_096) }, CALL)
    await mailbox.put(item(random(32), "gone"), CALL)
    const stranger = item(door.sendId, "work")
    const toll = await mailbox.put(stranger, CALL)
    if (toll.kind !== "toll") throw new Error(toll.kind)
    const nonce = await findWork({ ...toll, id: stranger.id }, { ...CALL, random: systemRandom })
    await mailbox.put({ ...stranger, toll: { kind: "work", nonce } }, CALL)
    const ticket = random(32)
    const hash = new Uint8Array(createHash("sha256").update(ticket).digest())
    await tower.engine.addTicket(door.receiveId, hash, CALL)
    await mailbox.put({ ...item(door.sendId, "t"), toll: { kind: "introduction", ticket } }, CALL)
    expect(asked).toEqual([LARGE, LARGE, LARGE, LARGE, LARGE, LARGE])
    expect(answered).toEqual([SMALL, SMALL, SMALL, SMALL, SMALL, SMALL])

    asked.length = 0
    answered.length = 0
    await mailbox.get(queue.receiveId, { after: 0, limit: 64 }, CALL)
    await mailbox.acknowledge(queue.receiveId, 2, CALL)
    await mailbox.remove(queue.receiveId, CALL)
    await mailbox.tokenKey(CALL)
    expect(asked).toEqual([SMALL, SMALL, SMALL, SMALL])
    expect(answered).toEqual([LARGE, LARGE, SMALL, SMALL, SMALL, SMALL])
    await mailbox[Symbol.asyncDispose]()
  })
})

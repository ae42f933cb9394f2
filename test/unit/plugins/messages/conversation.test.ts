import { describe, expect, it } from "vitest"
import {
  OUTBOX_BYTES_MAX,
  OUTBOX_MESSAGES_MAX,
  openConversation,
} from "../../../../plugins/messages/conversation.ts"
import { FakeWorld } from "../../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../../support/memory-store.ts"

describe("Conversation.send()", () => {
  it.each([
    ["messages", OUTBOX_MESSAGES_MAX - 1, 1],
    ["bytes", 99, (OUTBOX_BYTES_MAX - 5) / 99],
  ])(
    "takes what there is room for, and says when too many %s wait",
    async (_, count, byteCount) => {
      const { conversation } = await open(count, Math.floor(byteCount))
      await conversation.send("12345")
      const failure = {
        code: "OUTBOX_FULL",
        message: expect.stringMatching(/^Cannot queue message: /),
      }
      await expect(conversation.send("x".repeat(100))).rejects.toMatchObject(failure)
      expect(conversation.waitingCount).toBe(count + 1)
    },
  )

  it("has room again when something was delivered", async () => {
    const { conversation, disk } = await open(OUTBOX_MESSAGES_MAX)
    disk.values.delete("/history/1")
    await expect(conversation.send("x")).rejects.toMatchObject({ code: "OUTBOX_FULL" })
    await conversation.settle([1], { state: "delivered" })
    await expect(conversation.send("x")).resolves.toBeDefined()
  })

  it("queues nothing when the disk is full, and goes on when it is not", async () => {
    const { conversation, disk } = await open()
    disk.full = true
    await expect(conversation.send("lost?")).rejects.toMatchObject({ code: "STORE_FULL" })
    expect(conversation.waitingCount).toBe(0)
    disk.full = false
    await conversation.send("kept")
    expect((await conversation.newest({ limit: 10 })).map(([, { text }]) => text)).toEqual(["kept"])
  })

  it("counts what is being written, so that many at once do not pass the bound", async () => {
    const { conversation } = await open(OUTBOX_MESSAGES_MAX - 3)
    const sends = Array.from({ length: 5 }, (_, count) => conversation.send(String(count)))
    const ends = await Promise.allSettled(sends)
    expect(ends.map(({ status }) => status)).toEqual([
      ...["fulfilled", "fulfilled", "fulfilled"],
      ...["rejected", "rejected"],
    ])
  })

  it("counts its messages from 1 without a gap, also after a restart", async () => {
    const { conversation, disk } = await open()
    for (const text of ["a", "b"]) await conversation.send(text)
    const again = await openOn(disk)
    expect((await again.send("c"))[1].sequence).toBe(3)
    expect([...again.waiting()]).toHaveLength(3)
  })
})

describe("Conversation.settle()", () => {
  it("never takes back that a message was delivered", async () => {
    const { conversation } = await open()
    const [number] = await conversation.send("a")
    await conversation.settle([number], { state: "delivered" })
    expect(await conversation.settle([number], { state: "failed", reason: "NO_CONTACT" })).toEqual(
      [],
    )
    expect((await conversation.get(number))?.state).toBe("delivered")
  })
})

/** A conversation with this much in its outbox already. */
async function open(waiting = 0, byteCount = 1) {
  const disk = new MemoryDisk()
  for (let number = 1; number <= waiting; number++) {
    disk.values.set(`/outbox/${number}`, { byteCount })
    disk.values.set(`/history/${number}`, {})
  }
  return { disk, conversation: await openOn(disk) }
}

function openOn(disk: MemoryDisk) {
  const life = new MemoryLife(disk, new FakeWorld(), () => {})
  return openConversation(life.room("/"), { now: () => 1_000_000 })
}

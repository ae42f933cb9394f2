import { describe, expect, it } from "vitest"
import { Conversation } from "../../../../plugins/messages/conversation.ts"
import { type Entry, headShape } from "../../../../plugins/messages/entry.ts"
import type { Note, Pen } from "../../../../plugins/messages/pen.ts"
import { markRead } from "../../../../plugins/messages/reading.ts"
import { FakeWorld } from "../../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../../support/memory-store.ts"

const entry = (byte: number, text: string): Entry => ({
  ...{ id: new Uint8Array(16).fill(byte), state: "received", text, sentAt: 0, storedAt: 1 },
})

function openOn(disk: MemoryDisk, notes: Note[] = []) {
  const life = new MemoryLife(disk, new FakeWorld(), () => {})
  const head = headShape.parse({ identity: "me", contact: "you", name: "you" })
  const listener = {
    noted: (_: unknown, more: readonly Note[]) => void notes.push(...more),
    expires() {},
  }
  return new Conversation(life.room("/"), head, listener)
}

describe("Conversation.change()", () => {
  it("writes nothing and tells nothing when the deed fails, and goes on", async () => {
    const disk = new MemoryDisk()
    const notes: Note[] = []
    const conversation = openOn(disk, notes)
    const add = (pen: Pen) => {
      const number = pen.add(entry(1, "a"))
      pen.head.unread++
      pen.note("received", number, entry(1, "a"))
      return Promise.resolve(number)
    }
    disk.full = true
    await expect(conversation.change(add)).rejects.toMatchObject({ code: "STORE_FULL" })
    expect(conversation.head.unread).toBe(0)
    expect(notes).toEqual([])
    disk.full = false
    const number = await conversation.change(add)
    expect(conversation.head).toMatchObject({ unread: 1, lastAt: 1 })
    expect(notes).toMatchObject([{ what: "received", number }])
  })

  it("does one deed after another", async () => {
    const conversation = openOn(new MemoryDisk())
    const add = async (pen: Pen) => {
      const { unread } = pen.head
      await new Promise((resolve) => setImmediate(resolve))
      pen.head.unread = unread + 1
    }
    await Promise.all(Array.from({ length: 5 }, () => conversation.change(add)))
    expect(conversation.head.unread).toBe(5)
  })

  it("keeps a text beyond what the store takes as one value, and forgets all of it", async () => {
    const disk = new MemoryDisk()
    const conversation = openOn(disk)
    const text = "€".repeat(349_525) // 1 MiB, and no part ends between two characters
    const number = await conversation.change(async (pen) => pen.add(entry(1, text)))
    const [[, found] = [0, entry(0, "")]] = await conversation.newest({ limit: 1, bytes: 1 })
    expect(found.text).toBe(text)
    await conversation.change(async (pen) => {
      pen.write(number, { ...(await pen.entry(number))!, text: "short" })
    })
    expect(disk.below("/conversation/me/you/parts/")).toEqual([])
    await conversation.change(async (pen) => {
      pen.write(number, { ...(await pen.entry(number))!, text })
    })
    await conversation.change(async (pen) => pen.remove(number, (await pen.entry(number))!))
    expect(disk.below("/conversation/me/you/parts/")).toEqual([])
    expect(disk.below("/conversation/me/you/history/")).toEqual([])
  })
})

describe("markRead()", () => {
  it("goes through many messages in steps, and counts right", async () => {
    const conversation = openOn(new MemoryDisk())
    await conversation.change(async (pen) => {
      for (let count = 1; count <= 1_100; count++) {
        const id = new Uint8Array(16)
        new DataView(id.buffer).setUint32(0, count)
        pen.add({ ...entry(1, "x"), id, ...(count % 2 === 0 && { state: "delivered" }) })
        if (count % 2 === 1) pen.head.unread++
      }
    })
    const counts: number[] = []
    for (let more = true; more; counts.push(conversation.head.unread))
      more = (await conversation.change((pen) => markRead(pen, 1_099, 1))).more
    expect(counts).toEqual([300, 50, 0])
    expect(conversation.head.readTo).toBe(1_099)
  })
})

describe("Pen.remove()", () => {
  it("remembers the last 1,000 names of what is gone, and no more", async () => {
    const disk = new MemoryDisk()
    const conversation = openOn(disk)
    const come = (from: number, to: number) =>
      conversation.change(async (pen) => {
        for (let count = from; count <= to; count++) {
          const id = new Uint8Array(16)
          new DataView(id.buffer).setUint32(0, count)
          const number = pen.add({ ...entry(1, "x"), id })
          pen.head.unread++
          await pen.remove(number, (await pen.entry(number))!)
        }
      })
    await come(1, 1_000)
    await come(1_001, 1_010)
    const left = (name: string) => disk.below(`/conversation/me/you/${name}/`)
    expect([left("gone").length, left("seen").length]).toEqual([1_000, 1_000])
    expect(left("history")).toEqual([])
  })
})

describe("Conversation.newest()", () => {
  it("answers fewer messages when their texts are long, and always one", async () => {
    const conversation = openOn(new MemoryDisk())
    for (let byte = 1; byte <= 5; byte++)
      await conversation.change(async (pen) => pen.add(entry(byte, "x".repeat(10))))
    const count = async (bytes: number) => (await conversation.newest({ limit: 9, bytes })).length
    expect(await count(1)).toBe(1)
    expect(await count(35)).toBe(3)
    expect(await count(1_000)).toBe(5)
  })
})

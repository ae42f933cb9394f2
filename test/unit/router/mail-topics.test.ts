import { beforeEach, describe, expect, it } from "vitest"
import { AlliumError } from "../../../src/base/errors.ts"
import { silentLog } from "../../../src/base/log.ts"
import { Scope } from "../../../src/base/scope.ts"
import { openMailShelf, SHELF_BYTES_MAX, SHELF_ITEMS_MAX } from "../../../src/router/mail-shelf.ts"
import { MailTopics, type Parties } from "../../../src/router/mail-topics.ts"
import type { StoreRoom } from "../../../src/store/store.ts"
import { FakeWorld } from "../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../support/memory-store.ts"

const PEER = `${"b".repeat(43)}.0`
const parties = { identity: { key: "a" }, contact: { key: "b" } } as unknown as Parties
const letter = (text: string, topic = "notes") => ({ topic, content: Buffer.from(text) })

describe("MailTopics", () => {
  let world: FakeWorld
  let disk: MemoryDisk
  let room: StoreRoom
  let came: string[]

  beforeEach(() => {
    world = new FakeWorld()
    disk = new MemoryDisk()
    came = []
    room = new MemoryLife(disk, world, () => {}).room("/")
  })

  const open = async (known: (typeof parties)[] = [parties]) => {
    room = new MemoryLife(disk, world, () => {}).room("/")
    const shelf = await openMailShelf(room)
    const { clock } = world
    return new MailTopics({
      shelf,
      parties: () => known[0],
      clock,
      chance: () => 0,
      log: silentLog,
    })
  }
  /** What the post does with a letter. */
  const arrive = async (topics: MailTopics, text: string, topic?: string) => {
    const { changes, done } = await topics.letter(parties, PEER, letter(text, topic))
    await room.commit(changes)
    done?.()
  }
  const note = async ({ content }: { content: Uint8Array }) => {
    came.push(Buffer.from(content).toString())
    return { changes: [] }
  }

  it("hands letters to the plugin of their topic at once while it runs", async () => {
    const topics = await open()
    topics.set("notes", "letter", note, new Scope())
    await world.settle()
    await arrive(topics, "one")
    expect(came).toEqual(["one"])
    expect(disk.values.size).toBe(0)
  })

  it("keeps letters of a plugin that does not run, in order, over a restart", async () => {
    const before = await open()
    for (const text of ["one", "two", "three"]) await arrive(before, text)
    expect(came).toEqual([])
    const after = await open()
    after.set("notes", "letter", note, new Scope())
    await arrive(after, "four")
    await world.settle()
    expect(came).toEqual(["one", "two", "three", "four"])
    expect(disk.values.size).toBe(0)
  })

  it("hands a letter over again when the plugin could not take it, and drops it for BAD_RECORD", async () => {
    const topics = await open()
    await arrive(topics, "not now")
    await arrive(topics, "never")
    let tries = 0
    const moody = async (event: { content: Uint8Array }) => {
      const text = Buffer.from(event.content).toString()
      if (text === "never") throw new AlliumError("BAD_RECORD", "Cannot read it")
      if (++tries < 3) throw new Error("not now")
      return note(event)
    }
    topics.set("notes", "letter", moody, new Scope())
    await world.until(() => came.length === 1)
    await world.settle()
    expect(tries).toBe(3)
    expect(disk.values.size).toBe(0)
  })

  it("keeps no more than so many letters of one correspondent: the rest stays with its sender", async () => {
    const topics = await open()
    for (let count = 0; count < SHELF_ITEMS_MAX; count++) await arrive(topics, "x", "unknown")
    const more = topics.letter(parties, PEER, letter("x", "unknown"))
    await expect(more).rejects.toMatchObject({ code: "PLUGIN_FAILED" })
    const other = topics.letter(parties, `${"c".repeat(43)}.0`, letter("x", "unknown"))
    await expect(other).resolves.toBeDefined()
  })

  it("keeps no more than so many bytes of one correspondent", async () => {
    const topics = await open()
    const half = { topic: "unknown", content: new Uint8Array(SHELF_BYTES_MAX / 2 + 1) }
    const { changes, done } = await topics.letter(parties, PEER, half)
    await room.commit(changes)
    done?.()
    const more = topics.letter(parties, PEER, half)
    await expect(more).rejects.toMatchObject({ code: "PLUGIN_FAILED" })
  })

  it("keeps reports too", async () => {
    const topics = await open()
    const told = { plugin: "notes", name: "n1", state: { kind: "delivered" } as const }
    const { changes, done } = await topics.report(parties, PEER, told)
    await room.commit(changes)
    done?.()
    const states: string[] = []
    const hear = async ({ name, state }: { name: string; state: { kind: string } }) => {
      states.push(`${name} ${state.kind}`)
      return { changes: [] }
    }
    topics.set("notes", "report", hear, new Scope())
    await world.settle()
    expect(states).toEqual(["n1 delivered"])
  })

  it("drops what was kept of a contact who is none any more", async () => {
    await arrive(await open(), "old")
    const later = await open([])
    later.set("notes", "letter", note, new Scope())
    await world.settle()
    expect(came).toEqual([])
  })

  it("has one taker for each topic, until the plugin ends", async () => {
    const topics = await open()
    const scope = new Scope()
    topics.set("notes", "letter", note, scope)
    expect(() => topics.set("notes", "letter", note, new Scope())).toThrow(TypeError)
    await scope.close()
    topics.set("notes", "letter", note, new Scope())
  })
})

import { readdir, readFile, stat, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { z } from "zod"
import { openLog } from "../../../src/base/log.ts"
import type { Store } from "../../../src/store/store.ts"
import { HandClock } from "../../unit/store/hand-clock.ts"
import { freshFolder, openIn } from "../../unit/store/store-folder.ts"

const DAY_MS = 86_400_000

async function tablesIn(folder: string): Promise<string[]> {
  return (await readdir(join(folder, "data"))).filter((name) => name.endsWith(".ldb")).sort()
}

async function knownIn(folder: string): Promise<string[]> {
  const { tables } = JSON.parse(await readFile(join(folder, "sums.json"), "utf8"))
  return Object.keys(tables).sort()
}

/** One bit of a table's first block, and the file's times as they were: what a rotting disk does. */
async function rot(path: string): Promise<void> {
  const { atime, mtime } = await stat(path)
  const bytes = await readFile(path)
  bytes[20]! ^= 1
  await writeFile(path, bytes)
  await utimes(path, atime, mtime)
}

/** A store with a table, open, and its watch in the test's hands. */
async function openWatched() {
  const folder = await freshFolder()
  await write(await openIn(folder))
  const events: { event: string; file?: string }[] = []
  const clock = new HandClock()
  const tell = (line: string) => void events.push(JSON.parse(line))
  const log = openLog({ level: "warn", write: tell, now: () => 0 })
  const store = await openIn(folder, { clock, log }) // makes a table of the log
  let rest = await clock.nextSleep()
  /** Until the watch rests again. */
  const round = async () => {
    rest.wake()
    for (rest = await clock.nextSleep(); rest.ms < 10_000; rest = await clock.nextSleep())
      rest.wake()
  }
  return { folder, store, clock, events, round }
}

/** Some entries, then closed: they stand in a log that the next opening makes a table of. */
async function write(store: Store): Promise<void> {
  const table = store.table("t", z.string())
  await store.commit(Array.from({ length: 50 }, (_, index) => table.put(`k${index}`, "x")))
  await store[Symbol.asyncDispose]()
}

describe("the watch over an open store's tables", () => {
  it("knows a new table after a round, and the next opening knows it too", async () => {
    const { folder, store, round } = await openWatched()
    expect(await tablesIn(folder)).toHaveLength(1)
    await round()
    expect(await knownIn(folder)).toEqual(await tablesIn(folder))
    await store[Symbol.asyncDispose]()
    await (await openIn(folder))[Symbol.asyncDispose]()
  })

  it("tells once a day of damage that came while the store is open; the next opening refuses it", async () => {
    const { folder, store, clock, events, round } = await openWatched()
    await round()
    const [file] = await tablesIn(folder)
    await rot(join(folder, "data", file!))
    await round()
    expect(events).toEqual([])
    clock.aheadMs += DAY_MS
    await round()
    await round()
    expect(events).toEqual([expect.objectContaining({ event: "store.table-damaged", file })])
    await store[Symbol.asyncDispose]()
    await expect(openIn(folder)).rejects.toMatchObject({ code: "STORE_DAMAGED" })
  })

  it("says nothing of a table that is still being written", async () => {
    const { folder, events, round } = await openWatched()
    await writeFile(join(folder, "data", "999999.ldb"), "the beginning of a table")
    await round()
    await round()
    expect(events).toEqual([])
    expect(await knownIn(folder)).not.toContain("999999.ldb")
  })
})

describe("a closed store whose tables are known", () => {
  it("is refused for one flipped bit under unchanged size and times", async () => {
    const { folder, store, round } = await openWatched()
    await round()
    await store[Symbol.asyncDispose]()
    const [file] = await knownIn(folder)
    await rot(join(folder, "data", file!))
    for (let attempt = 0; attempt < 2; attempt++)
      await expect(openIn(folder)).rejects.toMatchObject({
        code: "STORE_DAMAGED",
        message: expect.stringContaining(file!),
      })
  })

  it("opens when the sums are damaged, and has them again", async () => {
    const { folder, store, round } = await openWatched()
    await round()
    await store[Symbol.asyncDispose]()
    await writeFile(join(folder, "sums.json"), "{")
    await (await openIn(folder))[Symbol.asyncDispose]()
    expect(await knownIn(folder)).not.toEqual([])
  })
})

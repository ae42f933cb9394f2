import { describe, expect, it } from "vitest"
import { z } from "zod"
import { AlliumError } from "../../../src/base/errors.ts"
import { openLog } from "../../../src/base/log.ts"
import { type Database, type Disk, levelDisk } from "../../../src/store/database.ts"
import { HandClock } from "../../unit/store/hand-clock.ts"
import { freshFolder, gather, openIn } from "../../unit/store/store-folder.ts"

const full = () => new AlliumError("STORE_FULL", "Cannot write store: the disk is full")

/**
 * LevelDB on a disk that can be full: one failed write, and the handle refuses all further ones, as measured
 * on a full tmpfs.
 */
function tightDisk() {
  const state = {
    isFull: false,
    /** The failed batch reaches LevelDB's log all the same. */
    isLogged: false,
    opened: 0,
    /** How many openings will still fail. */
    refusesToOpen: 0,
    fails: full,
  }
  const around = (database: Database): Database => {
    let isDead = false
    return {
      ...database,
      async write(operations) {
        if (state.isFull && !isDead && state.isLogged) late.push(operations)
        isDead ||= state.isFull
        if (isDead) throw state.fails()
        await database.write(operations)
      },
    }
  }
  const late: (readonly { place: Uint8Array; sealed?: Uint8Array }[])[] = []
  const disk: Disk = {
    async open(folder) {
      if (state.refusesToOpen-- > 0) throw full()
      const database = await levelDisk.open(folder)
      state.opened++
      for (const operations of late.splice(0)) await database.write(operations)
      return around(database)
    },
    freeBytes: async () => (state.isFull ? 0 : 1e9),
  }
  return { state, disk }
}

async function openTight() {
  const folder = await freshFolder()
  const { state, disk } = tightDisk()
  const clock = new HandClock()
  const nextSleep = () => clock.nextSleep()
  const events = hearing()
  const store = await openIn(folder, { disk, clock, log: events.log })
  await nextSleep() // of the watch over the tables, which sleeps on
  return {
    folder,
    store,
    state,
    nextSleep,
    heard: events.heard,
    table: store.table("t", z.number()),
    journal: store.journal("j", z.string()),
  }
}

describe("commit() on a full disk", () => {
  it("says STORE_FULL to what is running, waiting and new, and goes on reading", async () => {
    const { store, state, table } = await openTight()
    await store.commit([table.put("a", 1)])
    state.isFull = true
    const results = await Promise.allSettled(
      Array.from({ length: 200 }, (_, index) => store.commit([table.put("a", index)])),
    )
    for (const result of results) expect(result).toMatchObject({ reason: { code: "STORE_FULL" } })
    await expect(store.commit([table.put("b", 1)])).rejects.toMatchObject({ code: "STORE_FULL" })
    expect(await table.get("a")).toBe(1)
    expect(await gather(table.entries())).toEqual([["a", 1]])
  })

  it("tries again with growing waits and writes again when there is room, without a restart", async () => {
    const { folder, store, state, nextSleep, heard, table } = await openTight()
    state.isFull = true
    await expect(store.commit([table.put("a", 1)])).rejects.toMatchObject({ code: "STORE_FULL" })
    for (const ms of [500, 1000, 2000, 4000, 5000]) {
      const sleep = await nextSleep()
      expect(sleep.ms).toBe(ms)
      sleep.wake()
    }
    const sleep = await nextSleep()
    expect(state.opened).toBe(1)
    state.isFull = false
    sleep.wake()
    await heard("store.writable-again")
    await store.commit([table.put("a", 2)])
    expect(state.opened).toBe(2)
    await store[Symbol.asyncDispose]()
    expect(await (await openIn(folder)).table("t", z.number()).get("a")).toBe(2)
  })

  it("takes back a batch that LevelDB had logged although it failed", async () => {
    const { folder, store, state, nextSleep, heard, table, journal } = await openTight()
    await store.commit([table.put("kept", 1), table.put("removed", 1), journal.append("one")])
    Object.assign(state, { isFull: true, isLogged: true })
    const changes = [
      table.put("kept", 2),
      table.put("new", 2),
      table.remove("removed"),
      journal.append("two"),
    ]
    await expect(store.commit(changes)).rejects.toMatchObject({ code: "STORE_FULL" })
    const sleep = await nextSleep()
    state.isFull = false
    sleep.wake()
    await heard("store.writable-again")
    expect(new Map(await gather(table.entries()))).toEqual(
      new Map([
        ["kept", 1],
        ["removed", 1],
      ]),
    )
    expect(await gather(journal.read())).toEqual([[1, "one"]])
    await store.commit([journal.append("three")])
    await store[Symbol.asyncDispose]()
    const again = await openIn(folder)
    expect(await gather(again.journal("j", z.string()).read())).toEqual([
      [1, "one"],
      [3, "three"],
    ])
  })

  it("goes on trying when not even a fresh handle can be had", async () => {
    const { store, state, nextSleep, heard, table } = await openTight()
    await store.commit([table.put("a", 1)])
    state.isFull = true
    await expect(store.commit([table.put("a", 2)])).rejects.toMatchObject({ code: "STORE_FULL" })
    state.refusesToOpen = 2
    for (let attempt = 0; attempt < 3; attempt++) {
      const sleep = await nextSleep()
      state.isFull = false
      sleep.wake()
    }
    await heard("store.writable-again")
    await store.commit([table.put("a", 3)])
    expect(await table.get("a")).toBe(3)
  })

  it("closes while the disk is full, and opens again", async () => {
    const { folder, store, state, table } = await openTight()
    await store.commit([table.put("a", 1)])
    state.isFull = true
    await expect(store.commit([table.put("a", 2)])).rejects.toMatchObject({ code: "STORE_FULL" })
    await store[Symbol.asyncDispose]()
    expect(await (await openIn(folder)).table("t", z.number()).get("a")).toBe(1)
  })

  it("says STORE_FAILED for other faults of the disk", async () => {
    const { store, state, table } = await openTight()
    state.fails = () =>
      new AlliumError("STORE_FAILED", "Cannot write store: the disk reports a fault")
    state.isFull = true
    await expect(store.commit([table.put("a", 1)])).rejects.toMatchObject({ code: "STORE_FAILED" })
  })
})

/** A log one can wait on. */
function hearing() {
  const heardSoFar = new Set<string>()
  const waiting = new Map<string, () => void>()
  const write = (line: string) => {
    const { event } = JSON.parse(line) as { event: string }
    heardSoFar.add(event)
    waiting.get(event)?.()
  }
  const log = openLog({ level: "debug", write, now: () => 0 })
  const heard = (event: string) =>
    new Promise<void>((resolve) => {
      if (heardSoFar.has(event)) resolve()
      else waiting.set(event, resolve)
    })
  return { log, heard }
}

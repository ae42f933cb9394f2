import { readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { z } from "zod"
import type { Migration } from "../../../src/store/migrations.ts"
import { freshFolder, gather, openIn } from "../../unit/store/store-folder.ts"

/** Moves every entry of the old table to a new one, doubled. */
const double: Migration = async (root) => {
  const before = root.table("old", z.number())
  const after = root.table("new", z.number())
  const entries = await gather(before.entries())
  return entries.flatMap(([key, value]) => [before.remove(key), after.put(key, 2 * value)])
}
const addOne: Migration = async (root) => {
  const table = root.table("new", z.number())
  return (await gather(table.entries())).map(([key, value]) => table.put(key, value + 1))
}

async function oldStore(): Promise<string> {
  const folder = await freshFolder()
  const store = await openIn(folder, { migrations: [] })
  const table = store.table("old", z.number())
  await store.commit([table.put("a", 1), table.put("b", 2)])
  await store[Symbol.asyncDispose]()
  return folder
}

async function readNew(folder: string, migrations: readonly Migration[]) {
  const store = await openIn(folder, { migrations })
  const entries = await gather(store.table("new", z.number()).entries())
  await store[Symbol.asyncDispose]()
  return entries.sort()
}

describe("migrations", () => {
  it("run once each, in order, and not on a new store", async () => {
    const folder = await oldStore()
    const wanted = [
      ["a", 3],
      ["b", 5],
    ]
    expect(await readNew(folder, [double, addOne])).toEqual(wanted)
    expect(await readNew(folder, [double, addOne])).toEqual(wanted)
    const fail: Migration = () => Promise.reject(new Error("must not run"))
    await openIn(await freshFolder(), { migrations: [fail] })
  })

  it("go on where they stopped when one fails", async () => {
    const folder = await oldStore()
    let attempts = 0
    const breaks: Migration = async (root) => {
      if (attempts++ === 0) throw new Error("power cut")
      return addOne(root)
    }
    await expect(openIn(folder, { migrations: [double, breaks] })).rejects.toThrow("power cut")
    expect(await readNew(folder, [double, breaks])).toEqual([
      ["a", 3],
      ["b", 5],
    ])
  })

  it("refuse a store that went through more of them with STORE_TOO_NEW, and leave it alone", async () => {
    const folder = await oldStore()
    await readNew(folder, [double, addOne])
    await expect(openIn(folder, { migrations: [double] })).rejects.toMatchObject({
      code: "STORE_TOO_NEW",
    })
    expect(await readNew(folder, [double, addOne])).toEqual([
      ["a", 3],
      ["b", 5],
    ])
  })
})

describe("the sentinel", () => {
  it("refuses a later format with STORE_TOO_NEW", async () => {
    const folder = await oldStore()
    const path = join(folder, "store.json")
    const sentinel = JSON.parse(await readFile(path, "utf8"))
    await writeFile(path, JSON.stringify({ ...sentinel, format: 2, more: true }))
    await expect(openIn(folder)).rejects.toMatchObject({ code: "STORE_TOO_NEW" })
  })

  it("learns of progress while the store is open", async () => {
    const folder = await freshFolder()
    const store = await openIn(folder)
    const table = store.table("t", z.number())
    for (let index = 0; index < 1001; index++) await store.commit([table.put("a", index)])
    const sentinel = JSON.parse(await readFile(join(folder, "store.json"), "utf8"))
    expect(sentinel).toMatchObject({ batches: 1000, closed: false })
    await store[Symbol.asyncDispose]()
    const closed = JSON.parse(await readFile(join(folder, "store.json"), "utf8"))
    expect(closed).toMatchObject({ batches: 1001, closed: true })
  })
})

describe("the store's folder", () => {
  it("is for its owner alone", async () => {
    const folder = join(await freshFolder(), "store")
    await openIn(folder)
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect((await stat(join(folder, "store.json"))).mode & 0o777).toBe(0o600)
  })
})

import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { Level } from "level"
import { describe, expect, it } from "vitest"
import { z } from "zod"
import { freshFolder, gather, KEY, openIn } from "../../unit/store/store-folder.ts"

const note = z.strictObject({ text: z.string(), data: z.instanceof(Uint8Array) })
const noteOf = (text: string) => ({ text, data: Uint8Array.of(1, 2, 3) })

describe("Table", () => {
  it("gives back what was committed, bytes as Uint8Array, also after closing", async () => {
    const folder = await freshFolder()
    const first = await openIn(folder)
    const table = first.room("a").table("notes", note)
    await first.commit([table.put("one", noteOf("1")), table.put("two", noteOf("2"))])
    expect(await table.get("one")).toStrictEqual(noteOf("1"))
    await first[Symbol.asyncDispose]()
    const again = (await openIn(folder)).room("a").table("notes", note)
    expect(await again.get("two")).toStrictEqual(noteOf("2"))
    expect(await again.get("three")).toBeUndefined()
  })

  it("lists more entries than fit a page, with their keys in clear text", async () => {
    const store = await openIn(await freshFolder())
    const table = store.table("numbers", z.number())
    const names = Array.from({ length: 257 }, (_, index) => `entry ${index}`)
    await store.commit(names.map((name, index) => table.put(name, index)))
    const entries = await gather(table.entries())
    expect(Object.fromEntries(entries)).toEqual(
      Object.fromEntries(names.map((name, index) => [name, index])),
    )
  })

  it("removes, and the later change of a batch wins", async () => {
    const store = await openIn(await freshFolder())
    const table = store.table("numbers", z.number())
    await store.commit([table.put("a", 1), table.put("a", 2), table.put("b", 1), table.remove("b")])
    expect(await gather(table.entries())).toEqual([["a", 2]])
  })

  it("takes the value when the change is made", async () => {
    const store = await openIn(await freshFolder())
    const table = store.table("notes", note)
    const value = noteOf("before")
    const change = table.put("a", value)
    value.data.fill(9)
    await store.commit([change])
    expect(await table.get("a")).toStrictEqual(noteOf("before"))
  })

  it("keeps rooms, tables and journals of equal names apart", async () => {
    const store = await openIn(await freshFolder())
    const places = [
      store.table("x", z.number()),
      store.room("x").table("x", z.number()),
      store.room("x").room("x").table("x", z.number()),
    ]
    const journal = store.journal("x", z.number())
    await store.commit([...places.map((table, index) => table.put("x", index)), journal.append(9)])
    expect(await Promise.all(places.map((table) => table.get("x")))).toEqual([0, 1, 2])
    expect(await gather(journal.read())).toEqual([[1, 9]])
  })

  it("refuses keys over 512 bytes, values over 1 MiB and names with a zero", async () => {
    const store = await openIn(await freshFolder())
    const table = store.table("x", z.string())
    expect(() => table.put("é".repeat(257), "")).toThrow(RangeError)
    expect(() => table.put("x", "y".repeat(1024 * 1024))).toThrow(
      expect.objectContaining({ code: "TOO_LARGE" }),
    )
    expect(() => store.room("a\0b")).toThrow(RangeError)
    expect(() => store.table("", z.string())).toThrow(RangeError)
  })

  it("says STORE_DAMAGED, and nothing of the content, when a value has another shape", async () => {
    const store = await openIn(await freshFolder())
    await store.commit([store.table("x", z.string()).put("secret-key", "secret-value")])
    const failure = await store.table("x", z.number()).get("secret-key").catch(String)
    expect(failure).toMatch(/Cannot read store/)
    expect(failure).not.toMatch(/secret/)
  })
})

describe("Journal", () => {
  it("numbers from 1, in order, across commits and openings", async () => {
    const folder = await freshFolder()
    const first = await openIn(folder)
    const journal = first.journal("j", z.string())
    const changes = ["a", "b"].map((text) => journal.append(text))
    expect(changes.map(({ sequence }) => sequence)).toEqual([1, 2])
    await first.commit(changes)
    await first[Symbol.asyncDispose]()
    const second = await openIn(folder)
    const again = second.journal("j", z.string())
    await second.commit([again.append("c")])
    expect(await gather(again.read())).toEqual([
      [1, "a"],
      [2, "b"],
      [3, "c"],
    ])
  })

  it("never gives a removed number again, not even the last one after a restart", async () => {
    const folder = await freshFolder()
    const first = await openIn(folder)
    const journal = first.journal("j", z.string())
    await first.commit([journal.append("a"), journal.append("b")])
    await first.commit([journal.remove(2)])
    await first[Symbol.asyncDispose]()
    const again = (await openIn(folder)).journal("j", z.string())
    expect(again.append("c").sequence).toBe(3)
  })

  it.each([
    { range: {}, numbers: "1..250" },
    { range: { after: 248 }, numbers: "249,250" },
    { range: { before: 3 }, numbers: "1,2" },
    { range: { after: 10, before: 13 }, numbers: "11,12" },
    { range: { limit: 2 }, numbers: "1,2" },
    { range: { limit: 2, reverse: true }, numbers: "250,249" },
    { range: { before: 4, reverse: true }, numbers: "3,2,1" },
    { range: { limit: 0 }, numbers: "" },
    { range: { after: 300 }, numbers: "" },
  ])("reads $range as $numbers", async ({ range, numbers }) => {
    const store = await openIn(await freshFolder())
    const journal = store.journal("j", z.number())
    await store.commit(Array.from({ length: 250 }, (_, index) => journal.append(index + 1)))
    const found = await gather(journal.read(range))
    expect(found.every(([sequence, value]) => sequence === value)).toBe(true)
    const all = Array.from({ length: 250 }, (_, index) => index + 1).join()
    expect(found.map(([sequence]) => sequence).join()).toBe(numbers === "1..250" ? all : numbers)
  })

  it("replaces what was appended and nothing else", async () => {
    const store = await openIn(await freshFolder())
    const journal = store.journal("j", z.string())
    await store.commit([journal.append("a")])
    await store.commit([journal.put(1, "A")])
    expect(await journal.get(1)).toBe("A")
    expect(() => journal.put(2, "B")).toThrow(RangeError)
    expect(() => journal.put(0, "B")).toThrow(RangeError)
  })

  it("goes on while it is read", async () => {
    const store = await openIn(await freshFolder())
    const journal = store.journal("j", z.number())
    await store.commit(Array.from({ length: 150 }, (_, index) => journal.append(index)))
    let seen = 0
    for await (const [sequence] of journal.read()) {
      seen = sequence
      if (sequence === 1) await store.commit([journal.append(0), journal.remove(150)])
    }
    expect(seen).toBe(151)
  })
})

describe("commit()", () => {
  it("makes 2,000 concurrent commits, each whole and in order", async () => {
    const store = await openIn(await freshFolder())
    const table = store.table("last", z.number())
    const journal = store.journal("j", z.number())
    const commits = Array.from({ length: 2000 }, (_, index) =>
      store.commit([table.put("last", index), journal.append(index)]),
    )
    await Promise.all(commits)
    expect(await table.get("last")).toBe(1999)
    expect((await gather(journal.read())).map(([, value]) => value)).toEqual(
      Array.from({ length: 2000 }, (_, index) => index),
    )
  })

  it("refuses changes of another store", async () => {
    const here = await openIn(await freshFolder())
    const there = await openIn(await freshFolder())
    const change = there.table("x", z.number()).put("a", 1)
    await expect(here.commit([change])).rejects.toThrow(TypeError)
    await expect(here.commit([{ kind: "put" }])).rejects.toThrow(TypeError)
  })

  it("finishes what runs when the store is closed, then says STORE_CLOSED", async () => {
    const folder = await freshFolder()
    const store = await openIn(folder)
    const table = store.table("x", z.number())
    const running = store.commit([table.put("a", 1)])
    const closing = store[Symbol.asyncDispose]()
    await expect(store.commit([table.put("a", 2)])).rejects.toMatchObject({ code: "STORE_CLOSED" })
    await Promise.all([running, closing])
    await expect(table.get("a")).rejects.toMatchObject({ code: "STORE_CLOSED" })
    expect(await (await openIn(folder)).table("x", z.number()).get("a")).toBe(1)
  })
})

describe("openStore()", () => {
  it("refuses a second opening with STORE_LOCKED, and lets go on closing", async () => {
    const folder = await freshFolder()
    const first = await openIn(folder)
    await expect(openIn(folder)).rejects.toMatchObject({ code: "STORE_LOCKED" })
    await first[Symbol.asyncDispose]()
    await openIn(folder)
  })

  it("refuses another key with STORE_WRONG_KEY", async () => {
    const folder = await freshFolder()
    await (await openIn(folder))[Symbol.asyncDispose]()
    await expect(openIn(folder, { key: new Uint8Array(32) })).rejects.toMatchObject({
      code: "STORE_WRONG_KEY",
    })
    await openIn(folder)
  })

  it("leaves no name and no value in the folder for grep to find", async () => {
    const folder = await freshFolder()
    const store = await openIn(folder)
    const room = store.room("plantroom").room("plantperson")
    const table = room.table("planttable", note)
    const journal = room.journal("plantjournal", note)
    await store.commit([
      table.put("plantkey", noteOf("planttext")),
      journal.append(noteOf("planttext")),
    ])
    await store[Symbol.asyncDispose]()
    await openIn(folder) // writes the log into tables
    const files = await readdir(folder, { recursive: true, withFileTypes: true })
    const contents = await Promise.all(
      files
        .filter((file) => file.isFile())
        .map((file) => readFile(join(file.parentPath, file.name))),
    )
    expect(contents.length).toBeGreaterThan(5)
    expect(Buffer.concat(contents).includes("allium"), "the search finds nothing at all").toBe(
      false,
    )
    expect(Buffer.concat(contents).includes("plant")).toBe(false)
    expect(Buffer.concat(contents).includes(Buffer.from(KEY))).toBe(false)
  })

  it("notices values that were swapped by somebody who knows LevelDB", async () => {
    const folder = await freshFolder()
    const store = await openIn(folder)
    const table = store.table("x", z.string())
    await store.commit([table.put("a", "yes"), table.put("b", "no!")])
    await store[Symbol.asyncDispose]()
    await swapEntries(join(folder, "data"))
    const again = (await openIn(folder)).table("x", z.string())
    await expect(again.get("a")).rejects.toMatchObject({ code: "STORE_DAMAGED" })
    await expect(again.get("b")).rejects.toMatchObject({ code: "STORE_DAMAGED" })
    await expect(gather(again.entries())).rejects.toMatchObject({ code: "STORE_DAMAGED" })
  })
})

/** Exchanges the two values of the only table. */
async function swapEntries(folder: string): Promise<void> {
  const level = new Level<Uint8Array, Uint8Array>(folder, {
    keyEncoding: "view",
    valueEncoding: "view",
  })
  const [one, two] = await level.iterator({ gt: Buffer.from("t"), lt: Buffer.from("u") }).all()
  await level.batch([
    { type: "put", key: one![0], value: two![1] },
    { type: "put", key: two![0], value: one![1] },
  ])
  await level.close()
}

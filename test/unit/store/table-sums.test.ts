import { readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import { Level } from "level"
import { describe, expect, it } from "vitest"
import { TableSums } from "../../../src/store/table-sums.ts"
import { freshFolder } from "./store-folder.ts"

/** A table that LevelDB wrote. */
async function table(): Promise<Buffer> {
  const folder = await freshFolder()
  for (let round = 0; round < 2; round++) {
    const level = new Level<string, string>(folder, { compression: false })
    await level.put(`key${round}`, "x".repeat(500))
    await level.close()
  }
  const name = (await readdir(folder)).find((one) => one.endsWith(".ldb"))!
  return readFile(join(folder, name))
}

const NAME = "000005.ldb"

describe("TableSums", () => {
  it("remembers a sound table over a restart, and no damaged one", async () => {
    const [folder, bytes] = [await freshFolder(), await table()]
    const sums = await TableSums.read(folder)
    expect(sums.countDamage(NAME, bytes)).toBe(0)
    bytes[9]! ^= 1
    expect(sums.countDamage("000007.ldb", bytes)).toBe(1)
    await sums.write(folder)
    expect((await TableSums.read(folder)).names).toEqual([NAME])
    expect((await stat(join(folder, "sums.json"))).mode & 0o777).toBe(0o600)
  })

  it("sees every flipped bit of a table it knows", async () => {
    const bytes = await table()
    const sums = new TableSums()
    const unseen: number[] = []
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      sums.countDamage(NAME, bytes)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      if (sums.countDamage(NAME, bytes) === 0) unseen.push(bit)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
    }
    expect(unseen).toEqual([])
  })

  it("looks at the blocks when the sum is another's", async () => {
    const sums = new TableSums([[NAME, 1]])
    expect(sums.countDamage(NAME, await table())).toBe(0)
    expect(sums.countDamage(NAME, Buffer.alloc(100))).toBe(1)
    expect(sums.names).toEqual([])
  })

  it("trusts a sum: that is the work it saves", () => {
    const bytes = Buffer.alloc(100) // no table
    expect(new TableSums([[NAME, crc32(bytes)]]).countDamage(NAME, bytes)).toBe(0)
  })

  it("forgets tables that are gone", async () => {
    const folder = await freshFolder()
    const sums = new TableSums([
      [NAME, 1],
      ["000006.ldb", 2],
      ["000007.ldb", 3],
    ])
    sums.keepOnly(new Set(["000006.ldb"]))
    await sums.write(folder)
    expect((await TableSums.read(folder)).names).toEqual(["000006.ldb"])
  })

  it.each(["", "{", "[]", '{"format":2,"tables":{}}', '{"format":1,"tables":{"../x":1}}'])(
    "takes %j for a file without sums",
    async (text) => {
      const folder = await freshFolder()
      await writeFile(join(folder, "sums.json"), text)
      expect((await TableSums.read(folder)).names).toEqual([])
    },
  )
})

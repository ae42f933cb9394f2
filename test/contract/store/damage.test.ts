import { cp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { z } from "zod"
import { systemClock } from "../../../src/base/clock.ts"
import { isAlliumError } from "../../../src/base/errors.ts"
import { silentLog } from "../../../src/base/log.ts"
import { seededChance } from "../../../src/base/random.ts"
import { openStore } from "../../../src/store/open-store.ts"
import { repairStore } from "../../../src/store/repair.ts"
import { freshFolder, gather, KEY, makeFolder, openIn } from "../../unit/store/store-folder.ts"

const VALUES = 200
const textOf = (sequence: number) => `${sequence}:${"x".repeat(300)}`

/** A closed store with a table, a log, and a list of files of several entries; never changed after it was made. */
let template: string

beforeAll(async () => {
  const [folder, remove] = await makeFolder()
  template = folder
  for (const half of [0, 1]) {
    const options = { folder: template, key: KEY, clock: systemClock, log: silentLog }
    const store = await openStore(options)
    const journal = store.journal("j", z.string())
    for (let sequence = 1; sequence <= VALUES / 2; sequence++)
      await store.commit([journal.append(textOf(half * (VALUES / 2) + sequence))])
    await store[Symbol.asyncDispose]()
  }
  return remove
}, 30_000)

async function freshCopy(): Promise<string> {
  const folder = await freshFolder()
  await cp(template, folder, { recursive: true })
  return folder
}

const chance = seededChance(20_261_120)
const below = (limit: number) => Math.floor(chance() * limit)

type Damage = (path: string) => Promise<void>
const change =
  (edit: (bytes: Buffer) => void): Damage =>
  async (path) => {
    const bytes = await readFile(path)
    edit(bytes)
    await writeFile(path, bytes)
  }

const damages: Record<string, Damage> = {
  "a bit flipped": change((bytes) => {
    bytes[below(bytes.length)]! ^= 1 << below(8)
  }),
  truncated: async (path) => truncate(path, below((await stat(path)).size)),
  "4 KiB zeroed": change((bytes) => {
    const start = below(Math.max(1, bytes.length - 4096))
    bytes.fill(0, start, Math.min(bytes.length, start + 4096))
  }),
  deleted: (path) => rm(path),
}
const files = { table: /\.ldb$/, log: /\.log$/, manifest: /^MANIFEST/, current: /^CURRENT$/ }
const cells = Object.entries(files).flatMap(([file, pattern]) =>
  Object.entries(damages).map(([damage, make]) => ({ file, pattern, damage, make })),
)

async function pick(folder: string, pattern: RegExp): Promise<string> {
  const names = (await readdir(join(folder, "data"))).filter((name) => pattern.test(name)).sort()
  return join(folder, "data", names.at(-1)!)
}

async function readAll(folder: string): Promise<[number, string][]> {
  const store = await openIn(folder)
  const entries = await gather(store.journal("j", z.string()).read())
  await store[Symbol.asyncDispose]()
  return entries
}

describe("a closed store with one damaged file", () => {
  it("has all the files the table speaks of, and opens whole when nothing is damaged", async () => {
    const folder = await freshCopy()
    for (const pattern of Object.values(files)) await stat(await pick(folder, pattern))
    expect(await readAll(folder)).toHaveLength(VALUES)
  })

  it.each(cells)(
    "$file $damage: STORE_DAMAGED, then repaired without a wrong value",
    async ({ file, pattern, make }) => {
      const folder = await freshCopy()
      await make(await pick(folder, pattern))
      await expect(openIn(folder)).rejects.toMatchObject({ code: "STORE_DAMAGED" })
      // One half lies in the table, the other in the log; the lists of files hold none.
      await expectSaved(folder, file === "table" || file === "log" ? VALUES / 2 : VALUES)
    },
  )

  it("is not opened when the sentinel is damaged", async () => {
    const folder = await freshCopy()
    await writeFile(join(folder, "store.json"), "{")
    await expect(openIn(folder)).rejects.toMatchObject({ code: "STORE_DAMAGED" })
    await expectSaved(folder, VALUES)
  })

  it.each([
    { name: "its database deleted", damage: (data: string) => rm(data, { recursive: true }) },
    {
      name: "its database exchanged for an empty folder",
      damage: async (data: string) => {
        await rm(data, { recursive: true })
        await mkdir(data)
      },
    },
  ])("says STORE_EMPTIED with $name, and never begins anew", async ({ damage }) => {
    const folder = await freshCopy()
    await damage(join(folder, "data"))
    for (let attempt = 0; attempt < 2; attempt++)
      await expect(openIn(folder)).rejects.toMatchObject({ code: "STORE_EMPTIED" })
    const repair = repairStore({ folder, key: KEY, clock: systemClock })
    await expect(repair).rejects.toMatchObject({ code: "STORE_EMPTIED" })
  })

  it("says STORE_DAMAGED when the database is an older one, or another store's", async () => {
    const older = await freshFolder()
    await cp(template, older, { recursive: true })
    const store = await openIn(older)
    await store.commit([store.journal("j", z.string()).append("newer")])
    await store[Symbol.asyncDispose]()
    await rm(join(older, "data"), { recursive: true })
    await cp(join(template, "data"), join(older, "data"), { recursive: true })
    await expect(openIn(older)).rejects.toMatchObject({ code: "STORE_DAMAGED" })

    const other = await freshFolder()
    await (await openIn(other))[Symbol.asyncDispose]()
    await rm(join(other, "data"), { recursive: true })
    await cp(join(template, "data"), join(other, "data"), { recursive: true })
    await expect(openIn(other)).rejects.toMatchObject({ code: "STORE_DAMAGED" })
  })

  it("gets its sentinel back when only that was lost", async () => {
    const folder = await freshCopy()
    await rm(join(folder, "store.json"))
    expect(await readAll(folder)).toHaveLength(VALUES)
    await stat(join(folder, "store.json"))
  })
})

/** Whatever is there after a repair is right, and numbers go on where they were. */
async function expectSaved(folder: string, countMin: number): Promise<void> {
  const report = await repairStore({ folder, key: KEY, clock: systemClock })
  const entries = await readAll(folder)
  for (const [sequence, value] of entries) expect(value).toBe(textOf(sequence))
  expect(report.keptCount).toBe(entries.length)
  expect(entries.length).toBeGreaterThanOrEqual(countMin)
  const told = report.damage.length + report.batchesMissing + report.lostCount
  if (entries.length < VALUES) expect(told).toBeGreaterThan(0)
  await stat(join(folder, report.damagedFolder))
  const highest = entries.at(-1)?.[0] ?? 0
  const store = await openIn(folder)
  expect(store.journal("j", z.string()).append("next").sequence).toBeGreaterThan(highest)
  await store[Symbol.asyncDispose]()
}

describe("a store that was killed, with its log damaged", () => {
  it("opens with what was whole when the end is cut off, and refuses damage before the end", async () => {
    for (const [where, codes] of [
      ["end", ["opens"]],
      ["middle", ["STORE_DAMAGED"]],
    ] as const) {
      const folder = await freshCopy()
      await markOpen(folder)
      const path = await pick(folder, files.log)
      const { size } = await stat(path)
      if (where === "end") await truncate(path, size - 10)
      else
        await change((bytes) => {
          bytes[Math.floor(bytes.length / 2)]! ^= 1
        })(path)
      const outcome = await readAll(folder).catch((error: unknown) => error)
      const code = isAlliumError(outcome) ? outcome.code : "opens"
      expect(codes).toContain(code)
      if (code === "opens") expect(outcome).toHaveLength(VALUES - 1)
    }
  })

  it("refuses a log that lost more than was ever unsure", async () => {
    const folder = await freshCopy()
    await truncate(await pick(folder, files.log), 0)
    const sentinel = JSON.parse(await readFile(join(folder, "store.json"), "utf8"))
    await writeFile(join(folder, "store.json"), JSON.stringify({ ...sentinel, closed: false }))
    await expect(openIn(folder)).rejects.toMatchObject({ code: "STORE_DAMAGED" })
  })
})

/** As the sentinel stands while a store is open: a lower bound from when it was opened. */
async function markOpen(folder: string): Promise<void> {
  const path = join(folder, "store.json")
  const sentinel = JSON.parse(await readFile(path, "utf8"))
  await writeFile(path, JSON.stringify({ ...sentinel, closed: false, batches: VALUES / 2 }))
}

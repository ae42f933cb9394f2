import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openFilter } from "../../../../src/base/access/watch-filter.ts"
import { silentLog } from "../../../../src/base/log.ts"
import { FakeClock } from "../../../support/fake-clock.ts"

const ANN = `${"a".repeat(52)}.b32.i2p`
const BOB = `${"b".repeat(52)}.b32.i2p`

describe("openFilter()", () => {
  let folder = ""
  let end = new AbortController()
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-filter-"))
    end = new AbortController()
  })
  afterEach(async () => {
    end.abort()
    await rm(folder, { recursive: true })
  })

  async function start(text: string) {
    const path = join(folder, "filter.txt")
    await writeFile(path, text)
    const clock = new FakeClock()
    const filter = await openFilter({ path, clock, log: silentLog, signal: end.signal })
    return { path, clock, filter }
  }

  /** Lets time go by until `is` holds; files are read in the meantime. */
  const soon = (clock: FakeClock, is: () => unknown) =>
    expect.poll(async () => {
      await clock.pass(5_000)
      return is()
    })

  it("A18: reads filter and lists again when they change", async () => {
    const enemies = join(folder, "enemies.txt")
    const { path, clock, filter } = await start(`deny file ${enemies}\nallow default`)
    expect(filter.admits(ANN, 0)).toBe(true) // the list need not be there
    await writeFile(enemies, `${ANN}\n`)
    await soon(clock, () => filter.admits(ANN, 0)).toBe(false)
    await writeFile(path, "allow default\n")
    await soon(clock, () => filter.admits(ANN, 0)).toBe(true)
  })

  it("keeps the rules it has while the file is broken", async () => {
    const { path, clock, filter } = await start(`deny explicit ${ANN}`)
    await writeFile(path, "let everybody in")
    await clock.pass(20_000)
    expect(filter.admits(ANN, 0)).toBe(false)
    await writeFile(path, `deny explicit ${BOB}`)
    await soon(clock, () => filter.admits(ANN, 0)).toBe(true)
  })

  it("A18: writes down who is too eager, beside who stood there before, and throttles them", async () => {
    const list = join(folder, "throttled.txt")
    await writeFile(list, `${BOB}\n`)
    const { clock, filter } = await start(`5/5 record ${list}\ndeny file ${list}`)
    for (let attempt = 0; attempt < 5; attempt++) filter.admits(ANN, 0)
    await soon(clock, () => filter.admits(ANN, 0)).toBe(false)
    expect(await readFile(list, "utf8")).toBe(`${BOB}\n${ANN}\n`)
  })

  it("fails at the start when the file is missing or broken", async () => {
    const options = { clock: new FakeClock(), log: silentLog, signal: end.signal }
    const path = join(folder, "none.txt")
    await expect(openFilter({ path, ...options })).rejects.toMatchObject({ code: "NOT_FOUND" })
    await writeFile(path, "nonsense")
    await expect(openFilter({ path, ...options })).rejects.toMatchObject({ code: "BAD_FILTER" })
  })
})

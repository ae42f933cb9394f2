import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { describe, expect, it } from "vitest"
import { z } from "zod"
import { seededChance } from "../../../src/base/random.ts"
import { freshFolder, gather, openIn } from "../../unit/store/store-folder.ts"

const CHILD = join(import.meta.dirname, "crash-child.ts")
const FOLDERS = 4
const ROUNDS = 5
const chance = seededChance(7656)

/** Lets a child commit, kills it somewhere behind some acknowledgement, and gives the highest number it told. */
async function commitAndKill(folder: string): Promise<number> {
  const flags = ["--conditions=source", "--import", "tsx", CHILD, folder]
  const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] })
  const gone = once(child, "exit")
  const killAfter = 1 + Math.floor(chance() * 60)
  let told = 0
  let count = 0
  for await (const line of createInterface({ input: child.stdout })) {
    told = Math.max(told, Number(line))
    if (++count === killAfter) child.kill("SIGKILL")
  }
  const [, signal] = await gone
  expect(signal).toBe("SIGKILL")
  return told
}

async function expectWhole(folder: string, told: number): Promise<void> {
  const store = await openIn(folder)
  const last = await store.table("left", z.number()).get("last")
  expect(last).toBeGreaterThanOrEqual(told)
  expect(await store.room("other").table("right", z.number()).get("last")).toBe(last)
  const entries = await gather(store.journal("j", z.number()).read())
  expect(entries).toEqual(Array.from({ length: last! }, (_, index) => [index + 1, index + 1]))
  await store[Symbol.asyncDispose]()
}

describe("a store whose process is killed while it commits", () => {
  it(`loses no acknowledged commit and tears none, in ${FOLDERS * ROUNDS} rounds`, async () => {
    const stories = Array.from({ length: FOLDERS }, async () => {
      const folder = await freshFolder()
      for (let round = 0; round < ROUNDS; round++)
        await expectWhole(folder, await commitAndKill(folder))
    })
    await Promise.all(stories)
  }, 120_000)
})

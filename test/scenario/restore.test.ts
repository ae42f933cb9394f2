/**
 * The words bring everything back on a machine that has never seen us: another home, another network.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { validateMnemonic } from "@scure/bip39"
import { wordlist } from "@scure/bip39/wordlists/english.js"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { AlliumProcess } from "../support/allium-process.ts"
import { eventually } from "../support/story.ts"

const NAMES = ["ann", "work", "club"]

interface Identity {
  readonly name: string
  readonly address: string
  readonly key: string
}

describe("24 words on a new machine", () => {
  let folder: string
  const bridges: EmbeddedBridge[] = []
  let old: AlliumProcess
  let fresh: AlliumProcess
  let words = ""
  let lost: Identity[]

  /** A machine with a network of its own. */
  async function openMachine(name: string): Promise<AlliumProcess> {
    const bridge = await openEmbeddedBridge()
    bridges.push(bridge)
    const flags = ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]
    const machine = new AlliumProcess(join(folder, name), flags)
    await machine.start()
    return machine
  }
  const restore = (typed: string, ...more: string[]) =>
    fresh.command(["identity", "restore", ...NAMES, ...more], typed)

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-restore-"))
    old = await openMachine("old")
    for (const name of NAMES) await old.call("identity create", { name })
    lost = await old.call<Identity[]>("identity list")
    const shown = await old.command(["identity", "phrase"])
    expect(shown.exit).toBe(0)
    words = shown.stdout.trim()
    await old.kill()
    await rm(old.home, { recursive: true })
    fresh = await openMachine("fresh")
  })
  afterAll(async () => {
    await Promise.all([old?.stop(), fresh?.stop()])
    for (const bridge of bridges) await bridge[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  it("are 24 words, and shown alone on standard output", () => {
    expect(words).toMatch(/^([a-z]{3,8} ){23}[a-z]{3,8}$/)
  })

  it.each([
    { wrong: "one word is missing", change: (each: string[]) => each.slice(1), told: "23 words" },
    { wrong: "one word too many", change: (each: string[]) => [...each, "zoo"], told: "25 words" },
    {
      wrong: "a word is misspelt",
      change: (each: string[]) => each.with(4, "allium"),
      told: "word 5 is not in the list",
    },
    {
      wrong: "two words changed places",
      change: swapped,
      told: "checksum",
    },
    { wrong: "nothing was typed", change: () => [], told: "words" },
  ])("are refused with exit code 2 when $wrong", async ({ change, told }) => {
    const each = words.split(" ")
    const changed = change(each).join(" ")
    const { exit, stdout, stderr } = await restore(`${changed}\n`)
    expect(exit, stderr).toBe(2)
    expect(stderr).toContain(told)
    expect(stdout).toBe("")
    expect(await fresh.call("identity list")).toEqual([])
  })

  it("bring back every identity with its key and its address, by standard input", async () => {
    const shouted = words.toUpperCase().replaceAll(" ", "  ")
    const { exit, stdout, stderr } = await restore(`${shouted}\n`, "--json")
    expect(exit, stderr).toBe(0)
    const restored = JSON.parse(stdout) as Identity[]
    expect(restored).toMatchObject(lost)
    expect(new Set(restored.map(({ address }) => address)).size).toBe(NAMES.length)
  })

  it("bring the destinations onto the network of the new machine", async () => {
    const opened = () => Promise.resolve(bridges[1]?.record.map((one) => one.destinationB32) ?? [])
    const addresses = lost.map(({ address }) => address)
    // Beside others for a while: where contacts who lost them look.
    await eventually(opened, (there) => addresses.every((one) => there.includes(one)), 30_000)
  })

  it("show again where they were restored", async () => {
    expect((await fresh.command(["identity", "phrase"])).stdout.trim()).toBe(words)
  })

  it("give the next identity the next address, on both machines alike", async () => {
    const next = await fresh.call<Identity>("identity create", { name: "later" })
    const third = await openMachine("third")
    const names = [...NAMES, "later"]
    const again = await third.call<Identity[]>("identity restore", { words, names })
    await third.stop()
    expect(again.at(-1)?.address).toBe(next.address)
  })

  it("do not touch a home that has identities", async () => {
    const { exit, stderr } = await restore(`${words}\n`)
    expect(exit).toBe(1)
    expect(stderr).toContain("ALREADY_EXISTS")
    expect(await fresh.call<Identity[]>("identity list")).toHaveLength(NAMES.length + 1)
  })
})

/** Two neighbours changed places, so that it shows: one of 256 such phrases has the right checksum. */
function swapped(each: string[]): string[] {
  const tries = each.slice(1).map((word, at) => each.with(at, word).with(at + 1, each[at] ?? ""))
  const wrong = tries.find((words) => !validateMnemonic(words.join(" "), wordlist))
  if (wrong === undefined) throw new Error("Every order of these words has the right checksum")
  return wrong
}

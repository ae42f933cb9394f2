import { randomBytes } from "node:crypto"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { AlliumProcess } from "../support/allium-process.ts"
import { befriend } from "../support/friends.ts"
import { canMount, SmallDiskProcess } from "../support/small-disk.ts"
import { eventually, hashOf } from "../support/story.ts"

const MIB = 2 ** 20
const PATIENCE_MS = 120_000

interface Transfer {
  readonly id: string
  readonly state: string
  readonly reason?: string
  readonly done: number
  readonly path: string
  readonly magnet: string
}

/** 16 MiB are always spared: of this disk, a file of 12 MiB and little more has room. */
const DISK_BYTES = 32 * MIB
const FILE_BYTES = 12 * MIB

describe.skipIf(!canMount())("a real disk that becomes full", () => {
  let bridge: EmbeddedBridge
  let folder: string
  let a: AlliumProcess
  let b: SmallDiskProcess

  beforeAll(async () => {
    // Slow enough that the disk is filled on the way.
    const knobs = { bandwidthBytesPerSecond: 1_500_000, latencyMs: 5 }
    bridge = await openEmbeddedBridge({ knobs })
    const network = ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]
    folder = await mkdtemp(join(tmpdir(), "allium-full-"))
    a = new AlliumProcess(join(folder, "a"), network)
    b = new SmallDiskProcess(join(folder, "b"), network, DISK_BYTES)
    await Promise.all([a.start(), b.start()])
    await Promise.all([
      a.call("identity create", { name: "ann" }),
      b.call("identity create", { name: "bob" }),
    ])
    const left = { who: a, other: b, identity: "ann", calls: "bob" }
    await befriend(left, { who: b, identity: "bob", calls: "ann" }, PATIENCE_MS)
    await b.call("file auto", { contact: "ann", below: "1GiB" })
  }, 300_000)
  afterAll(async () => {
    await Promise.all([a?.stop(), b?.stop()])
    await bridge?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  const until = (id: string, isSo: (one: Transfer) => boolean) =>
    eventually(
      async () => await show(id),
      (one) => one !== undefined && isSo(one),
      PATIENCE_MS,
    )
  const show = async (id: string) =>
    (await b.call<Transfer[]>("file list")).find((one) => one.id === id)

  async function fillAndFree(id: string, whole: string): Promise<string> {
    await until(id, ({ done }) => done > FILE_BYTES / 8)
    await b.fill()
    const full = await until(id, ({ reason }) => reason === "DISK_FULL")
    expect(full).toMatchObject({ state: "waiting" })
    expect(full!.done).toBeLessThan(FILE_BYTES)
    await b.free()
    const { path } = (await until(id, ({ state }) => state === whole))!
    return join("/proc", String(b.processId), "root", path)
  }

  it("a transfer from a contact waits, says DISK_FULL, goes on when there is room, and is right", async () => {
    const path = join(folder, "one.bin")
    await writeFile(path, randomBytes(FILE_BYTES))
    const { id } = await a.call<Transfer>("file send", { contact: "bob", path })
    const arrived = await fillAndFree(id, "done")
    expect(await hashOf(arrived)).toBe(await hashOf(path))
    await rm(arrived)
  })

  it("so does a download from everybody", async () => {
    const path = join(folder, "two.bin")
    await writeFile(path, randomBytes(FILE_BYTES))
    const [shared] = await a.call<Transfer[]>("file share", { paths: [path], tracker: ["none"] })
    const { id } = await b.call<Transfer>("file get", { target: shared!.magnet })
    const arrived = await fillAndFree(id, "seeding")
    expect(await hashOf(arrived)).toBe(await hashOf(path))
  })

  it("what has no room at all says so before it begins, and leaves the disk alone", async () => {
    const path = join(folder, "three.bin")
    await writeFile(path, randomBytes(DISK_BYTES))
    const { id } = await a.call<Transfer>("file send", { contact: "bob", path })
    const full = await until(id, ({ reason }) => reason === "DISK_FULL")
    expect(full).toMatchObject({ state: "waiting", done: 0 })
    await b.call("file cancel", { id })
  })
})

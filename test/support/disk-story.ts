/** A router whose disk becomes full in the middle of a file, and has room again. */
import { randomBytes } from "node:crypto"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { AlliumProcess } from "./allium-process.ts"
import { befriend } from "./friends.ts"
import { canMount, SmallDiskProcess } from "./small-disk.ts"
import { eventually, hashOf } from "./story.ts"

const MIB = 2 ** 20

/** The network the story is told on. */
export interface DiskWorld {
  /** Flags of `allium run` for who gives and for who has little room. Slow enough that the disk is filled on the way. */
  readonly network: { readonly a: readonly string[]; readonly b: readonly string[] }
  /** For one step. */
  readonly patienceMs: number
}

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

/** Tells the story. */
export function tellDiskStory(name: string, open: () => Promise<DiskWorld>): void {
  describe.skipIf(!canMount())(name, () => {
    let world: DiskWorld
    let folder: string
    let a: AlliumProcess
    let b: SmallDiskProcess

    beforeAll(async () => {
      world = await open()
      folder = await mkdtemp(join(tmpdir(), "allium-full-"))
      a = new AlliumProcess(join(folder, "a"), world.network.a)
      b = new SmallDiskProcess(join(folder, "b"), world.network.b, DISK_BYTES)
      await Promise.all([a.start(), b.start()])
      await Promise.all([
        a.call("identity create", { name: "ann" }),
        b.call("identity create", { name: "bob" }),
      ])
      const left = { who: a, other: b, identity: "ann", calls: "bob" }
      await befriend(left, { who: b, identity: "bob", calls: "ann" }, world.patienceMs)
      await b.call("file auto", { contact: "ann", below: "1GiB" })
    })
    afterAll(async () => {
      await Promise.all([a?.stop(), b?.stop()])
      await rm(folder, { recursive: true, force: true })
    })

    const until = (id: string, isSo: (one: Transfer) => boolean) =>
      eventually(
        async () => await show(id),
        (one) => one !== undefined && isSo(one),
        world.patienceMs,
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
}

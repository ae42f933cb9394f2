/**
 * One story on any network: files are shared with everybody, and found by a magnet link alone. Told on the embedded network and on
 * real i2pd.
 */
import { randomBytes } from "node:crypto"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { AlliumProcess } from "./allium-process.ts"
import { eventually, hashOf } from "./story.ts"

/** The network a story is told on. */
export interface ShareWorld {
  /** Flags of `allium run` for each of the three. */
  readonly networks: readonly [a: readonly string[], b: readonly string[], c: readonly string[]]
  /** Of the large file. */
  readonly fileBytes: number
  /** For one step: tunnels take their time. */
  readonly patienceMs: number
}

interface Transfer {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly reason?: string
  readonly path: string
  readonly done: number
  readonly uploaded: number
  readonly magnet: string
  readonly details?: readonly string[]
}

/** Tells the story; each `it` is one scene and builds on those before it. */
export function tellShareStory(name: string, open: () => Promise<ShareWorld>): void {
  describe(name, () => {
    let world: ShareWorld
    let folder: string
    let a: AlliumProcess
    let b: AlliumProcess
    let c: AlliumProcess

    beforeAll(async () => {
      world = await open()
      folder = await mkdtemp(join(tmpdir(), "allium-shares-"))
      ;[a, b, c] = world.networks.map((flags, index) => {
        return new AlliumProcess(join(folder, `home-${index}`), flags)
      }) as [AlliumProcess, AlliumProcess, AlliumProcess]
      await Promise.all([a.start(), b.start(), c.start()])
    })
    afterAll(async () => {
      await Promise.all([a?.stop(), b?.stop(), c?.stop()])
      if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    })

    /** A folder with a few files in it. */
    async function makeAlbum(title: string): Promise<string> {
      const album = join(folder, title)
      await mkdir(join(album, "inner"), { recursive: true })
      await writeFile(join(album, "one.bin"), randomBytes(300_000))
      await writeFile(join(album, "inner", "two.txt"), randomBytes(70_001))
      await writeFile(join(album, "empty.txt"), "")
      return album
    }

    async function share(path: string, more: object = {}): Promise<Transfer> {
      const [shared] = await a.call<Transfer[]>("file share", { paths: [path], ...more })
      return shared!
    }

    const show = (who: AlliumProcess, id: string) => who.call<Transfer>("file show", { id })
    const until = (who: AlliumProcess, id: string, state: string) =>
      eventually(
        () => show(who, id),
        (found) => found.state === state,
        world.patienceMs,
      )

    async function expectSame(left: string, right: string): Promise<void> {
      const names = (await readdir(left, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(left.length))
      expect(names.length).toBeGreaterThan(0)
      for (const file of names) expect(await hashOf(right + file)).toBe(await hashOf(left + file))
    }

    it("finds a share by its magnet link, through the sharer's own tracker", async () => {
      const album = await makeAlbum("album")
      const shared = await share(album, { tracker: ["own"] })
      expect(shared.magnet).toMatch(/^magnet:\?xt=urn:btih:[0-9a-f]{40}&dn=album&tr=http/)
      const link = shared.magnet.replace(/&x\.pe=[^&]*/, "")
      const got = await b.call<Transfer>("file get", { target: link })
      const whole = await until(b, got.id, "seeding")
      await expectSame(album, whole.path)
      const { details = [] } = await show(a, shared.id)
      expect(details.join("\n")).toContain("answered")
    })

    it("needs no tracker: the link says who has it, and peers tell of each other", async () => {
      const album = await makeAlbum("quiet")
      const shared = await share(album, { tracker: ["none"] })
      expect(shared.magnet).toMatch(/&x\.pe=[a-z2-7]{52}\.b32\.i2p$/)
      expect(shared.magnet).not.toContain("tr=")
      const first = await b.call<Transfer>("file get", { target: shared.magnet })
      await until(b, first.id, "seeding")
      // C is told of B alone, who knows A.
      const { magnet } = await show(b, first.id)
      const second = await c.call<Transfer>("file get", { target: magnet })
      const whole = await until(c, second.id, "seeding")
      await expectSame(album, whole.path)
      await eventually(
        () => show(c, second.id),
        ({ details = [] }) => details.some((line) => / [2-9] known/.test(line)),
        Math.max(world.patienceMs, 180_000),
      )
    })

    it("goes on when the seeder was killed in the middle", async () => {
      const path = join(folder, "large.bin")
      await writeFile(path, randomBytes(world.fileBytes))
      const shared = await share(path, { tracker: ["own"] })
      const got = await b.call<Transfer>("file get", { target: shared.magnet })
      await eventually(
        () => show(b, got.id),
        ({ done }) => done > 0,
        world.patienceMs,
      )
      await a.kill()
      await a.start()
      await until(a, shared.id, "seeding")
      const whole = await until(b, got.id, "seeding")
      expect(await hashOf(whole.path)).toBe(await hashOf(path))
    })

    it("stops giving when the ratio is reached", async () => {
      const path = join(folder, "once.bin")
      await writeFile(path, randomBytes(1_000_000))
      const shared = await share(path, { tracker: ["own"], ratio: 1 })
      const got = await b.call<Transfer>("file get", { target: shared.magnet })
      await until(b, got.id, "seeding")
      const sated = await until(a, shared.id, "done")
      expect(sated.uploaded).toBeGreaterThanOrEqual(1_000_000)
    })

    it("reads and writes torrent files, and gets only what is wanted", async () => {
      const album = await makeAlbum("choice")
      const torrent = join(folder, "choice.torrent")
      const shared = await share(album, { tracker: ["own"], torrent })
      const into = join(folder, "into")
      await mkdir(into)
      const input = { target: torrent, to: into, only: ["*.txt"] }
      const got = await c.call<Transfer>("file get", input)
      expect(got.id).toBe(shared.id)
      await until(c, got.id, "seeding")
      const two = await readFile(join(into, "choice", "inner", "two.txt"))
      expect(two.equals(await readFile(join(album, "inner", "two.txt")))).toBe(true)
      expect(await readdir(join(into, "choice"))).not.toContain("one.bin")
    })

    it("gets torrent files that appear in a watched folder", async () => {
      const album = await makeAlbum("dropped")
      const [watched, into] = [join(folder, "watched"), join(folder, "fetched")]
      await Promise.all([mkdir(watched), mkdir(into)])
      await b.call("file watch add", { folder: watched, to: into })
      const shared = await share(album, {
        ...{ tracker: ["own"], torrent: join(watched, "dropped.torrent") },
      })
      await eventually(
        () => b.call<Transfer[]>("file list"),
        (list) => list.some(({ id, state }) => id === shared.id && state === "seeding"),
        world.patienceMs + 30_000,
      )
      await expectSame(album, join(into, "dropped"))
    })

    it("believes its files after a restart, and finds out which were changed", async () => {
      const path = join(folder, "changing.bin")
      await writeFile(path, randomBytes(500_000))
      const shared = await share(path, { tracker: ["none"], ownAddress: true })
      await a.stop()
      await a.start()
      await until(a, shared.id, "seeding")
      await a.stop()
      await writeFile(path, randomBytes(500_000))
      await a.start()
      const failed = await until(a, shared.id, "failed")
      expect(failed.reason).toBe("FILE_CHANGED")
    })

    it("lets nobody link shares to one another where they have addresses of their own", async () => {
      const { sessions } = await a.call<{ sessions: { owner: string; address: string }[] }>(
        "status",
      )
      const addresses = sessions.map(({ address }) => address)
      expect(new Set(addresses).size).toBe(addresses.length)
    })
  })
}

import { randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openDiskRoom } from "../../../../../plugins/files/disk/disk-room.ts"
import type { TransferDocument } from "../../../../../plugins/files/offers.ts"
import { writeInfo, writeTorrent } from "../../../../../plugins/files/torrent/metainfo-write.ts"
import { openWorld, type World } from "../../../../../plugins/files/world/index.ts"
import { systemClock } from "../../../../../src/base/clock.ts"
import { silentLog } from "../../../../../src/base/log.ts"
import { Scope } from "../../../../../src/base/scope.ts"
import type { PluginContext } from "../../../../../src/router/plugin.ts"
import type { Destination } from "../../../../../src/sam/destination.ts"
import { fakeDestination, openFakeNetwork } from "../../../../support/fake-session.ts"
import { FakeWorld } from "../../../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../../../support/memory-store.ts"
import { eventually } from "../../../../support/story.ts"

let folder = ""
let scope = new Scope()
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "allium-world-"))
  scope = new Scope()
})
afterEach(async () => {
  await scope.close()
  await rm(folder, { recursive: true, force: true })
})

type Run = (input: object) => Promise<unknown>

/** A router's files, to be started on the same disk again. */
class Router {
  readonly #name: string
  readonly #network: ReturnType<typeof openFakeNetwork>
  readonly #disk = new MemoryDisk()
  readonly #destinations = new Map<string, Destination>()
  readonly #runs = new Map<string, Run>()
  readonly forgotten: string[] = []
  /** Run of the machine. */
  boot = "1"
  #scope = new Scope()
  world: World | undefined

  constructor(name: string, network: ReturnType<typeof openFakeNetwork>) {
    this.#name = name
    this.#network = network
  }

  async start(): Promise<this> {
    const home = join(folder, this.#name, "plugins", "files")
    await mkdir(home, { recursive: true })
    this.#scope = new Scope()
    const room = this.#scope.use(openDiskRoom())
    const store = new MemoryLife(this.#disk, new FakeWorld(), () => {}).room("/")
    const context = {
      ...{ signal: this.#scope.signal, log: silentLog, clock: systemClock, store, folder: home },
      answer: ({ verb }: { verb: string }, run: Run) => void this.#runs.set(verb, run),
      emit: () => {},
      session: async ({ name }: { name: string }) => {
        const destination = this.#destinations.get(name) ?? fakeDestination()
        this.#destinations.set(name, destination)
        return this.#network.open(destination)
      },
      forgetSession: async (name: string) => void this.forgotten.push(name),
    } as unknown as PluginContext
    this.world = this.#scope.use(
      await openWorld(context, { room, boot: this.boot, down: [], up: [] }),
    )
    scope.use({ [Symbol.asyncDispose]: () => this.stop() })
    return this
  }

  stop(): Promise<void> {
    return this.#scope.close()
  }

  async call<T = TransferDocument>(verb: string, input: object): Promise<T> {
    const usual = { ownAddress: false, only: [], sequential: false, wait: false, tracker: [] }
    const run = this.#runs.get(verb) as (input: object, call: object) => Promise<T>
    const { signal } = new AbortController()
    return run({ ...usual, private: false, ...input }, { signal, progress() {} })
  }

  until(id: string, state: string): Promise<TransferDocument> {
    return eventually(
      () => this.world!.owner.show(id),
      (found) => found.state === state,
      10_000,
    )
  }
}

async function share(router: Router, more: object = {}, byteCount = 200_000) {
  const path = join(folder, "song.bin")
  await writeFile(path, randomBytes(byteCount))
  const input = { paths: [path], tracker: ["none"], ...more }
  const [shared] = await router.call<TransferDocument[]>("file share", input)
  return { path, shared: shared! }
}

describe("files and the world", () => {
  it("gives and gets by a link that names no tracker, and pauses, resumes, verifies and cancels", async () => {
    const network = openFakeNetwork()
    const [ann, bob] = [
      await new Router("ann", network).start(),
      await new Router("bob", network).start(),
    ]
    const { path, shared } = await share(ann)
    await ann.until(shared.id, "seeding")
    const { magnet: target } = await ann.world!.owner.show(shared.id)
    const got = await bob.call("file get", { target, wait: true })
    expect(await readFile(got.path!)).toEqual(await readFile(path))
    const { owner } = bob.world!
    expect((await owner.pause(got.id)).state).toBe("paused")
    await expect(owner.pause(got.id)).rejects.toMatchObject({ code: "FILE_STATE" })
    await owner.resume(got.id)
    await bob.until(got.id, "seeding")
    await owner.verify(got.id, { signal: new AbortController().signal })
    await bob.until(got.id, "seeding")
    expect((await owner.cancel({ id: got.id }, {} as never)).state).toBe("cancelled")
    expect(owner.ids()).toEqual([])
    expect(existsSync(got.path!)).toBe(true)
  })

  it("says FILE_CHANGED of a download that somebody changed, and mends it only when it is verified", async () => {
    const network = openFakeNetwork()
    const ann = await new Router("ann", network).start()
    const bob = await new Router("bob", network).start()
    const album = join(folder, "album")
    await mkdir(join(album, "inner"), { recursive: true })
    const names = ["a.bin", join("inner", "b.bin"), "empty"]
    const contents = [randomBytes(200_000), randomBytes(90_001), Buffer.alloc(0)]
    for (const [index, name] of names.entries())
      await writeFile(join(album, name), contents[index]!)
    const input = { paths: [album], tracker: ["none"] }
    const [shared] = await ann.call<TransferDocument[]>("file share", input)
    await ann.until(shared!.id, "seeding")
    const { magnet: target } = await ann.world!.owner.show(shared!.id)
    const got = await bob.call("file get", { target, wait: true })
    await bob.stop()
    const changed = Buffer.concat([contents[0]!, Buffer.from("more")]).fill(7, 150_000, 150_010)
    await writeFile(join(got.path!, "a.bin"), changed)
    await rm(join(got.path!, "inner"), { recursive: true })
    await rm(join(got.path!, "empty"))
    await bob.start()
    expect(await bob.until(got.id, "failed")).toMatchObject({ reason: "FILE_CHANGED" })
    expect(await readFile(join(got.path!, "a.bin"))).toEqual(changed)
    const { uploaded } = await ann.world!.owner.show(shared!.id)
    await bob.world!.owner.verify(got.id, { signal: new AbortController().signal })
    const whole = await bob.until(got.id, "seeding")
    expect(whole.path).toBe(got.path)
    for (const [index, name] of names.entries())
      expect((await readFile(join(got.path!, name))).equals(contents[index]!)).toBe(true)
    expect((await readdir(join(got.path!, ".."))).sort()).toEqual(["album"])
    // Only what was wrong, in pieces of 16 KiB, and not all of it.
    const again = (await ann.world!.owner.show(shared!.id)).uploaded! - uploaded!
    expect(again).toBeGreaterThanOrEqual(90_001)
    expect(again).toBeLessThan(200_000)
    await bob.stop()
    await bob.start()
    await bob.until(got.id, "seeding")
  })

  it("never uses an identity's address, and says so when it is asked to", async () => {
    const ann = await new Router("ann", openFakeNetwork()).start()
    const input = { paths: ["/none"], as: "work" }
    await expect(ann.call("file share", input)).rejects.toMatchObject({
      ...{ code: "BAD_INPUT", message: expect.stringMatching(/identity's address.*--own-address/) },
    })
    expect(ann.world!.owner.ids()).toEqual([])
  })

  it("ends a share when its time is over, also when that was while the router was off", async () => {
    const ann = await new Router("ann", openFakeNetwork()).start()
    const soon = new Date(Date.now() + 3_000).toISOString().replace(/\.\d+Z/, "Z")
    const { shared } = await share(ann, { until: soon })
    await ann.until(shared.id, "seeding")
    await ann.until(shared.id, "done")
    await ann.world!.owner.resume(shared.id)
    await ann.until(shared.id, "seeding")
    await ann.world!.owner.cancel({ id: shared.id }, {} as never)
    const later = await share(ann, { until: "2020-01-01" })
    expect(later.shared.state).toBe("done")
    await ann.stop()
    await ann.start()
    await ann.until(later.shared.id, "done")
  })

  it("seals a share for who has its link, and shares nothing in two ways", async () => {
    const network = openFakeNetwork()
    const ann = await new Router("ann", network).start()
    const bob = await new Router("bob", network).start()
    const { path, shared } = await share(ann, { secret: true, tracker: [] })
    await ann.until(shared.id, "seeding")
    const { magnet: target } = await ann.world!.owner.show(shared.id)
    const got = await bob.call("file get", { target, wait: true })
    expect(await readFile(got.path!)).toEqual(await readFile(path))
    const again = { paths: [path], tracker: ["http://tracker.example.i2p/a"], private: true }
    await expect(ann.call("file share", again)).rejects.toMatchObject({ code: "ALREADY_EXISTS" })
    await ann.stop()
    await ann.start()
    expect((await ann.until(shared.id, "seeding")).magnet).toBe(target)
  })

  it("leaves nothing of a download that is cancelled before it is whole", async () => {
    const network = openFakeNetwork()
    const ann = await new Router("ann", network).start()
    const bob = await new Router("bob", network).start()
    const torrent = join(folder, "song.torrent")
    const { shared } = await share(ann, { torrent })
    await ann.world!.owner.pause(shared.id)
    const to = join(folder, "to")
    await mkdir(to)
    const got = await bob.call("file get", { target: torrent, to })
    await bob.until(got.id, "waiting")
    await eventually(
      () => readdir(to),
      (names) => names.length > 0,
      5_000,
    )
    await bob.world!.owner.cancel({ id: got.id }, {} as never)
    expect(await readdir(to)).toEqual([])
  })

  it("refuses a torrent that has no room before it writes anything", async () => {
    const bob = await new Router("bob", openFakeNetwork()).start()
    const pieceBytes = 32 * 2 ** 20
    const pieceHashes = new Uint8Array(20 * 2 ** 16)
    const info = { name: "bomb", content: pieceBytes * 2 ** 16, pieceBytes, pieceHashes }
    const target = join(folder, "bomb.torrent")
    await writeFile(target, writeTorrent(writeInfo(info)))
    const to = join(folder, "to")
    await mkdir(to)
    const got = await bob.call("file get", { target, to })
    const stopped = await eventually(
      () => bob.world!.owner.show(got.id),
      ({ reason }) => reason === "DISK_FULL",
      5_000,
    )
    expect(stopped.state).toBe("waiting")
    expect(await readdir(to)).toEqual([])
  })

  it("forgets the address of a share that had its own", async () => {
    const ann = await new Router("ann", openFakeNetwork()).start()
    const { shared } = await share(ann, { ownAddress: true })
    const other = await ann.world!.owner.show(shared.id)
    expect(other.details?.[0]).toMatch(/^Address: [a-z2-7]{52}\.b32\.i2p/)
    await ann.world!.owner.cancel({ id: shared.id }, {} as never)
    expect(ann.forgotten).toEqual([expect.stringMatching(/^share-[0-9a-f]{16}$/)])
  })

  it.each([
    [{ paths: ["song.bin"] }, "BAD_INPUT"],
    [{ paths: ["/nowhere/at/all"] }, "FILE_GONE"],
    [{ tracker: ["http://example.org/announce"] }, "BAD_INPUT"],
    [{ private: true, tracker: [] }, "BAD_INPUT"],
  ])("shares nothing for %j", async (input, code) => {
    const ann = await new Router("ann", openFakeNetwork()).start()
    await expect(share(ann, input)).rejects.toMatchObject({ code })
    expect(ann.world!.owner.ids()).toEqual([])
  })

  it("does not share what the router keeps for itself", async () => {
    const ann = await new Router("ann", openFakeNetwork()).start()
    const secret = join(folder, "ann", "secret.bin")
    await writeFile(secret, "x")
    await expect(share(ann, { paths: [secret] })).rejects.toMatchObject({ code: "BAD_INPUT" })
  })

  it("goes on after a restart without hashing what has not changed", async () => {
    const network = openFakeNetwork()
    const ann = await new Router("ann", network).start()
    const { shared } = await share(ann, { ratio: 5 })
    await ann.until(shared.id, "seeding")
    await ann.stop()
    await ann.start()
    const states = new Set<string>()
    await eventually(
      () => ann.world!.owner.show(shared.id),
      ({ state }) => Boolean(states.add(state)) && state === "seeding",
      5_000,
    )
    expect(states.has("verifying")).toBe(false)
  })
})

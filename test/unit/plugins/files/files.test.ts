import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest"
import {
  acceptOffer,
  autoOffer,
  cancelOffer,
  pauseOffer,
  refuseOffer,
  resumeOffer,
  sendOffer,
  showOffer,
  towerLimitOffer,
} from "../../../../plugins/files/offers.ts"
import { FakeFiles, sha256Of } from "../../../support/fake-files.ts"
import { collectProgress } from "../../../support/fake-plugin-context.ts"

const MIB = 1_048_576

describe("files to a contact", { timeout: 60_000 }, () => {
  let story: FakeFiles
  beforeEach(async () => {
    story = new FakeFiles()
    await story.start()
  })
  afterEach(() => story[Symbol.asyncDispose]())

  it.each([0, 1, 65_536, MIB + 1, 5 * MIB + 12_345])(
    "brings over a file of %d bytes, whole and private",
    async (size) => {
      const path = story.file("photo.jpg", size)
      story.pair.connect()
      const { id } = await story.send(path)
      await story.until(story.bob, "offered")
      await story.until(story.ann, "offered")
      expect(story.received()).toEqual([])
      await story.accept(id)
      await story.until(story.ann, "done")
      const [there] = await story.list(story.bob)
      expect(there).toMatchObject({
        ...{ id, state: "done", done: size, name: "photo.jpg", direction: "in" },
      })
      expect(there?.sha256).toBe(sha256Of(path))
      expect(sha256Of(there!.path!)).toBe(sha256Of(path))
      expect(statSync(there!.path!).mode & 0o777).toBe(0o600)
      await story.eventually(() => story.received().join() === "photo.jpg")
      expect(story.ann.faults.concat(story.bob.faults)).toEqual([])
    },
  )

  it("brings over a folder with its structure, links and hidden files left out", async () => {
    const folder = join(story.folder, "Holidays")
    for (const name of ["a/b/c.txt", "a/d.bin", "e.txt", "empty.txt", ".hidden"]) {
      mkdirSync(join(folder, name, ".."), { recursive: true })
      writeFileSync(join(folder, name), name.startsWith("empty") ? "" : name.repeat(20_000))
    }
    story.pair.connect()
    await story.welcome()
    await story.send(folder, { note: "the best\u202e ones" })
    await story.until(story.ann, "done")
    const [there] = await story.list(story.bob)
    expect(there).toMatchObject({ name: "Holidays", state: "done" })
    expect(readdirSync(there!.path!, { recursive: true }).sort()).toEqual(
      ["a", "a/b", "a/b/c.txt", "a/d.bin", "e.txt", "empty.txt"].sort(),
    )
    expect(readFileSync(join(there!.path!, "a/d.bin"), "latin1")).toBe("a/d.bin".repeat(20_000))
    const shown = await story.bob.run(showOffer, { id: there!.id })
    expect((shown as { details: string[] }).details).toEqual(
      expect.arrayContaining(["note: the best  ones", "files: 4", "  a/b/c.txt, 180000 bytes"]),
    )
  })

  it("tells both sides of each step, once", async () => {
    story.pair.connect()
    const { id } = await story.send(story.file("a", 2 * MIB))
    await story.until(story.bob, "offered")
    await story.until(story.ann, "offered")
    await story.accept(id)
    await story.until(story.ann, "done")
    const steps = (peer: typeof story.ann) =>
      peer.events.map(({ name }) => name).filter((name) => name !== "progress")
    expect(steps(story.ann)).toEqual(["hashing", "waiting", "offered", "accepted", "done"])
    expect(steps(story.bob)).toEqual(["offered", "accepted", "verifying", "done"])
  })

  it("waits until the other side has it whole when asked, with progress at both ends", async () => {
    const [sender, receiver] = [collectProgress(), collectProgress()]
    const path = story.file("film.mkv", 6 * MIB)
    const sending = story.ann.run(sendOffer, { contact: "bob", path, wait: true }, sender)
    await story.until(story.ann, "waiting")
    story.pair.connect()
    const { id } = await story.until(story.bob, "offered")
    await story.until(story.ann, "offered")
    const receiving = story.bob.run(acceptOffer, { id, wait: true }, receiver)
    await expect(sending).resolves.toMatchObject({ state: "done" })
    await expect(receiving).resolves.toMatchObject({ state: "done" })
    const doing = sender.list.map((progress) => progress.doing?.replace(/,.*/, ""))
    expect(doing).toEqual(expect.arrayContaining(["hashing", "waiting for bob"]))
    expect(receiver.list.map(({ doing }) => doing)).toEqual(expect.arrayContaining(["verifying"]))
  })

  it("carries several at once, over lanes shared by all", async () => {
    story.pair.connect()
    await story.welcome()
    const paths = [1, 2, 3, 4].map((seed) => story.file(`f${seed}`, 2 * MIB, seed))
    for (const path of paths) await story.send(path)
    await story.eventually(async () =>
      (await story.list(story.ann)).every(({ state }) => state === "done"),
    )
    for (const [index, one] of (await story.list(story.bob)).entries())
      expect(sha256Of(one.path!)).toBe(sha256Of(paths[index]!))
  })

  it("goes on after each cut where it was", async () => {
    await story.welcome()
    const path = story.file("big", 8 * MIB)
    story.pair.connect()
    await story.send(path)
    const disk = story.disks.get(story.bob)!
    for (const mib of [1, 3, 6]) {
      await story.eventually(() => disk.written >= mib * MIB)
      story.pair.cut()
      story.pair.connect()
    }
    await story.until(story.ann, "done")
    expect(sha256Of((await story.list(story.bob))[0]!.path!)).toBe(sha256Of(path))
    expect(disk.written).toBeLessThanOrEqual((8 + 3 * 2) * MIB)
  })

  it("survives a kill of either side, ten times, and writes at most a piece again each time", async () => {
    story.areKilled = true
    await story.welcome()
    const path = story.file("big", 16 * MIB)
    story.pair.connect()
    await story.send(path)
    let written = 0
    for (let time = 1; time <= 10; time++) {
      const disk = story.disks.get(story.bob)!
      await story.eventually(() => written + disk.written >= time * 1.2 * MIB)
      const dead = time % 2 === 0 ? story.ann : story.bob
      dead.crash()
      if (dead === story.bob) written += disk.written
      await story.world.settle()
      await story.start(dead)
      story.pair.connect()
    }
    await story.until(story.ann, "done")
    expect(sha256Of((await story.list(story.bob))[0]!.path!)).toBe(sha256Of(path))
    written += story.disks.get(story.bob)!.written
    expect(written).toBeLessThanOrEqual((16 + 10 * 1) * MIB)
  })

  it("survives power cuts, which spoil what was not synced", async () => {
    await story.welcome()
    const path = story.file("big", 8 * MIB)
    story.pair.connect()
    await story.send(path)
    for (let time = 0; time < 3; time++) {
      const disk = story.disks.get(story.bob)!
      await story.eventually(() => disk.written >= 2 * MIB)
      story.boot++
      story.bob.crash()
      await story.world.settle()
      await story.start(story.bob)
      story.pair.connect()
    }
    await story.until(story.ann, "done")
    expect(sha256Of((await story.list(story.bob))[0]!.path!)).toBe(sha256Of(path))
  })

  it("finds and heals damage on the receiver's own disk before it says done", async () => {
    await story.welcome()
    const path = story.file("big", 12 * MIB)
    story.pair.connect()
    await story.send(path)
    await story.eventually(() => story.disks.get(story.bob)!.written >= 4 * MIB)
    const [folder = ""] = story.received().filter((name) => name.endsWith(".part"))
    const part = openSync(join(story.bob.folder, "received", folder, "0"), "r+")
    writeSync(part, Buffer.alloc(100_000, 1), 0, 100_000, 500_000)
    closeSync(part)
    await story.until(story.ann, "done")
    expect(sha256Of((await story.list(story.bob))[0]!.path!)).toBe(sha256Of(path))
  })

  it("rests at either end until it is resumed, also over a restart", async () => {
    await story.welcome()
    const path = story.file("big", 16 * MIB)
    story.pair.connect()
    const { id } = await story.send(path)
    for (const peer of [story.bob, story.ann]) {
      await story.eventually(() => story.disks.get(story.bob)!.written >= MIB)
      expect(await peer.run(pauseOffer, { id })).toMatchObject({ state: "paused" })
      await expect(peer.run(pauseOffer, { id })).rejects.toMatchObject({ code: "FILE_STATE" })
      await new Promise((resolve) => setTimeout(resolve, 300))
      const { written } = story.disks.get(story.bob)!
      peer.crash()
      await story.start(peer)
      story.pair.connect()
      await new Promise((resolve) => setTimeout(resolve, 300))
      const now = story.disks.get(story.bob)!.written
      expect(now).toBe(peer === story.bob ? 0 : written)
      expect((await story.list(peer))[0]).toMatchObject({ state: "paused" })
      await peer.run(resumeOffer, { id })
      await expect(peer.run(resumeOffer, { id })).rejects.toMatchObject({ code: "FILE_STATE" })
    }
    await story.until(story.ann, "done")
    expect(sha256Of((await story.list(story.bob))[0]!.path!)).toBe(sha256Of(path))
  })

  it("says that the disk is full, and goes on when there is room", async () => {
    await story.welcome()
    const path = story.file("big", 12 * MIB)
    story.disks.get(story.bob)!.spaceLeft = 5 * MIB
    story.pair.connect()
    await story.send(path)
    await story.eventually(async () => (await story.list(story.bob))[0]?.reason === "DISK_FULL")
    expect((await story.list(story.bob))[0]).toMatchObject({ state: "waiting" })
    story.disks.get(story.bob)!.spaceLeft = Number.POSITIVE_INFINITY
    await story.until(story.ann, "done")
    expect(sha256Of((await story.list(story.bob))[0]!.path!)).toBe(sha256Of(path))
  })

  it("is left at a tower for a contact who never comes while we are there, and cleared when they have it", async () => {
    await restartWithTower()
    const path = story.file("big", 5 * MIB)
    await story.welcome()
    const { id } = await story.send(path)
    await story.eventually(async () => (await story.list(story.ann))[0]?.reason === "AT_TOWER")
    expect(story.pair.held.size).toBe(2)
    for (const bytes of story.pair.held.values())
      expect(Buffer.from(bytes).includes(readFileSync(path).subarray(0, 64))).toBe(false)
    expect(await story.until(story.bob, "done", id)).toMatchObject({ size: 5 * MIB })
    expect(sha256Of((await story.list(story.bob))[0]!.path!)).toBe(sha256Of(path))
    await story.until(story.ann, "done")
    await story.eventually(() => [...story.pair.held.values()].every(({ length }) => length === 0))
    expect(story.pair.isUp).toBe(false)
  })

  it("waits for the contact when a tower does not give what it was given", async () => {
    await restartWithTower()
    const path = story.file("big", MIB)
    await story.welcome()
    await story.send(path)
    await story.eventually(async () => (await story.list(story.ann))[0]?.reason === "AT_TOWER")
    for (const id of story.pair.held.keys()) story.pair.held.set(id, new Uint8Array(1_000))
    const reasonOfBob = async () => (await story.list(story.bob))[0]?.reason
    await story.eventually(async () => (await reasonOfBob()) === "AT_TOWER")
    await story.eventually(async () => (await reasonOfBob()) !== "AT_TOWER")
    story.pair.connect()
    await story.until(story.ann, "done")
    expect(sha256Of((await story.list(story.bob))[0]!.path!)).toBe(sha256Of(path))
  })

  it("is not left at a tower when it is larger than said, or not accepted", async () => {
    await restartWithTower()
    expect(await story.ann.run(towerLimitOffer, {})).toEqual({ below: 64 * MIB })
    await story.ann.run(towerLimitOffer, { below: "1MiB" })
    const { id } = await story.send(story.file("small", 1_000))
    await story.until(story.bob, "offered")
    await story.welcome()
    await story.send(story.file("large", MIB + 1))
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(story.pair.held.size).toBe(0)
    await story.accept(id)
    await story.eventually(() => story.pair.held.size === 1)
  })

  /** Both have a tower for letters and blobs; there never is a link. */
  async function restartWithTower(): Promise<void> {
    for (const peer of [story.ann, story.bob]) await peer.stop()
    story.towerAfterMs = 50
    story.pair.tower = new Map()
    story.pair.towers = [{ key: "k".repeat(43), address: `${"a".repeat(52)}.b32.i2p` }]
    await story.start()
    // Each looks into the tower now and then.
    const looking = setInterval(() => story.pair.wakeMail(), 50)
    onTestFinished(() => clearInterval(looking))
  }

  it("is refused, with the sender told, and nothing left behind", async () => {
    story.pair.connect()
    const { id } = await story.send(story.file("a", MIB))
    await story.until(story.bob, "offered")
    expect(await story.bob.run(refuseOffer, { id })).toMatchObject({
      state: "cancelled",
      reason: "REFUSED",
    })
    expect(await story.until(story.ann, "cancelled")).toMatchObject({ reason: "REFUSED" })
    await expect(story.bob.run(refuseOffer, { id })).rejects.toMatchObject({ code: "FILE_STATE" })
    expect(story.received()).toEqual([])
  })

  it.each(["ann", "bob"] as const)(
    "is stopped by %s on the way, at both ends, its parts removed",
    async (who) => {
      await story.welcome()
      story.pair.connect()
      const { id } = await story.send(story.file("big", 32 * MIB))
      await story.eventually(() => story.disks.get(story.bob)!.written >= MIB)
      await story[who].run(cancelOffer, { id })
      for (const peer of [story.ann, story.bob])
        expect(await story.until(peer, "cancelled")).toMatchObject({ reason: "CANCELLED" })
      await story.eventually(() => story.received().length === 0)
    },
  )

  it("fails at both ends when the file changes on the way", async () => {
    await story.welcome()
    const path = story.file("big", 4 * MIB)
    await story.send(path)
    await story.until(story.ann, "waiting")
    writeFileSync(path, "something else")
    utimesSync(path, 1, 1)
    story.pair.connect()
    for (const peer of [story.ann, story.bob])
      expect(await story.until(peer, "failed")).toMatchObject({ reason: "FILE_CHANGED" })
  })

  it("fails at both ends when the file is gone", async () => {
    await story.welcome()
    const path = story.file("big", 4 * MIB)
    await story.send(path)
    await story.until(story.ann, "waiting")
    rmSync(path)
    story.pair.connect()
    const failed = await story.until(story.ann, "failed")
    expect(["FILE_GONE", "FILE_CHANGED"]).toContain(failed.reason)
    await story.until(story.bob, "failed")
  })

  it("fails at both ends when what is read is wrong every time", async () => {
    await story.welcome()
    await story.send(story.file("big", 3 * MIB))
    await story.until(story.ann, "waiting")
    story.disks.get(story.ann)!.flip = (offset) => offset < MIB
    story.pair.connect()
    for (const peer of [story.ann, story.bob])
      expect(await story.until(peer, "failed")).toMatchObject({ reason: "FILE_CORRUPT" })
    await story.eventually(() => story.received().length === 0)
  })

  it("accepts without asking what the rule says, and nothing larger", async () => {
    story.pair.connect()
    expect(await story.bob.run(autoOffer, { contact: "ann" })).toMatchObject({ below: 0 })
    await story.welcome("1MiB")
    expect(await story.bob.run(autoOffer, { contact: "ann" })).toMatchObject({ below: MIB })
    await story.send(story.file("large", MIB))
    await story.until(story.ann, "offered")
    await story.send(story.file("small", MIB - 1))
    await story.until(story.ann, "done")
    expect((await story.list(story.bob)).map(({ state }) => state)).toEqual(["offered", "done"])
  })

  it.each(["", "relative.txt"])("refuses the path %j", async (path) => {
    const send = () => story.send(path)
    await expect(async () => send()).rejects.toThrow()
  })

  it("refuses what is not there, and folders without files", async () => {
    mkdirSync(join(story.folder, "empty"))
    for (const [name, code] of [
      ["nothing", "FILE_GONE"],
      ["empty", "BAD_INPUT"],
    ])
      await expect(story.send(join(story.folder, name!))).rejects.toMatchObject({ code })
  })
})

import {
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { acceptOffer, autoOffer, cancelOffer, sendOffer } from "../../../../plugins/files/offers.ts"
import { FakeFiles, sha256Of } from "../../../support/fake-files.ts"
import { collectProgress } from "../../../support/fake-plugin-context.ts"

const MIB = 1_048_576

describe("files", () => {
  let story: FakeFiles
  beforeEach(async () => {
    story = new FakeFiles()
    await story.start()
  })
  afterEach(() => story[Symbol.dispose]())

  it.each([0, 1, 65_536, MIB - 1, MIB, MIB + 1, 5 * MIB + 12_345])(
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
        id,
        state: "done",
        done: size,
        name: "photo.jpg",
        direction: "in",
      })
      expect(there?.sha256).toBe(sha256Of(path))
      expect(sha256Of(there!.path!)).toBe(sha256Of(path))
      expect(statSync(there!.path!).mode & 0o777).toBe(0o600)
      expect(story.received()).toEqual(["photo.jpg"])
    },
  )

  it("tells both sides of each step, once", async () => {
    story.pair.connect()
    const { id } = await story.send(story.file("a", 2 * MIB))
    await story.until(story.bob, "offered")
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
    await story.until(story.ann, "done")
    await expect(sending).resolves.toMatchObject({ state: "done" })
    await expect(receiving).resolves.toMatchObject({ state: "done" })
    const doing = sender.list.map((progress) => progress.doing?.replace(/[0-9]+/, "N"))
    expect(doing).toEqual(expect.arrayContaining(["hashing, N kB/s", "waiting for bob"]))
    expect(doing).toEqual(expect.arrayContaining(["waiting for bob to accept", "sending, N kB/s"]))
    expect(receiver.list.map(({ doing }) => doing)).toEqual(expect.arrayContaining(["verifying"]))
  })

  it("goes on after a cut where it was, and sends little twice", async () => {
    await story.welcome()
    const path = story.file("big", 24 * MIB)
    story.pair.connect()
    await story.send(path)
    const cuts = [5, 9, 16]
    for (const mib of cuts) {
      await story.world.moment(() => story.disks.get(story.bob)!.written >= mib * MIB)
      story.pair.cut()
      await story.world.settle()
      story.pair.connect()
    }
    await story.until(story.ann, "done")
    expect(sha256Of((await story.list(story.bob))[0]!.path!)).toBe(sha256Of(path))
    expect(story.disks.get(story.bob)!.written).toBeLessThanOrEqual((24 + cuts.length) * MIB)
  })

  it("has only the damaged part sent again when what was read is wrong", async () => {
    await story.welcome()
    const path = story.file("big", 6 * MIB)
    await story.send(path)
    await story.until(story.ann, "waiting")
    let flips = 0
    story.disks.get(story.ann)!.flip = (offset) => offset === 3 * MIB + 65_536 && flips++ === 0
    story.pair.connect()
    await story.until(story.ann, "done")
    expect(flips).toBeGreaterThan(0)
    expect(sha256Of((await story.list(story.bob))[0]!.path!)).toBe(sha256Of(path))
    expect(story.disks.get(story.bob)!.written).toBe(7 * MIB)
  })

  it("fails at both ends when a part is wrong every time", async () => {
    await story.welcome()
    await story.send(story.file("big", 3 * MIB))
    await story.until(story.ann, "waiting")
    story.disks.get(story.ann)!.flip = (offset) => offset === MIB
    story.pair.connect()
    await story.until(story.ann, "failed")
    for (const peer of [story.ann, story.bob])
      expect(await story.list(peer)).toMatchObject([{ state: "failed", reason: "FILE_CORRUPT" }])
    await story.world.settle()
    expect(story.received()).toEqual([])
  })

  it("finds and heals damage on the receiver's own disk before it says done", async () => {
    await story.welcome()
    const path = story.file("big", 6 * MIB)
    story.pair.connect()
    await story.send(path)
    const disk = story.disks.get(story.bob)!
    await story.world.moment(() => disk.written >= 6 * MIB)
    let flips = 0
    disk.flip = (offset) => offset === 2 * MIB && flips++ === 0
    await story.until(story.ann, "done")
    expect(flips).toBeGreaterThan(0)
    expect(sha256Of((await story.list(story.bob))[0]!.path!)).toBe(sha256Of(path))
  })

  it.each(["changed", "shorter", "gone"] as const)(
    "says so when the sender's file is %s since",
    async (how) => {
      const path = story.file("notes.txt", 3 * MIB)
      story.pair.connect()
      const waiting = story.send(path, { wait: true })
      const code = how === "gone" ? "FILE_GONE" : "FILE_CHANGED"
      const failure = expect(waiting).rejects.toMatchObject({ code })
      const { id } = await story.until(story.bob, "offered")
      if (how === "changed") utimesSync(path, 1, 1)
      else if (how === "shorter") writeFileSync(path, "short")
      else rmSync(path)
      await story.accept(id)
      await story.until(story.bob, "failed")
      await failure
      for (const peer of [story.ann, story.bob])
        expect(await story.list(peer)).toMatchObject([{ state: "failed", reason: code }])
      expect(story.received()).toEqual([])
    },
  )

  it("stops when the disk is full, says so, and goes on soon after there is room", async () => {
    await story.welcome()
    const path = story.file("big", 8 * MIB)
    const disk = story.disks.get(story.bob)!
    disk.spaceLeft = 3 * MIB + 1_000
    story.pair.connect()
    await story.send(path)
    await story.world.until(async () => (await story.list(story.bob))[0]?.reason === "DISK_FULL")
    expect(await story.list(story.bob)).toMatchObject([{ state: "waiting", reason: "DISK_FULL" }])
    disk.free = 1_000
    await story.world.pass(600_000)
    expect(await story.list(story.bob)).toMatchObject([{ state: "waiting", reason: "DISK_FULL" }])
    disk.spaceLeft = Infinity
    disk.free = undefined
    await story.world.pass(10_000)
    await story.until(story.bob, "done")
    expect(disk.written).toBeLessThanOrEqual(9 * MIB)
  })

  it("asks for room before it fetches a byte", async () => {
    await story.welcome()
    story.disks.get(story.bob)!.free = MIB
    story.pair.connect()
    await story.send(story.file("big", 3 * MIB))
    await story.world.until(async () => (await story.list(story.bob))[0]?.reason === "DISK_FULL")
    expect(story.disks.get(story.bob)!.written).toBe(0)
  })

  it("never writes over another file, nor one whose name differs in case only", async () => {
    await story.welcome()
    story.pair.connect()
    const path = story.file("photo.jpg", 1_000)
    for (let count = 0; count < 3; count++) {
      const { id } = await story.send(path)
      await story.until(story.ann, "done", id)
    }
    const shouting = story.file("PHOTO.JPG", 1_000, 2)
    const { id } = await story.send(shouting)
    await story.until(story.ann, "done", id)
    expect(story.received()).toEqual([
      "PHOTO (3).JPG",
      "photo (1).jpg",
      "photo (2).jpg",
      "photo.jpg",
    ])
  })

  it("places the file also where there are no hard links", async () => {
    story.disks.get(story.bob)!.noLinks = true
    await story.welcome()
    story.pair.connect()
    const path = story.file("a.bin", 2 * MIB)
    await story.send(path)
    await story.until(story.ann, "done")
    expect(story.received()).toEqual(["a.bin"])
    expect(sha256Of((await story.list(story.bob))[0]!.path!)).toBe(sha256Of(path))
  })

  it("puts a file into the folder that was chosen, and refuses one that is not there", async () => {
    const chosen = join(story.folder, "Films")
    mkdirSync(chosen)
    story.pair.connect()
    const { id } = await story.send(story.file("film.mkv", 1_000))
    await story.until(story.bob, "offered")
    const nowhere = story.accept(id, { to: join(story.folder, "none") })
    await expect(nowhere).rejects.toMatchObject({ code: "BAD_INPUT" })
    await story.accept(id, { to: chosen })
    const { path } = await story.until(story.bob, "done")
    expect(path).toBe(join(chosen, "film.mkv"))
  })

  it("does not follow a link that lies in the way of the part file", async () => {
    const victim = story.file("victim", 10)
    const chosen = join(story.folder, "shared")
    mkdirSync(chosen)
    story.pair.connect()
    const { id } = await story.send(story.file("x", 1_000))
    await story.until(story.bob, "offered")
    symlinkSync(victim, join(chosen, `.allium-${id}.part`))
    const before = readFileSync(victim)
    await story.accept(id, { to: chosen })
    await story.world.until(async () => (await story.list(story.bob))[0]?.reason === "ELOOP")
    expect(readFileSync(victim)).toEqual(before)
  })

  it("lets the receiver refuse, and tells the sender", async () => {
    story.pair.connect()
    const waiting = story.send(story.file("a", 1_000), { wait: true })
    const failure = expect(waiting).rejects.toMatchObject({ code: "FILE_REFUSED" })
    const { id } = await story.until(story.bob, "offered")
    await story.bob.run(cancelOffer, { id })
    await story.until(story.ann, "cancelled")
    await failure
    await expect(story.accept(id)).rejects.toMatchObject({ code: "FILE_STATE" })
  })

  it.each(["ann", "bob"] as const)(
    "stops at both ends when %s cancels in the middle; nothing stays",
    async (who) => {
      await story.welcome()
      story.pair.connect()
      const { id } = await story.send(story.file("big", 24 * MIB))
      await story.world.moment(() => story.disks.get(story.bob)!.written >= 2 * MIB)
      await story[who].run(cancelOffer, { id: id.slice(0, 8) })
      await story.until(story.ann, "cancelled")
      await story.until(story.bob, "cancelled")
      await story.world.settle()
      expect(story.received()).toEqual([])
      expect(story.disks.get(story.bob)!.written).toBeLessThan(24 * MIB)
      const left = [...story.bob.disk.values.keys()].filter((key) => key.includes("manifest"))
      expect(left).toEqual([])
    },
  )

  it("accepts without asking only what a rule allows", async () => {
    await story.welcome("1MiB")
    story.pair.connect()
    const small = await story.send(story.file("small", MIB - 1))
    const large = await story.send(story.file("large", MIB))
    await story.until(story.ann, "done", small.id)
    await story.until(story.ann, "offered", large.id)
    expect(await story.bob.run(autoOffer, { contact: "ann" })).toEqual({
      contact: "ann",
      below: MIB,
    })
    await story.welcome(0)
    const next = await story.send(story.file("next", 1))
    await story.until(story.bob, "offered", next.id)
  })

  it("asks again when a contact sends too much for one hour", async () => {
    await story.welcome()
    story.pair.connect()
    const path = story.file("tiny", 10)
    for (let count = 0; count < 101; count++) await story.send(path)
    await story.until(story.bob, "offered")
    await story.world.until(async () => {
      const states = (await story.list(story.bob)).map(({ state }) => state)
      return states.filter((state) => state === "done").length === 100 && states.length === 101
    })
  })

  it.each([
    ["a folder", () => story.folder, "BAD_INPUT"],
    ["a device", () => "/dev/zero", "BAD_INPUT"],
    ["nothing", () => join(story.folder, "none"), "FILE_GONE"],
    ["a relative path", () => "photo.jpg", "BAD_INPUT"],
  ])("refuses to send %s", async (_, path, code) => {
    await expect(story.send(path())).rejects.toMatchObject({ code })
  })

  it("fails what can never go to its contact any more", async () => {
    const waiting = story.send(story.file("a", 1_000), { wait: true })
    const failure = expect(waiting).rejects.toMatchObject({ code: "NO_CONTACT" })
    story.ann.setContact(undefined)
    await story.until(story.ann, "failed")
    await failure
  })
})

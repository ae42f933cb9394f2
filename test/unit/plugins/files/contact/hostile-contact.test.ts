import { createHash, randomBytes } from "node:crypto"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type OfferLetter, writeLetter } from "../../../../../plugins/files/contact/letters.ts"
import { TRANSFER_PROTOCOL } from "../../../../../plugins/files/contact/line-keys.ts"
import { answerLine } from "../../../../../plugins/files/contact/sealed-line.ts"
import { cancelOffer } from "../../../../../plugins/files/offers.ts"
import { Throttle } from "../../../../../plugins/files/swarm/throttle.ts"
import { systemClock } from "../../../../../src/base/clock.ts"
import { FakeFiles } from "../../../../support/fake-files.ts"
import { makeTorrent, openPerson, type Person } from "../../../../support/swarm-people.ts"

const torrent = makeTorrent(300_000)
const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash("sha256").update(bytes).digest())
const key = new Uint8Array(32).fill(4)
const honest: Omit<OfferLetter, "v"> = {
  ...{ kind: "offer", id: new Uint8Array(16).fill(5), name: "made up", isFolder: false },
  ...{ size: torrent.bytes.length, fileCount: 1, files: [] },
  ...{ infohash: torrent.metainfo.infohash, info: sha256(torrent.metainfo.info) },
  ...{ sha256: sha256(torrent.bytes), key },
}

describe("a contact who is hostile", () => {
  let story: FakeFiles
  let seeder: Person
  beforeEach(async () => {
    story = new FakeFiles()
    seeder = openPerson(torrent, { isSeeder: true })
    await story.start()
    await story.welcome()
    story.pair.connect()
    // She answers no letter.
    story.ann.life!.mail.receive(async () => ({ changes: [] }))
  })
  afterEach(async () => {
    await seeder[Symbol.asyncDispose]()
    await story[Symbol.asyncDispose]()
  })

  /** Ann offers this, and gives what she has on lines sealed with this key. */
  async function offer(different: Partial<typeof honest> = {}, withKey = key): Promise<void> {
    story.ann.life!.handlers.set(TRANSFER_PROTOCOL, async ({ channel }) => {
      const random = (byteCount: number) => new Uint8Array(randomBytes(byteCount))
      const { line } = await answerLine(channel, () => ({ key: withKey }), random)
      await seeder.swarm.join(line, { name: "bob", outgoing: false, isOwn: true })
    })
    await arrive({ ...honest, ...different })
  }
  const arrive = (letter: Parameters<typeof writeLetter>[0]) =>
    story.bob.life!.mail.arrive(writeLetter(letter), "contact")

  it("gets nowhere, and one who does the same honestly does", async () => {
    await offer()
    await story.until(story.bob, "done")
    expect(story.received()).toEqual(["made up"])
  })

  it.each([
    ["another metainfo than it says", { info: new Uint8Array(32) }],
    ["another size", { size: torrent.bytes.length + 1 }],
    ["a folder that is none", { isFolder: true }],
    ["more files than there are", { fileCount: 2 }],
    ["another SHA-256", { sha256: new Uint8Array(32) }],
  ])("offers %s: FILE_CORRUPT, and nothing gets a name", async (_name, different) => {
    await offer(different)
    expect(await story.until(story.bob, "failed")).toMatchObject({ reason: "FILE_CORRUPT" })
    await story.eventually(() => story.received().length === 0)
    expect(story.bob.faults).toEqual([])
  })

  it("seals with another key: nothing is read, it waits and can be cancelled", async () => {
    await offer({}, new Uint8Array(32).fill(9))
    await story.eventually(() => story.pair.openCount >= 2)
    const [waiting] = await story.list(story.bob)
    expect(waiting).toMatchObject({ state: "waiting", done: 0 })
    await story.bob.run(cancelOffer, { id: waiting!.id })
    await story.until(story.bob, "cancelled")
    expect(story.received()).toEqual([])
  })

  it("withdraws while it is fetched: both know why, and no part stays", async () => {
    await seeder[Symbol.asyncDispose]()
    const nothing = new Throttle(systemClock, { bytesPerSecond: 0 })
    seeder = openPerson(torrent, { isSeeder: true, up: [nothing] })
    await offer()
    await story.eventually(() => story.received().length === 1)
    await arrive({ kind: "withdraw", id: honest.id, reason: "CANCELLED" })
    expect(await story.until(story.bob, "cancelled")).toMatchObject({ reason: "CANCELLED" })
    await story.eventually(() => story.received().length === 0)
  })

  it("opens lines and says nothing: 64 are borne for 30 s, more are reset, others are served", async () => {
    const { clock } = story.pair.world
    const sleepers: (() => void)[] = []
    const sleep: typeof clock.sleep = (ms, call) =>
      ms === 30_000
        ? new Promise((resolve) => void sleepers.push(resolve))
        : systemClock.sleep(ms, call)
    Object.assign(clock, { sleep })
    const channels = Array.from({ length: 80 }, () => story.pair.open(story.ann, TRANSFER_PROTOCOL))
    const isClosed = (count: number) => () =>
      channels.filter(({ destroyed }) => destroyed).length === count
    await story.eventually(isClosed(80 - 64))
    await offer()
    await story.until(story.bob, "done")
    for (const wake of sleepers) wake()
    await story.eventually(isClosed(80))
    // There is room again.
    const next = story.pair.open(story.ann, TRANSFER_PROTOCOL)
    await new Promise((resolve) => setImmediate(resolve))
    expect(next.destroyed).toBe(false)
  })

  it("floods with offers: a hundred wait, the others are declined, and few are remembered", async () => {
    await story.welcome(0)
    for (let number = 0; number < 1_300; number++)
      await arrive({ ...honest, id: new Uint8Array(Buffer.alloc(16, `id ${number} `)) })
    const all = await story.list(story.bob)
    expect(all.filter(({ state }) => state === "offered")).toHaveLength(100)
    expect(all.filter(({ state }) => state === "cancelled")).toHaveLength(1_000)
    expect(all).toHaveLength(1_100)
  })
})

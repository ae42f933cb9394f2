import { describe, expect, it } from "vitest"
import { Throttle } from "../../../../../plugins/files/swarm/index.ts"
import { systemClock } from "../../../../../src/base/clock.ts"
import { connect, makeTorrent, openPerson } from "../../../../support/swarm-people.ts"

const torrent = makeTorrent(1_000_000)

describe("openSwarm()", () => {
  it.each([{ isOwn: false }, { isOwn: true }])(
    "fetches everything, verified and synced ($isOwn)",
    async ({ isOwn }) => {
      await using seeder = openPerson(torrent, { isSeeder: true })
      await using leech = openPerson(torrent)
      await Promise.all([seeder.heard("changed"), leech.heard("changed")])
      connect(leech, seeder, { a: "l", b: "s", isOwn })
      await leech.heard("finished")
      expect(Buffer.from(leech.store.bytes).equals(torrent.bytes)).toBe(true)
      expect(leech.swarm.state()).toMatchObject({
        stage: "seeding",
        bytesHere: 1_000_000,
        downBytes: 1_000_000,
        wastedBytes: 0,
      })
      expect(leech.saves.at(-1)).toMatchObject({ isSynced: true })
      expect(leech.saves.at(-1)!.progress.have.isFull).toBe(true)
    },
  )

  it("fetches from a magnet alone", async () => {
    const many = makeTorrent(3_000_000, { pieceBytes: 1_024 })
    await using seeder = openPerson(many, { isSeeder: true })
    await using leech = openPerson(many, { isFromMagnet: true })
    await seeder.heard("changed")
    connect(leech, seeder)
    const { metainfo } = await leech.heard("metadata")
    expect(Buffer.from(metainfo.info).equals(many.metainfo.info)).toBe(true)
    await leech.heard("finished")
    expect(Buffer.from(leech.store.bytes).equals(many.bytes)).toBe(true)
  })

  it("keeps to a limit of rates that two torrents share", async () => {
    const limit = new Throttle(systemClock, { bytesPerSecond: 1_000_000 })
    await using seeder = openPerson(torrent, { isSeeder: true, up: [limit] })
    await using leech = openPerson(torrent)
    await seeder.heard("changed")
    const startedAt = performance.now()
    connect(leech, seeder)
    await leech.heard("finished")
    expect(performance.now() - startedAt).toBeGreaterThan(700)
  })
})

import { describe, expect, it } from "vitest"
import { silentLog } from "../../../src/base/log.ts"
import { openRecentPeers } from "../../../src/router/recent-peers.ts"
import { FakeWorld } from "../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../support/memory-store.ts"

const key = (number: number) => `${number}`.padEnd(43, "x")

describe("openRecentPeers()", () => {
  const open = (disk: MemoryDisk) =>
    openRecentPeers(new MemoryLife(disk, new FakeWorld(), () => {}).room("/"), silentLog)

  it("remembers over restarts whom an identity met last, the newest 32, newest first", async () => {
    const disk = new MemoryDisk()
    const before = await open(disk)
    for (let number = 0; number < 40; number++) before.met("me", key(number))
    before.met("me", `${key(20)}.1`)
    before.met("other", key(1))
    await before.settled()
    const recent = (await open(disk)).of("me")
    expect(recent).toHaveLength(32)
    expect(recent.slice(0, 3)).toEqual([`${key(20)}.1`, key(39), key(38)])
  })

  it("writes many meetings of one moment in two commits", async () => {
    const disk = new MemoryDisk()
    const recent = await open(disk)
    for (let number = 0; number < 40; number++) recent.met("me", key(number))
    await recent.settled()
    expect(disk.commitCount).toBeLessThanOrEqual(2)
    recent.met("me", key(39))
    await recent.settled()
    expect(disk.commitCount).toBeLessThanOrEqual(2)
  })

  it("forgets a contact with all devices", async () => {
    const disk = new MemoryDisk()
    const recent = await open(disk)
    for (const name of [key(1), `${key(1)}.2`, key(2)]) recent.met("me", name)
    recent.forget("me", key(1))
    await recent.settled()
    expect((await open(disk)).of("me")).toEqual([key(2)])
    expect(JSON.stringify([...disk.values])).not.toContain(key(1))
  })

  it("lives with a full disk", async () => {
    const disk = new MemoryDisk()
    const recent = await open(disk)
    disk.full = true
    recent.met("me", key(1))
    await recent.settled()
    expect(recent.of("me")).toEqual([key(1)])
  })
})

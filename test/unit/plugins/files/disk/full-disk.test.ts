import { randomBytes } from "node:crypto"
import { chmod } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { type Disk, machineDisk } from "../../../../../plugins/files/disk/disk.ts"
import { openDiskRoom } from "../../../../../plugins/files/disk/disk-room.ts"
import { openPartStore } from "../../../../../plugins/files/disk/part-store.ts"
import { recheck } from "../../../../../plugins/files/disk/recheck.ts"
import { FakeDisk } from "../../../../support/fake-disk.ts"
import { FakeWorld } from "../../../../support/fake-world.ts"
import { fillStore, freshFolder, sharedRoom, signal, torrentOf } from "./made.ts"

const room = sharedRoom()
const content = randomBytes(200_000)
const metainfo = torrentOf(content, [100_000, 100_000])

async function openOn(disk: Disk) {
  const folder = await freshFolder()
  const files = openDiskRoom({ disk }).files
  const options = { room: { ...room, disk, files }, metainfo, folder, id: "abc" }
  return { folder, options, store: await openPartStore(options) }
}

describe("PartStore on a bad disk", () => {
  it("says DISK_FULL before it begins, when what is missing has no room", async () => {
    const fake = new FakeDisk(new FakeWorld())
    fake.free = 16 * 1_048_576 + 199_999
    await expect(openOn(fake.disk)).rejects.toMatchObject({ code: "DISK_FULL" })
    fake.free++
    await using store = (await openOn(fake.disk)).store
    expect(await store.hasRoom()).toBe(true)
  })

  it("says DISK_FULL in the middle of a block, and goes on when there is room", async () => {
    const fake = new FakeDisk(new FakeWorld())
    await using store = (await openOn(fake.disk)).store
    fake.spaceLeft = 70_000
    fake.free = 0
    await expect(fillStore(store, content)).rejects.toMatchObject({ code: "DISK_FULL" })
    expect(await store.hasRoom()).toBe(false)
    fake.spaceLeft = Infinity
    fake.free = 2 ** 40
    expect(await store.hasRoom()).toBe(true)
    await fillStore(store, content)
    expect((await recheck(store, { signal })).isFull).toBe(true)
    expect(await store.finish()).toHaveLength(2)
  })

  it("gives names where there are no hard links", async () => {
    const fake = new FakeDisk(new FakeWorld())
    fake.noLinks = true
    const { store, folder } = await openOn(fake.disk)
    await using _ = store
    await fillStore(store, content)
    await recheck(store, { signal })
    const paths = await store.finish()
    expect(paths).toEqual([0, 1].map((index) => join(folder, "things/sub", `file ${index}`)))
    expect((await recheck(store, { signal })).isFull).toBe(true)
  })

  it.each([
    ["EACCES", "DISK_REFUSED"],
    ["EROFS", "DISK_REFUSED"],
    ["EIO", "DISK_FAILED"],
    ["EDQUOT", "DISK_FULL"],
    ["ENOSPC", "DISK_FULL"],
    ["EMFILE", "DISK_FAILED"],
  ])("brings %s into our words: %s", async (system, code) => {
    let isBroken = false
    const open: Disk["open"] = async (...args) => {
      if (isBroken) throw Object.assign(new Error("no"), { code: system })
      return machineDisk.open(...args)
    }
    const { store } = await openOn({ ...machineDisk, open })
    isBroken = true
    await expect(fillStore(store, content)).rejects.toMatchObject({ code })
    isBroken = false
    await fillStore(store, content)
    expect((await recheck(store, { signal })).isFull).toBe(true)
    await store[Symbol.asyncDispose]()
  })

  it.skipIf(process.getuid?.() === 0)(
    "says DISK_REFUSED for a folder that may not be written",
    async () => {
      const folder = await freshFolder()
      await chmod(folder, 0o500)
      const opened = openPartStore({ room, metainfo, folder, id: "abc" })
      await expect(opened).rejects.toMatchObject({ code: "DISK_REFUSED" })
      await chmod(folder, 0o700)
    },
  )
})

describe("open files", () => {
  it("stay few with a torrent of 500 files", async () => {
    const sizes = Array.from({ length: 500 }, (_, index) => index % 97)
    const many = randomBytes(sizes.reduce((sum, size) => sum + size, 0))
    let [isOpen, most] = [0, 0]
    const open: Disk["open"] = async (...args) => {
      const handle = await machineDisk.open(...args)
      most = Math.max(most, ++isOpen)
      const close = handle.close.bind(handle)
      handle.close = () => close().finally(() => isOpen--)
      return handle
    }
    const disk = { ...machineDisk, open }
    const { files } = openDiskRoom({ disk, openFiles: 20 })
    const folder = await freshFolder()
    const torrent = torrentOf(many, sizes)
    const store = await openPartStore({
      room: { ...room, disk, files },
      metainfo: torrent,
      folder,
      id: "abc",
    })
    await fillStore(store, many)
    expect((await recheck(store, { signal })).isFull).toBe(true)
    expect(await store.finish()).toHaveLength(500)
    await store[Symbol.asyncDispose]()
    expect(most).toBeLessThanOrEqual(24)
    expect(isOpen).toBe(0)
  })
})

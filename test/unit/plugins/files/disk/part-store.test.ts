import { createHash, randomBytes } from "node:crypto"
import { mkdir, readdir, readFile, rm, stat, symlink, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { machineDisk } from "../../../../../plugins/files/disk/disk.ts"
import { openPartStore } from "../../../../../plugins/files/disk/part-store.ts"
import { recheck } from "../../../../../plugins/files/disk/recheck.ts"
import { BLOCK_BYTES } from "../../../../../plugins/files/torrent/geometry.ts"
import { fillStore, freshFolder, makeFiles, sharedRoom, signal, torrentOf } from "./made.ts"

const content = randomBytes(300_000)
const room = sharedRoom()
const SIZES = [100_000, 0, 70_000, 130_000]
const metainfo = torrentOf(content, SIZES)

/** A store with everything in it, not checked. */
async function filled() {
  const folder = await freshFolder()
  const options = { room, metainfo, folder, id: "abc" }
  const store = await openPartStore(options)
  await fillStore(store, content)
  return { folder, room, options, store, parts: join(folder, ".allium-abc.part") }
}

/** Whether the files together are the content. */
async function areEqual(paths: readonly string[]): Promise<boolean> {
  return Buffer.concat(await Promise.all(paths.map((path) => readFile(path)))).equals(content)
}

describe("PartStore", () => {
  it("keeps blocks in part files, finds pieces right, and gives files their names", async () => {
    const { store, folder } = await filled()
    expect((await recheck(store, { signal })).isFull).toBe(true)
    const paths = await store.finish()
    expect(paths).toEqual([0, 1, 2, 3].map((index) => join(folder, `things/sub/file ${index}`)))
    expect(await areEqual(paths)).toBe(true)
    await store.discard()
    expect(await readdir(folder)).toEqual(["things"])
  })

  it("reads over the edges of files, from part files and from finished ones", async () => {
    const { store } = await filled()
    const read = async () => {
      const into = Buffer.alloc(65_536)
      await store.read({ piece: 1, begin: 0, length: into.length }, into)
      return into
    }
    const expected = content.subarray(65_536, 131_072)
    expect((await read()).equals(expected)).toBe(true)
    await recheck(store, { signal })
    await store.finish()
    expect((await read()).equals(expected)).toBe(true)
  })

  it("gives the digest of each block when asked", async () => {
    const { store } = await filled()
    const last = store.geometry.pieceCount - 1
    const { digests } = await store.check(last, { digests: true })
    const bytes = content.subarray(last * 65_536)
    const blocks = Array.from({ length: Math.ceil(bytes.length / BLOCK_BYTES) }, (_, index) =>
      createHash("sha1")
        .update(bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES))
        .digest(),
    )
    expect(Buffer.from(digests!)).toEqual(Buffer.concat(blocks))
  })

  it("finds a wrong byte, and the piece right again when it was mended", async () => {
    const { store } = await filled()
    const block = store.geometry.block(2, 1)
    const at = 2 * 65_536 + block.begin
    const bytes = Buffer.from(content.subarray(at, at + block.length))
    bytes[7]! ^= 1
    await store.write(block, bytes)
    expect((await recheck(store, { signal })).has(2)).toBe(false)
    expect(store.have.count).toBe(store.geometry.pieceCount - 1)
    await store.write(block, content.subarray(at, at + block.length))
    expect((await store.check(2, { digests: false })).isRight).toBe(true)
    expect(store.have.isFull).toBe(true)
  })

  it("goes on after a restart: what was written is found by a recheck", async () => {
    const { store, options } = await filled()
    await store[Symbol.asyncDispose]()
    const again = await openPartStore(options)
    expect((await recheck(again, { signal })).isFull).toBe(true)
    expect(await areEqual(await again.finish())).toBe(true)
  })

  it("holds part files private", async () => {
    const { parts } = await filled()
    expect((await stat(parts)).mode & 0o777).toBe(0o700)
    expect((await stat(join(parts, "0"))).mode & 0o777).toBe(0o600)
  })

  it("gives complete files their names while others are not complete, and the rest later", async () => {
    const folder = await freshFolder()
    const store = await openPartStore({
      room,
      metainfo,
      folder,
      id: "abc",
    })
    await fillStore(store, content, [0, 1])
    await recheck(store, { signal })
    expect((await store.finish()).map((path) => path.slice(-6))).toEqual(["file 0", "file 1"])
    await fillStore(store, content, [2, 3, 4])
    await recheck(store, { signal })
    expect(await areEqual(await store.finish())).toBe(true)
  })

  it.each([["things"], ["Things"], ["THINGS"]])("takes a free name beside %s", async (taken) => {
    const { store, folder } = await filled()
    await makeFiles(folder, { [`${taken}/mine`]: "untouched" })
    await recheck(store, { signal })
    expect(await areEqual(await store.finish())).toBe(true)
    expect(await readFile(join(folder, taken, "mine"), "utf8")).toBe("untouched")
    expect((await readdir(folder)).sort()).toContain("things (1)")
  })

  it("takes a free name for a single file", async () => {
    const folder = await freshFolder()
    await makeFiles(folder, { "thing.bin": "mine" })
    const single = torrentOf(content, content.length)
    const store = await openPartStore({
      room,
      metainfo: single,
      folder,
      id: "abc",
    })
    await fillStore(store, content)
    await recheck(store, { signal })
    expect(await store.finish()).toEqual([join(folder, "thing (1).bin")])
    expect(await readFile(join(folder, "thing.bin"), "utf8")).toBe("mine")
  })

  it.each(["link", "keep", "rename-places", "unlink"])(
    "finishes once, wherever a crash comes: at %s",
    async (where) => {
      const { store, options, folder } = await filled()
      await recheck(store, { signal })
      await store[Symbol.asyncDispose]()
      for (let survived = 0; survived < 5; survived++) {
        let left = survived
        const crash = (name: string) => {
          const isHere =
            name === where ||
            (where === "keep" && name === "open") ||
            (where === "rename-places" && name === "rename")
          if (isHere && left-- <= 0)
            throw Object.assign(new Error("power is gone"), { code: "EIO" })
        }
        const disk = new Proxy(machineDisk, {
          get:
            (target, name) =>
            (...args: never[]) => {
              crash(String(name))
              return (target[name as keyof typeof target] as (...all: never[]) => unknown)(...args)
            },
        })
        const spoilt = { ...room, disk }
        const broken = await openPartStore({ ...options, room: spoilt, have: store.have }).catch(
          () => undefined,
        )
        await broken?.finish().catch(() => {})
        await broken?.[Symbol.asyncDispose]()
      }
      const last = await openPartStore({ ...options, have: store.have })
      expect(await areEqual(await last.finish())).toBe(true)
      expect((await recheck(last, { signal })).isFull).toBe(true)
      await last.discard()
      expect((await readdir(folder)).filter((name) => name.startsWith("."))).toEqual([])
    },
  )

  it("says FILE_GONE and FILE_CHANGED for part files that somebody took, cut or replaced", async () => {
    const { store, parts, options, folder } = await filled()
    await store[Symbol.asyncDispose]()
    await rm(join(parts, "0"))
    await truncate(join(parts, "2"), 10)
    const again = await openPartStore(options)
    expect((await recheck(again, { signal })).count).toBe(2)
    await expect(again.check(0, { digests: true })).rejects.toMatchObject({ code: "FILE_GONE" })
    await expect(again.check(2, { digests: true })).rejects.toMatchObject({ code: "FILE_CHANGED" })
    await again[Symbol.asyncDispose]()
    await rm(join(parts, "3"))
    await writeFile(join(folder, "secret"), content.subarray(170_000))
    await symlink(join(folder, "secret"), join(parts, "3"))
    const third = await openPartStore(options)
    await expect(third.check(4, { digests: true })).rejects.toMatchObject({ code: "FILE_CHANGED" })
    await expect(
      third.write(third.geometry.block(4, 0), new Uint8Array(16_384)),
    ).rejects.toMatchObject({
      code: "FILE_CHANGED",
    })
    expect((await readFile(join(folder, "secret"))).equals(content.subarray(170_000))).toBe(true)
  })

  it.each(["folder", "link", "file"])(
    "does not use a %s in the way of its part folder",
    async (kind) => {
      const folder = await freshFolder()
      const elsewhere = await freshFolder()
      const parts = join(folder, ".allium-abc.part")
      if (kind === "folder") await mkdir(join(parts, "0"), { recursive: true })
      if (kind === "link") await symlink(elsewhere, parts)
      if (kind === "file") await writeFile(parts, "mine")
      const open = async () => {
        const store = await openPartStore({
          room,
          metainfo,
          folder,
          id: "abc",
        })
        await fillStore(store, content, [0])
      }
      await expect(open()).rejects.toMatchObject({ code: "FILE_CHANGED" })
      expect(await readdir(elsewhere)).toEqual([])
    },
  )

  it("never writes through a link in the torrent's folder", async () => {
    const { store, folder } = await filled()
    const elsewhere = await freshFolder()
    await recheck(store, { signal })
    await mkdir(join(folder, "things"))
    await symlink(elsewhere, join(folder, "things", "sub"))
    const paths = await store.finish()
    expect(paths[0]).toBe(join(folder, "things (1)/sub/file 0"))
    expect(await readdir(elsewhere)).toEqual([])
  })

  it.each([
    [{ piece: 5, begin: 0, length: 16 }, 16],
    [{ piece: 0, begin: 65_530, length: 16 }, 16],
    [{ piece: 0, begin: 0, length: 16 }, 15],
    [{ piece: -1, begin: 0, length: 16 }, 16],
  ])("has no block like %j", async (block, length) => {
    const { store } = await filled()
    await expect(store.read(block, new Uint8Array(length))).rejects.toThrow(RangeError)
    await expect(store.write(block, new Uint8Array(length))).rejects.toThrow(RangeError)
  })
})

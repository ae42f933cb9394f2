import { createHash, randomBytes } from "node:crypto"
import { appendFile, link, mkdir, rename, rm, symlink, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { makeShare } from "../../../../../plugins/files/disk/make-share.ts"
import { recheck } from "../../../../../plugins/files/disk/recheck.ts"
import { ShareStore } from "../../../../../plugins/files/disk/share-store.ts"
import { suspectPieces, takeStamps } from "../../../../../plugins/files/disk/stamps.ts"
import { surveyShare } from "../../../../../plugins/files/disk/survey.ts"
import { freshFolder, makeFiles, sharedRoom, signal } from "./made.ts"

const room = sharedRoom()

async function share(path: string, options: { pieceBytes?: number; isPrivate?: boolean } = {}) {
  const survey = await surveyShare(room.disk, path, { signal })
  return makeShare({ room, survey, signal, ...options })
}

async function someFolder() {
  const folder = join(await freshFolder(), "Holiday 2026")
  const files = {
    "b.txt": randomBytes(70_000),
    "a/2.bin": randomBytes(150_000),
    "a/1.bin": randomBytes(30),
    "a-b.bin": new Uint8Array(),
    "Z.bin": randomBytes(65_536),
  }
  await makeFiles(folder, files)
  return { folder, files }
}
const ORDER = ["Z.bin", "a-b.bin", "a/1.bin", "a/2.bin", "b.txt"] as const

describe("makeShare()", () => {
  it("hashes pieces over all files in order, and each file on its own", async () => {
    const { folder, files } = await someFolder()
    const { metainfo, digests } = await share(folder)
    const all = Buffer.concat(ORDER.map((name) => files[name]))
    expect(metainfo.name).toBe("Holiday 2026")
    expect(metainfo.files.map(({ path }) => path.slice(1).join("/"))).toEqual(ORDER)
    const pieces = [0, 1, 2, 3, 4].map((piece) =>
      all.subarray(piece * 65_536, (piece + 1) * 65_536),
    )
    expect(Buffer.from(metainfo.pieceHashes)).toEqual(
      Buffer.concat(pieces.map((piece) => createHash("sha1").update(piece).digest())),
    )
    expect(Buffer.from(digests)).toEqual(
      Buffer.concat(ORDER.map((name) => createHash("sha256").update(files[name]).digest())),
    )
  })

  it("hashes a file of many chunks, and one of exactly one", async () => {
    const folder = await freshFolder()
    for (const size of [9_000_001, 4 * 1_048_576]) {
      const content = randomBytes(size)
      await writeFile(join(folder, "big.bin"), content)
      const { metainfo, digests } = await share(join(folder, "big.bin"), { pieceBytes: 1_048_576 })
      expect(Buffer.from(digests)).toEqual(createHash("sha256").update(content).digest())
      expect(metainfo.isFolder).toBe(false)
      expect(metainfo.geometry.size).toBe(size)
    }
  })

  it("makes the same infohash of the same content, and another when it is private", async () => {
    const { folder } = await someFolder()
    const [one, other, hidden] = [
      await share(folder),
      await share(folder),
      await share(folder, { isPrivate: true }),
    ]
    expect(one.metainfo.infohash).toEqual(other.metainfo.infohash)
    expect(hidden.metainfo.infohash).not.toEqual(one.metainfo.infohash)
    expect(hidden.metainfo.isPrivate).toBe(true)
  })

  it("leaves out links, pipes and hidden files, and follows nothing", async () => {
    const { folder } = await someFolder()
    const elsewhere = await freshFolder()
    await makeFiles(elsewhere, { "secret.txt": "secret" })
    await makeFiles(folder, { ".hidden": "h", ".git/config": "c" })
    await symlink(join(elsewhere, "secret.txt"), join(folder, "link"))
    await symlink(elsewhere, join(folder, "away"))
    const survey = await surveyShare(room.disk, folder, { signal })
    expect(survey.files).toHaveLength(ORDER.length)
    expect(survey.leftOut).toBe(4)
  })

  it("takes pieces of many tiny files", async () => {
    const folder = join(await freshFolder(), "tiny")
    const files = Object.fromEntries(
      Array.from({ length: 300 }, (_, index) => [`${index}`, `content ${index}`]),
    )
    await makeFiles(folder, files)
    const { metainfo, paths } = await share(folder)
    expect(metainfo.geometry.pieceCount).toBe(1)
    const store = new ShareStore({ room, metainfo, paths })
    expect((await recheck(store, { signal })).isFull).toBe(true)
    const digests = await store.check(0, { digests: true })
    expect(digests.digests).toHaveLength(20)
  })

  it("ends with the signal's reason", async () => {
    const { folder } = await someFolder()
    const stop = new AbortController()
    const survey = await surveyShare(room.disk, folder, { signal })
    stop.abort(new Error("enough"))
    await expect(makeShare({ room, survey, signal: stop.signal })).rejects.toThrow("enough")
    await expect(surveyShare(room.disk, folder, { signal: stop.signal })).rejects.toBeDefined()
  })

  it("says FILE_CHANGED when a file is not as it was found", async () => {
    const { folder } = await someFolder()
    for (const change of [
      () => appendFile(join(folder, "b.txt"), "more"),
      () => utimes(join(folder, "Z.bin"), 1, 1),
      () =>
        rm(join(folder, "a/1.bin")).then(() => symlink("/etc/hostname", join(folder, "a/1.bin"))),
    ]) {
      const survey = await surveyShare(room.disk, folder, { signal })
      await change()
      const made = makeShare({ room, survey, signal })
      await expect(made).rejects.toMatchObject({ code: "FILE_CHANGED" })
    }
  })

  it("refuses what is no file, what is not there, and a folder without files", async () => {
    const folder = await freshFolder()
    const survey = (path: string) => surveyShare(room.disk, path, { signal })
    await expect(survey(join(folder, "nothing"))).rejects.toMatchObject({ code: "FILE_GONE" })
    await expect(survey("/dev/null")).rejects.toMatchObject({ code: "BAD_INPUT" })
    await expect(survey(folder)).rejects.toMatchObject({ code: "BAD_INPUT" })
    await mkdir(join(folder, ...Array(33).fill("deep")), { recursive: true })
    await expect(survey(folder)).rejects.toMatchObject({ code: "BAD_INPUT" })
  })
})

describe("ShareStore", () => {
  it("finds what was changed on disk: content, replaced, gone", async () => {
    const { folder } = await someFolder()
    const { metainfo, paths } = await share(folder)
    const store = new ShareStore({ room, metainfo, paths })
    const torrent = { disk: room.disk, metainfo, spotOf: (file: number) => store.spotOf(file) }
    const stamps = await takeStamps(torrent)
    expect((await suspectPieces(torrent, stamps)).count).toBe(0)
    await writeFile(join(folder, "b.txt"), randomBytes(70_000))
    const suspects = await suspectPieces(torrent, stamps)
    await store[Symbol.asyncDispose]()
    const right = await recheck(store, { signal })
    expect(suspects.count).toBeGreaterThan(0)
    for (let piece = 0; piece < metainfo.geometry.pieceCount; piece++)
      expect(right.has(piece)).toBe(!suspects.has(piece))
    await rm(join(folder, "Z.bin"))
    await expect(store.check(0, { digests: false })).resolves.toBeDefined() // still open
    await store[Symbol.asyncDispose]()
    await expect(store.check(0, { digests: false })).rejects.toMatchObject({ code: "FILE_GONE" })
    expect((await suspectPieces(torrent, stamps)).has(0)).toBe(true)
  })

  it("reads no file through a link, and nothing in its place", async () => {
    const { folder, files } = await someFolder()
    const { metainfo, paths } = await share(folder)
    const store = new ShareStore({ room, metainfo, paths })
    const read = () => store.read({ piece: 0, begin: 0, length: 65_536 }, new Uint8Array(65_536))
    await makeFiles(folder, { "../elsewhere/Z.bin": files["Z.bin"] })
    for (const replace of [
      () => symlink(join(folder, "../elsewhere/Z.bin"), join(folder, "Z.bin")),
      () => mkdir(join(folder, "Z.bin")),
    ]) {
      await rm(join(folder, "Z.bin"), { recursive: true })
      await replace()
      await expect(read()).rejects.toMatchObject({ code: "FILE_CHANGED" })
    }
    await rename(folder, `${folder}.moved`)
    await symlink(join(folder, "../elsewhere"), folder)
    await expect(read()).rejects.toMatchObject({ code: "FILE_CHANGED" })
  })

  it("never writes", async () => {
    const { folder } = await someFolder()
    await link(join(folder, "Z.bin"), join(folder, "Z2.bin"))
    const { metainfo, paths } = await share(folder)
    const store = new ShareStore({ room, metainfo, paths })
    await expect(store.write()).rejects.toMatchObject({ code: "FILE_STATE" })
  })
})

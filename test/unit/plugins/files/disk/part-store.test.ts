import { createHash, randomBytes } from "node:crypto"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openDiskRoom } from "../../../../../plugins/files/disk/disk-room.ts"
import { openPartStore } from "../../../../../plugins/files/disk/part-store.ts"
import { BLOCK_BYTES } from "../../../../../plugins/files/torrent/geometry.ts"
import { readInfo } from "../../../../../plugins/files/torrent/metainfo.ts"
import { writeInfo } from "../../../../../plugins/files/torrent/metainfo-write.ts"

let folder: string
let room: ReturnType<typeof openDiskRoom>

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "allium-disk-"))
  room = openDiskRoom()
})
afterEach(async () => {
  await room[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

function torrentOf(content: Uint8Array, sizes: readonly number[], pieceBytes = 65_536) {
  const hashes: Buffer[] = []
  for (let at = 0; at < content.length; at += pieceBytes)
    hashes.push(
      createHash("sha1")
        .update(content.subarray(at, at + pieceBytes))
        .digest(),
    )
  const files = sizes.map((size, index) => ({ path: ["sub", `file ${index}`], size }))
  return readInfo(
    writeInfo({ name: "things", content: files, pieceBytes, pieceHashes: Buffer.concat(hashes) }),
  )
}

describe("PartStore", () => {
  it("keeps blocks in part files, finds pieces right, and gives files their names", async () => {
    const content = randomBytes(300_000)
    const metainfo = torrentOf(content, [100_000, 0, 70_000, 130_000])
    const store = await openPartStore({ room, metainfo, folder, id: "abc" })
    const { geometry } = store
    for (let piece = 0; piece < geometry.pieceCount; piece++)
      for (let number = 0; number < geometry.blocksOf(piece); number++) {
        const block = geometry.block(piece, number)
        const at = piece * geometry.pieceBytes + block.begin
        await store.write(block, content.subarray(at, at + block.length))
      }
    const checks = await Promise.all(
      [...Array(geometry.pieceCount).keys()].map((piece) => store.check(piece, { digests: true })),
    )
    expect(checks.every(({ isRight }) => isRight)).toBe(true)
    expect(checks[0]!.digests).toEqual(
      new Uint8Array(
        Buffer.concat(
          [0, 1, 2, 3].map((index) =>
            createHash("sha1")
              .update(content.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES))
              .digest(),
          ),
        ),
      ),
    )
    const paths = await store.finish()
    expect(paths.map((path) => path.slice(folder.length))).toEqual(
      [0, 1, 2, 3].map((index) => `/things/sub/file ${index}`),
    )
    expect(Buffer.concat(await Promise.all(paths.map((path) => readFile(path))))).toEqual(content)
    const into = new Uint8Array(200_000)
    await store.read({ piece: 0, begin: 0, length: 65_536 }, into.subarray(0, 65_536))
    expect(Buffer.compare(into.subarray(0, 65_536), content.subarray(0, 65_536))).toBe(0)
    await store.discard()
    expect(await readdir(folder)).toEqual(["things"])
  })
})

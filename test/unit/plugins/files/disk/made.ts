/** Folders, torrents and stores for the tests of this room. */
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, onTestFinished } from "vitest"
import { type DiskRoom, openDiskRoom } from "../../../../../plugins/files/disk/disk-room.ts"
import type { PieceStore } from "../../../../../plugins/files/disk/piece-store.ts"
import { type Metainfo, readInfo } from "../../../../../plugins/files/torrent/metainfo.ts"
import { writeInfo } from "../../../../../plugins/files/torrent/metainfo-write.ts"

/** In memory where that can be, for what is synced here need not last. */
const BASE = existsSync("/dev/shm") ? "/dev/shm" : tmpdir()

/** Never aborts. */
export const signal = new AbortController().signal

/** A folder that is gone after the test; real path. */
export async function freshFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(BASE, "allium-disk-")))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

/** A room for all tests of a file, for threads take their time to begin. */
export function sharedRoom(): DiskRoom {
  const room = openDiskRoom({ threads: 1 })
  afterAll(async () => room[Symbol.asyncDispose]())
  return room
}

/** Hashes of the pieces, one after the other. */
export function sha1Of(content: Uint8Array, pieceBytes: number): Uint8Array {
  const hashes: Buffer[] = []
  for (let at = 0; at < content.length; at += pieceBytes)
    hashes.push(
      createHash("sha1")
        .update(content.subarray(at, at + pieceBytes))
        .digest(),
    )
  return new Uint8Array(Buffer.concat(hashes))
}

/** A torrent of `content`, cut into files of these sizes; one file when it is a number. */
export function torrentOf(
  content: Uint8Array,
  sizes: readonly number[] | number,
  pieceBytes = 65_536,
): Metainfo {
  const files =
    typeof sizes === "number"
      ? sizes
      : sizes.map((size, index) => ({ path: ["sub", `file ${index}`], size }))
  const name = typeof sizes === "number" ? "thing.bin" : "things"
  return readInfo(
    writeInfo({ name, content: files, pieceBytes, pieceHashes: sha1Of(content, pieceBytes) }),
  )
}

/** Writes all blocks of some pieces; all by default. */
export async function fillStore(
  store: PieceStore,
  content: Uint8Array,
  pieces: Iterable<number> = Array(store.geometry.pieceCount).keys(),
): Promise<void> {
  const { geometry } = store
  for (const piece of pieces)
    for (let number = 0; number < geometry.blocksOf(piece); number++) {
      const block = geometry.block(piece, number)
      const at = piece * geometry.pieceBytes + block.begin
      await store.write(block, content.subarray(at, at + block.length))
    }
}

/** Makes files below a folder, with the folders above them. */
export async function makeFiles(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
}

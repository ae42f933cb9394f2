/**
 * SHA-256 of whole files, on a hashing thread.
 *
 * @module
 */
import type { TorrentFile } from "../torrent/metainfo-files.ts"
import { type FileRow, requireDigest } from "./file-row.ts"
import type { HashAnswer } from "./hash-job.ts"
import type { HashRow } from "./hashing.ts"
import { inParallel } from "./in-parallel.ts"

/** SHA-256. */
export const DIGEST_BYTES = 32
/** Hashed for one message; files up to this size are hashed several at once. */
const CHUNK_BYTES = 4 * 1_048_576
/** Small files together, in bytes and number. */
const GROUP_FILES_MAX = 64
/** Small files at once. */
const AT_ONCE = 8

/** What is to be hashed. */
export interface DigestPlan {
  readonly row: FileRow
  readonly files: readonly TorrentFile[]
  /** Filled: 32 bytes for each file. */
  readonly digests: Uint8Array
  /** Called before bytes are read, with their offset; may wait, or throw to end it. */
  readonly begin: (offset: number) => Promise<void>
}

/** Hashes files in order, small ones side by side. @throws As {@linkcode FileRow.read}, and what `begin` throws. */
export async function digestFiles(plan: DigestPlan): Promise<void> {
  for (const group of groupsOf(plan.files))
    await inParallel(group, AT_ONCE, async (file) => {
      plan.digests.set(await digestFile(plan, file), file * DIGEST_BYTES)
    })
}

/** Files that are hashed side by side: a large one alone. */
function* groupsOf(files: readonly TorrentFile[]): Generator<number[]> {
  let group: number[] = []
  let byteCount = 0
  for (const [file, { size }] of files.entries()) {
    if (group.length === GROUP_FILES_MAX || (group.length > 0 && byteCount + size > CHUNK_BYTES)) {
      yield group
      group = []
      byteCount = 0
    }
    group.push(file)
    byteCount += size
  }
  yield group
}

async function digestFile({ row, files, begin }: DigestPlan, file: number): Promise<Uint8Array> {
  const { size, offset } = files[file]!
  return row.through(file, async (descriptor, hashing) => {
    await begin(offset)
    if (size <= CHUNK_BYTES)
      return hashing.hash({ algorithm: "sha256", spans: [[descriptor, 0, size]], blockBytes: 0 })
    const parts = hashing.openRow("sha256")
    try {
      return await digestLarge(parts, { descriptor, size, begin: (at) => begin(offset + at) })
    } catch (error) {
      await parts.drop()
      throw error
    }
  })
}

/** The next chunk waits at the thread while one is being hashed; they are asked for in order. */
async function digestLarge(
  parts: HashRow,
  { descriptor, size, begin }: { descriptor: number; size: number; begin: DigestPlan["begin"] },
): Promise<HashAnswer> {
  let before = Promise.resolve<HashAnswer>(new Uint8Array())
  for (let at = 0; at < size; at += CHUNK_BYTES) {
    await begin(at)
    const next = parts.add([[descriptor, at, Math.min(CHUNK_BYTES, size - at)]])
    next.catch(() => {})
    requireDigest(await before)
    before = next
  }
  requireDigest(await before)
  return parts.end([])
}

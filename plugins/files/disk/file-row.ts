/**
 * The files of one torrent as one row of bytes.
 *
 * @module
 */
import type { FileHandle } from "node:fs/promises"
import { AlliumError } from "allium/plugin"
import { type FileSpan, spansOf } from "../torrent/geometry.ts"
import type { TorrentFile } from "../torrent/metainfo-files.ts"
import { diskError } from "./disk.ts"
import type { DiskRoom } from "./disk-room.ts"
import type { HashAnswer, HashSpan } from "./hash-job.ts"
import type { Hashing } from "./hashing.ts"
import { inParallel } from "./in-parallel.ts"
import { FILES_AT_ONCE_MAX, type Opening } from "./open-files.ts"
import { openSpot, pathOf, type Spot } from "./spot.ts"

/** File systems bring several to the disk together. */
const SYNCS_AT_ONCE = 8

/** What a row is made of. */
export interface FileRowOptions {
  readonly room: DiskRoom
  readonly files: readonly TorrentFile[]
  /** Where a file's bytes are at this moment. */
  readonly spotOf: (file: number) => Spot
  /** Part files that were made; kept up here. One that is missing was taken away. */
  readonly made: Set<number>
}

/** See the module. */
export class FileRow {
  readonly #o: FileRowOptions
  /** Files written since they were synced last. */
  readonly #dirty = new Set<number>()

  constructor(options: FileRowOptions) {
    this.#o = options
  }

  /** @throws {AlliumError} `FILE_GONE`, `FILE_CHANGED`, `DISK_REFUSED`, `DISK_FAILED`. */
  async read(offset: number, into: Uint8Array): Promise<void> {
    let done = 0
    for (const span of this.#spans(offset, into.length)) {
      const part = into.subarray(done, done + span.byteCount)
      if (this.#isReal(span))
        await this.#use("read file", [span], ([file]) => fill(file!, part, span.at))
      else part.fill(0)
      done += span.byteCount
    }
  }

  /** @throws {AlliumError} `DISK_FULL` too. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    let done = 0
    for (const span of this.#spans(offset, bytes.length)) {
      const part = bytes.subarray(done, done + span.byteCount)
      if (this.#isReal(span)) await this.#write(span, part)
      done += span.byteCount
    }
  }

  /**
   * Hashes on a worker.
   *
   * @param blockBytes - Also hash each block of so many bytes; 0 for not.
   * @returns SHA-1 of the range, and of its blocks after it.
   */
  async hash(offset: number, byteCount: number, blockBytes: number): Promise<Uint8Array> {
    const spans = [...this.#spans(offset, byteCount)]
    if (spans.length > FILES_AT_ONCE_MAX) return this.#hashMany(spans, blockBytes)
    const { hashing } = this.#o.room
    return this.#hashSpans(spans, (spans) => hashing.hash({ algorithm: "sha1", spans, blockBytes }))
  }

  /** Hashes one file in a way of the caller's, who is given its descriptor. */
  through(
    file: number,
    deed: (descriptor: number, hashing: Hashing) => Promise<HashAnswer>,
  ): Promise<Uint8Array> {
    return this.#use("read file", [{ file }], async ([handle]) =>
      requireDigest(await deed(handle!.fd, this.#o.room.hashing)),
    )
  }

  /** What was written before is on the disk for good. */
  async sync(): Promise<void> {
    const dirty = [...this.#dirty]
    this.#dirty.clear()
    await inParallel(dirty, SYNCS_AT_ONCE, async (file) => {
      await this.#use("sync file", [{ file }], ([handle]) => handle!.datasync())
    }).catch((error) => {
      for (const file of dirty) this.#dirty.add(file)
      throw error
    })
  }

  async #write(span: FileSpan, bytes: Uint8Array): Promise<void> {
    if (!this.#o.spotOf(span.file).isPart)
      throw new AlliumError("FILE_STATE", "Cannot write file: it is complete, expected a part file")
    this.#dirty.add(span.file)
    await this.#use("write file", [span], ([file]) => {
      this.#o.made.add(span.file)
      return put(file!, bytes, span.at)
    })
    this.#dirty.add(span.file)
  }

  /** Many small files in one piece: a few at a time. */
  async #hashMany(spans: readonly FileSpan[], blockBytes: number): Promise<Uint8Array> {
    const row = this.#o.room.hashing.openRow("sha1", blockBytes)
    try {
      for (let done = 0; done < spans.length; done += FILES_AT_ONCE_MAX)
        await this.#hashSpans(spans.slice(done, done + FILES_AT_ONCE_MAX), (some) => row.add(some))
      return await this.#hashSpans([], (none) => row.end(none))
    } catch (error) {
      await row.drop()
      throw error
    }
  }

  #hashSpans(
    spans: readonly FileSpan[],
    deed: (spans: HashSpan[]) => Promise<HashAnswer>,
  ): Promise<Uint8Array> {
    const real = spans.filter((span) => this.#isReal(span))
    return this.#use("read file", real, async (handles) => {
      const descriptor = (span: FileSpan) => handles[real.indexOf(span)]?.fd ?? -1
      return requireDigest(
        await deed(spans.map((span) => [descriptor(span), span.at, span.byteCount])),
      )
    })
  }

  async #use<T>(
    deed: string,
    spans: readonly { readonly file: number }[],
    run: (handles: readonly FileHandle[]) => Promise<T>,
  ): Promise<T> {
    try {
      const openings = spans.map(({ file }) => this.#opening(file, deed === "write file"))
      return await this.#o.room.files.use(openings, run)
    } catch (error) {
      throw diskError(deed, error)
    }
  }

  /** Part files are open for writing from the first time on. */
  #opening(file: number, isWriting: boolean): Opening {
    const { room, made } = this.#o
    const spot = this.#o.spotOf(file)
    const isNew = spot.isPart && !made.has(file)
    if (isNew && !isWriting) throw diskError("read file", "ENOENT")
    const way = !spot.isPart ? "read" : isNew ? "make" : "write"
    return { key: pathOf(spot), open: () => openSpot(room.disk, spot, way) }
  }

  #isReal({ file }: FileSpan): boolean {
    return this.#o.files[file]?.kind === "file"
  }

  #spans(offset: number, byteCount: number): Iterable<FileSpan> {
    return spansOf(this.#o.files, offset, byteCount)
  }
}

/** @throws {AlliumError} What went wrong, when that is the answer. */
export function requireDigest(answer: HashAnswer): Uint8Array {
  if (typeof answer === "string") throw diskError("read file", answer)
  return answer
}

async function fill(file: FileHandle, into: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, into.length - done, at + done)
    if (bytesRead === 0) throw diskError("read file", "EOF")
    done += bytesRead
  }
}

async function put(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
}

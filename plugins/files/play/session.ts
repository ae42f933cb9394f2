/**
 * One transfer that somebody looks at: its bytes in order, each as soon as it is here.
 *
 * @module
 */
import { open } from "node:fs/promises"
import { join } from "node:path"
import { AlliumError, type Clock } from "allium/plugin"
import type { Metainfo } from "../torrent/metainfo.ts"
import type { TorrentFile } from "../torrent/metainfo-files.ts"
import type { Playable, PlayState } from "./playable.ts"

/** Read at once: all that one reader ever holds, beside what its socket does. */
const READ_BYTES = 65_536
/** A piece is waited for so long; then the reader has to come again. */
const PIECE_WAIT_MS = 120_000
/** How often it is looked whether a piece has come. */
const PIECE_LOOK_MS = 100
/** Asked for before the rest, from where somebody reads: a minute of film. */
const AHEAD_BYTES = 16 * 2 ** 20

/** What a session stands on. */
export interface PlaySessionOptions {
  readonly metainfo: Metainfo
  /** How the transfer stands; asked often. */
  readonly look: () => Promise<PlayState>
  readonly clock: Clock
}

/** See the module. */
export class PlaySession {
  readonly metainfo: Metainfo
  readonly #o: PlaySessionOptions
  #looking: Playable | undefined

  constructor(options: PlaySessionOptions) {
    this.metainfo = options.metainfo
    this.#o = options
  }

  /**
   * The bytes `first` to `last`, both included, of a file. Reads no further than it is asked.
   *
   * @throws {AlliumError} `TIMED_OUT` when a piece does not come; `FILE_GONE` when nothing more will.
   */
  async *bytes(
    file: TorrentFile,
    { first, last }: { readonly first: number; readonly last: number },
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    for (let at = first; at <= last; ) {
      const chunk = await this.#read(file, at, last + 1, signal)
      at += chunk.length
      yield chunk
    }
  }

  /** Nobody reads any more. */
  close(): void {
    this.#looking?.endWindow()
    this.#looking = undefined
  }

  /** Some bytes from `at` on, before `end`. */
  async #read(
    file: TorrentFile,
    at: number,
    end: number,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { clock } = this.#o
    const endMs = clock.monotonicMs() + PIECE_WAIT_MS
    while (clock.monotonicMs() < endMs) {
      signal.throwIfAborted()
      const state = await this.#o.look()
      if (state.kind === "never") throw gone()
      if (state.kind === "whole") return await readWhole(state.path, file, at, end)
      const found = state.kind === "now" && (await this.#tryRead(state.playable, file, at, end))
      if (found) return found
      await clock.sleep(PIECE_LOOK_MS, { signal })
    }
    throw new AlliumError("TIMED_OUT", "Cannot play file: the next piece does not come")
  }

  /** `undefined` while the piece is not here. */
  async #tryRead(
    playable: Playable,
    file: TorrentFile,
    at: number,
    end: number,
  ): Promise<Uint8Array | undefined> {
    const { geometry } = this.metainfo
    const offset = file.offset + at
    const piece = Math.floor(offset / geometry.pieceBytes)
    const begin = offset - piece * geometry.pieceBytes
    this.#ask(playable, file, offset)
    if (!playable.have.has(piece)) return undefined
    const length = Math.min(READ_BYTES, end - at, geometry.lengthOf(piece) - begin)
    const into = new Uint8Array(length)
    try {
      await playable.read({ piece, begin, length }, into)
      return into
    } catch {
      return undefined // closed or moved to its final name meanwhile: it is looked for again
    }
  }

  #askedAt = -1

  /** What is read next comes next, whoever read last. */
  #ask(playable: Playable, file: TorrentFile, offset: number): void {
    const piece = Math.floor(offset / this.metainfo.geometry.pieceBytes)
    if (this.#looking === playable && this.#askedAt === piece) return
    this.#looking = playable
    this.#askedAt = piece
    const to = Math.min(offset + AHEAD_BYTES, file.offset + file.size)
    playable.setWindow(offset, Math.max(offset, to))
  }
}

/** From where it stands under its final name. */
async function readWhole(
  path: string,
  { path: names, size }: TorrentFile,
  at: number,
  end: number,
): Promise<Uint8Array> {
  try {
    const handle = await open(join(path, ...names.slice(1)), "r")
    try {
      const into = new Uint8Array(Math.min(READ_BYTES, end - at))
      const { bytesRead } = await handle.read(into, 0, into.length, at)
      if (bytesRead > 0 && (await handle.stat()).size === size) return into.subarray(0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch {
    // taken away since: said below
  }
  throw gone()
}

function gone(): AlliumError {
  return new AlliumError("FILE_GONE", "Cannot play file: nothing more of it comes")
}

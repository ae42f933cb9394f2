/**
 * Where the pieces of one torrent are: what the engine asks of it.
 *
 * @module
 */
import type { Block, Geometry } from "../torrent/geometry.ts"

/** What a piece turned out to be. */
export interface PieceCheck {
  readonly isRight: boolean
  /** SHA-1 of each block of the piece as it is on disk, 20 bytes each; when asked for. */
  readonly digests?: Uint8Array
}

/**
 * The bytes of one torrent on disk.
 *
 * Everything is asynchronous and may be asked at once; blocks of one piece may come in any order.
 * Every failure is an {@linkcode AlliumError}: `DISK_FULL` (try again later, nothing is lost), `DISK_REFUSED` and `DISK_FAILED`
 * (what the system says), `FILE_GONE` and `FILE_CHANGED` (somebody took a file away, cut it short or put something else there).
 */
export interface PieceStore extends AsyncDisposable {
  readonly geometry: Geometry
  /**
   * Fills `into` with exactly `block.length` bytes.
   *
   * @param block - Inside one piece, of any length.
   * @param into - Filled by the system; leave it alone until then.
   */
  read(block: Block, into: Uint8Array): Promise<void>
  /**
   * The system has the bytes when this resolves; they are the caller's again.
   *
   * @throws {AlliumError} `DISK_FULL`; the store can be used as before, and the block be written again.
   */
  write(block: Block, bytes: Uint8Array): Promise<void>
  /**
   * Hashes a piece on a worker, which reads it from the system itself.
   *
   * @throws {AlliumError} `FILE_GONE` or `FILE_CHANGED` when bytes are missing: then nobody sent wrong ones.
   */
  check(piece: number, how: { digests: boolean }): Promise<PieceCheck>
  /** Everything whose writing had ended before is on the disk for good. */
  sync(): Promise<void>
  /** Whether what is still missing has room on the disk; to be asked after `DISK_FULL`. */
  hasRoom(): Promise<boolean>
  /**
   * Gives every complete file its final name, never one that is taken; syncs them before. Can be asked again, after a crash too,
   * and when more files are complete.
   *
   * @returns Where each complete file is, in the torrent's order; reading goes on there.
   */
  finish(): Promise<readonly string[]>
}

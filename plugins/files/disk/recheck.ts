/**
 * Hashing what is on disk again: after a crash, when files have changed, when the user asks.
 *
 * @module
 */
import { isAlliumError } from "allium/plugin"
import { Bitfield } from "../torrent/bitfield.ts"
import type { Geometry } from "../torrent/geometry.ts"
import { inParallel } from "./in-parallel.ts"
import type { PieceStore } from "./piece-store.ts"

/** Bytes that are being hashed at once; enough for two threads, and little for others to wait behind. */
const HASHED_AT_ONCE_BYTES = 16 * 1_048_576
/** Pieces at once, however short. */
const PIECES_AT_ONCE_MAX = 64

/** How a recheck goes. */
export interface RecheckOptions {
  /** Only these pieces; all by default. */
  readonly pieces?: Bitfield
  readonly signal: AbortSignal
  /** Told after each piece. */
  readonly tell?: (piece: number, isRight: boolean) => void
}

/**
 * Checks pieces in order. Pieces whose files are missing or too short are not right.
 *
 * @returns Those that are right.
 * @throws The signal's reason; {@linkcode AlliumError} `DISK_REFUSED`, `DISK_FAILED`.
 */
export async function recheck(store: PieceStore, options: RecheckOptions): Promise<Bitfield> {
  const { geometry } = store
  const right = new Bitfield(geometry.pieceCount)
  await inParallel(piecesOf(geometry, options.pieces), atOnce(geometry), async (piece) => {
    options.signal.throwIfAborted()
    const isRight = await isPieceRight(store, piece)
    if (isRight) right.set(piece)
    options.tell?.(piece, isRight)
  })
  options.signal.throwIfAborted()
  return right
}

async function isPieceRight(store: PieceStore, piece: number): Promise<boolean> {
  try {
    return (await store.check(piece, { digests: false })).isRight
  } catch (error) {
    if (isAlliumError(error, "FILE_GONE", "FILE_CHANGED")) return false
    throw error
  }
}

function* piecesOf({ pieceCount }: Geometry, wanted: Bitfield | undefined): Generator<number> {
  for (let piece = 0; piece < pieceCount; piece++) if (wanted?.has(piece) ?? true) yield piece
}

/** How many pieces are hashed at once. */
export function atOnce({ pieceBytes }: Geometry): number {
  return Math.max(2, Math.min(PIECES_AT_ONCE_MAX, Math.floor(HASHED_AT_ONCE_BYTES / pieceBytes)))
}

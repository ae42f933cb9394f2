/**
 * Blocks that came one after another, written as one: a write costs a hundred times what copying a block costs.
 *
 * A run is written when it is long, when another one begins, when its piece is whole, and when nothing more came for some milliseconds.
 *
 * @module
 */
import type { Block } from "../torrent/geometry.ts"

/** Bytes written at once. */
const WRITE_BYTES_MAX = 256 * 1_024
/** Nothing more came for so long: the next block may be far. */
const QUIET_MS = 5
/** Buffers of that length kept for the next time. */
const SPARE_MAX = 8

/** Neighbours in one piece, in order. */
export interface Run {
  readonly piece: number
  readonly begin: number
  length: number
  readonly blocks: Block[]
  /** The first `length` bytes are theirs. */
  readonly room: Uint8Array
}

/** For one torrent. */
export class Gather {
  readonly #write: (run: Run) => void
  /** The last run of each peer. */
  readonly #runs = new Map<string, Run>()
  readonly #spare: Uint8Array[] = []
  #isScheduled = false
  /** Something came since it was looked at last. */
  #hasGrown = false

  /** @param write - Called soon; give the run back with {@linkcode Gather.done}. */
  constructor(write: (run: Run) => void) {
    this.#write = write
  }

  /** A block came from a peer. Its bytes are copied: what they came in is forgotten soonest that way. */
  add(peer: string, block: Block, bytes: Uint8Array): void {
    let run = this.#runs.get(peer)
    if (run === undefined || !follows(block, run)) {
      if (run !== undefined) this.#write(run)
      run = this.#begin(block)
      this.#runs.set(peer, run)
    }
    run.room.set(bytes, run.length)
    run.length += block.length
    run.blocks.push(block)
    this.#hasGrown = true
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#lookLater()
  }

  #lookLater(): void {
    setTimeout(() => this.#look(), QUIET_MS)
  }

  #look(): void {
    if (this.#hasGrown) this.#lookLater()
    else {
      this.#isScheduled = false
      this.flush()
    }
    this.#hasGrown = false
  }

  /** Writes what was gathered. */
  flush(): void {
    const runs = [...this.#runs.values()]
    this.#runs.clear()
    for (const run of runs) this.#write(run)
  }

  /** The run is written. */
  done({ room }: Run): void {
    if (this.#spare.length < SPARE_MAX) this.#spare.push(room)
  }

  #begin({ piece, begin }: Block): Run {
    const room = this.#spare.pop() ?? Buffer.allocUnsafeSlow(WRITE_BYTES_MAX)
    return { piece, begin, length: 0, blocks: [], room }
  }
}

function follows({ piece, begin, length }: Block, run: Run): boolean {
  const isNext = piece === run.piece && begin === run.begin + run.length
  return isNext && run.length + length <= WRITE_BYTES_MAX
}

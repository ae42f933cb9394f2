/**
 * What an embedded network counted, and what it did, step by step.
 *
 * @module
 */

/** Counts since the bridge was opened; never addresses. */
export interface NetworkStats {
  sessionsOpened: number
  streamsOpened: number
  streamsRefused: number
  streamsCut: number
  streamBytes: number
  /** Queued bytes the fault `tailLoss` dropped. */
  streamBytesLost: number
  datagramsSent: number
  datagramsLost: number
}

/** All zeros. */
export function emptyStats(): NetworkStats {
  return {
    sessionsOpened: 0,
    streamsOpened: 0,
    streamsRefused: 0,
    streamsCut: 0,
    streamBytes: 0,
    streamBytesLost: 0,
    datagramsSent: 0,
    datagramsLost: 0,
  }
}

/** Keeps the newest `sizeMax` items. */
export class Ring<T> {
  readonly #items: T[] = []
  readonly #sizeMax: number

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax
  }

  /** Oldest first. */
  get items(): readonly T[] {
    return this.#items
  }

  add(item: T): void {
    if (this.#items.push(item) > this.#sizeMax) this.#items.shift()
  }
}

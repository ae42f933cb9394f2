/**
 * Keeps the progress: often enough that a program that is killed asks for at most a piece again, and seldom enough to cost little.
 *
 * A save says what had come when it began, and is made after that was written. Now and then, and at each stop, the data is synced before,
 * so that a machine that goes down does not find pieces which the disk never had.
 *
 * @module
 */
import type { Clock } from "allium/plugin"
import type { Progress } from "../torrent/resume.ts"

/** After this long whatever came is kept. */
const SAVE_MS = 3_000
/** Between two saves for which the data is synced. */
const SYNC_MS = 15_000
/** Saving is given this part of the time, while little is unsaved: after one, so many times as long passes before the next. */
const REST = 4
/** A kill costs a piece, or this much where pieces are shorter: saving after each of those would cost more than it saves. */
const LOST_BYTES_MAX = 1_048_576
/** Nothing is held up for less: over I2P little comes in so short a time, and fast streams are not slowed down. */
const HURRY_MS = 20

/** What is saved, and how. */
export interface SaverHost {
  readonly clock: Clock
  readonly pieceBytes: number
  /** A copy. */
  progress(): Progress
  /** Resolves when all blocks taken so far are written. */
  written(): Promise<void>
  sync(): Promise<void>
  save(progress: Progress, isSynced: boolean): Promise<void>
  failed(error: unknown): void
  /** It is no longer behind. */
  caughtUp(): void
}

/** For one torrent. */
export class Saver {
  readonly #host: SaverHost
  /** Bytes that may be lost. */
  readonly #bytesMax: number
  #unsavedBytes = 0
  /** In the save that is under way. */
  #savingBytes = 0
  #isDirty = false
  #isUnsynced = false
  #savedAt: number
  /** The save that is under way. */
  #beganAt = 0
  #syncedAt: number
  #restsUntil = 0
  #underWay: Promise<void> | undefined

  constructor(host: SaverHost) {
    this.#host = host
    this.#bytesMax = Math.max(host.pieceBytes, LOST_BYTES_MAX)
    this.#savedAt = this.#syncedAt = host.clock.monotonicMs()
  }

  /** So much is not saved that no more should come before it is; every stream may still bring a little. */
  get isBehind(): boolean {
    if ((this.#unsavedBytes + this.#savingBytes) * 4 < this.#bytesMax * 3) return false
    const since = this.#underWay === undefined ? this.#savedAt : this.#beganAt
    return this.#host.clock.monotonicMs() - since >= HURRY_MS
  }

  /** So many bytes more have come, or a piece was settled (0). */
  changed(byteCount: number): void {
    this.#isDirty = this.#isUnsynced = true
    this.#unsavedBytes += byteCount
    if (this.#unsavedBytes * 2 >= this.#host.pieceBytes) this.tick()
  }

  /** Saves when it is time. */
  tick(): void {
    if (this.#underWay !== undefined || !this.#isUnsynced) return
    const now = this.#host.clock.monotonicMs()
    const isUrgent = this.#unsavedBytes * 2 >= this.#bytesMax && now - this.#savedAt >= HURRY_MS
    if (now < this.#restsUntil && !isUrgent) return
    const isSynced = now - this.#syncedAt >= SYNC_MS
    const isMuch = this.#unsavedBytes * 2 >= this.#host.pieceBytes || now - this.#savedAt >= SAVE_MS
    if (isSynced || (this.#isDirty && isMuch)) void this.#begin(isSynced)
  }

  /** Everything that came is on the disk for good, and known to be. */
  async finish(): Promise<void> {
    await this.#underWay
    if (this.#isUnsynced) await this.#begin(true)
  }

  #begin(isSynced: boolean): Promise<void> {
    this.#underWay = this.#run(isSynced)
      .catch((error: unknown) => {
        this.#isDirty = this.#isUnsynced = true
        this.#host.failed(error)
      })
      .finally(() => {
        this.#underWay = undefined
        this.#savingBytes = 0
        // What came meanwhile may be much already.
        this.tick()
        if (!this.isBehind) this.#host.caughtUp()
      })
    return this.#underWay
  }

  async #run(isSynced: boolean): Promise<void> {
    const { clock } = this.#host
    const startedAt = clock.monotonicMs()
    this.#beganAt = startedAt
    this.#isDirty = false
    this.#savingBytes = this.#unsavedBytes
    this.#unsavedBytes = 0
    if (isSynced) this.#isUnsynced = false
    const progress = this.#host.progress()
    await this.#host.written()
    if (isSynced) await this.#host.sync()
    const began = clock.monotonicMs()
    await this.#host.save(progress, isSynced)
    this.#savedAt = clock.monotonicMs()
    if (isSynced) this.#syncedAt = this.#savedAt
    const worked = isSynced ? this.#savedAt - startedAt : this.#savedAt - began
    this.#restsUntil = this.#savedAt + worked * REST
  }
}

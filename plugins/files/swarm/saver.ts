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
/** Saving is given this part of the time: after one, so many times as long passes before the next. */
const REST = 4

/** What is saved, and how. */
export interface SaverHost {
  readonly clock: Clock
  /** Bytes that may be lost. */
  readonly pieceBytes: number
  /** A copy. */
  progress(): Progress
  /** Resolves when all blocks taken so far are written. */
  written(): Promise<void>
  sync(): Promise<void>
  save(progress: Progress, isSynced: boolean): Promise<void>
  failed(error: unknown): void
}

/** For one torrent. */
export class Saver {
  readonly #host: SaverHost
  #unsavedBytes = 0
  #isDirty = false
  #isUnsynced = false
  #savedAt: number
  #syncedAt: number
  #restsUntil = 0
  #underWay: Promise<void> | undefined

  constructor(host: SaverHost) {
    this.#host = host
    this.#savedAt = this.#syncedAt = host.clock.monotonicMs()
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
    if (now < this.#restsUntil) return
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
      })
    return this.#underWay
  }

  async #run(isSynced: boolean): Promise<void> {
    const { clock } = this.#host
    const startedAt = clock.monotonicMs()
    this.#isDirty = false
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

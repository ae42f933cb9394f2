/**
 * Keeps the database open, and exchanges the handle when LevelDB has given up on it.
 *
 * After one failed write LevelDB refuses every further one, also when there is room again; only a fresh
 * handle helps. Reads go on with the old one until then, and wait during the exchange.
 *
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import type { Database, Disk } from "./database.ts"

/** One open database, whatever its handle. */
export class Keeper {
  readonly #disk: Disk
  readonly #folder: string
  readonly #busy = new Set<Promise<unknown>>()
  #database: Database | undefined
  #exchange: Promise<void> | undefined
  #closed = false

  private constructor(disk: Disk, folder: string, database: Database) {
    this.#disk = disk
    this.#folder = folder
    this.#database = database
  }

  /** @throws {AlliumError} what {@linkcode Disk.open} says. */
  static async open(disk: Disk, folder: string): Promise<Keeper> {
    return new Keeper(disk, folder, await disk.open(folder))
  }

  /**
   * Runs something on the handle, which stays open until it is done.
   * @throws {AlliumError} `STORE_CLOSED`; `STORE_FULL` when no handle could be had.
   */
  async use<T>(run: (database: Database) => Promise<T>): Promise<T> {
    if (this.#exchange !== undefined) await this.#exchange
    if (this.#closed) throw closedError()
    if (this.#database === undefined)
      throw new AlliumError("STORE_FULL", "Cannot use store: it could not be opened again yet")
    const running = run(this.#database)
    this.#busy.add(running)
    try {
      return await running
    } finally {
      this.#busy.delete(running)
    }
  }

  /** @throws {AlliumError} what {@linkcode Disk.open} says; there is no handle then. */
  async exchange(): Promise<void> {
    if (this.#closed) throw closedError()
    const opening = this.#reopen()
    this.#exchange = opening.catch(() => {}) // told to the caller below; the waiting find no handle
    try {
      await opening
    } finally {
      this.#exchange = undefined
    }
  }

  /** Bytes that may still be written. */
  freeBytes(): Promise<number> {
    return this.#disk.freeBytes(this.#folder)
  }

  /** Waits for what is running. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#exchange
    await this.#release()
  }

  async #reopen(): Promise<void> {
    await this.#release()
    this.#database = await this.#disk.open(this.#folder)
  }

  async #release(): Promise<void> {
    const database = this.#database
    this.#database = undefined
    await Promise.allSettled(this.#busy)
    await database?.close()
  }
}

/** The store was closed by its owner. */
export function closedError(): AlliumError {
  return new AlliumError("STORE_CLOSED", "Cannot use store: it is closed, expected an open one")
}

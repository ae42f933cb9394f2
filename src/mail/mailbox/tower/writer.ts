/**
 * One after the other, and many to a commit: every deed sees what the ones before it did, and is told that it is done
 * when it is on disk.
 *
 * @module
 */
import { AlliumError, toAlliumError } from "../../../base/errors.ts"
import { GROUP_DEEDS_MAX, WAITING_DEEDS_MAX } from "./limits.ts"

/** What a group of deeds works on. */
export interface Group {
  /** Makes everything durable, then visible; nothing of it when it rejects. */
  commit(): Promise<void>
}

interface Waiting<G> {
  /** Changes the group, or rejects before it has changed anything. */
  deed(group: G): Promise<unknown>
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** See the module. */
export class Writer<G extends Group> {
  readonly #begin: () => G
  readonly #waiting: Waiting<G>[] = []
  #running: Promise<void> | undefined
  #closed = false

  constructor(begin: () => G) {
    this.#begin = begin
  }

  /**
   * @param deed - Rejects, if it does, before it has changed anything.
   * @throws {AlliumError} `BUSY`, `STORE_CLOSED`, what the deed says, what the store says.
   */
  run<T>(deed: (group: G) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new AlliumError("STORE_CLOSED", "Cannot use tower: it is closed")
      if (this.#waiting.length >= WAITING_DEEDS_MAX)
        throw new AlliumError("BUSY", "Cannot use tower: too many changes wait for the disk")
      this.#waiting.push({ deed, resolve: resolve as (value: unknown) => void, reject })
      this.#running ??= this.#run()
    })
  }

  /** Writes what waits, then takes no more. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #run(): Promise<void> {
    await Promise.resolve() // deeds of the same turn share a commit
    while (this.#waiting.length > 0) await this.#write(this.#waiting.splice(0, GROUP_DEEDS_MAX))
    this.#running = undefined
  }

  async #write(waiting: readonly Waiting<G>[]): Promise<void> {
    const group = this.#begin()
    const done: (() => void)[] = []
    const undone: ((error: unknown) => void)[] = []
    for (const { deed, resolve, reject } of waiting) {
      try {
        const value = await deed(group)
        done.push(() => resolve(value))
        undone.push(reject)
      } catch (error) {
        reject(error)
      }
    }
    try {
      await group.commit()
      for (const tell of done) tell()
    } catch (error) {
      const { code, message } = toAlliumError(error)
      for (const tell of undone) tell(new AlliumError(code, message, { cause: error }))
    }
  }
}

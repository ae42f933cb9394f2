/**
 * Changes on their way to the disk, and what the tables are like with them.
 *
 * @module
 */
import type { Change, Table } from "../../../store/store.ts"

/** A table with changes that are not on disk yet; each key is written once, as it is in the end. */
export class DraftTable<T> {
  readonly #table: Pick<Table<T>, "put" | "remove">
  readonly #read: (key: string) => Promise<T | undefined>
  readonly #changed = new Map<string, T | undefined>()

  /** @param read - What is there without the draft; the table itself when left out. */
  constructor(table: Table<T>, read?: (key: string) => Promise<T | undefined>) {
    this.#table = table
    this.#read = read ?? ((key) => table.get(key))
  }

  async get(key: string): Promise<T | undefined> {
    return this.#changed.has(key) ? this.#changed.get(key) : this.#read(key)
  }

  put(key: string, value: T): void {
    this.#changed.set(key, value)
  }

  remove(key: string): void {
    this.#changed.set(key, undefined)
  }

  /** What is to be written. */
  *changes(): Generator<Change> {
    for (const [key, value] of this.#changed)
      yield value === undefined ? this.#table.remove(key) : this.#table.put(key, value)
  }

  /** What is new, key by key; `undefined` for what was removed. */
  changed(): ReadonlyMap<string, T | undefined> {
    return this.#changed
  }
}

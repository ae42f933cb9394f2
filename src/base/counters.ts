/**
 * Numbers that only grow, for people who ask how something fares.
 *
 * @module
 */
import { toAlliumError } from "./errors.ts"

/** Counts by name. Names come from code, never from outside, so there are few. */
export class Counters {
  readonly #counts: Map<string, number>

  /** @param names - Shown from the start, with 0. */
  constructor(names: readonly string[]) {
    this.#counts = new Map(names.map((name) => [name, 0]))
  }

  /** Adds to one count. */
  add(name: string, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by)
  }

  /** Counts a failure under `failed.CODE` and gives its code back, for the log. */
  fail(thrown: unknown): string {
    const { code } = toAlliumError(thrown)
    this.add(`failed.${code}`)
    return code
  }

  /** What has been counted so far. */
  read(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }
}

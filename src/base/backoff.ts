/**
 * How long to wait before trying again.
 *
 * @module
 */
import type { Chance } from "./random.ts"

/** Grows from `firstMs` to `mostMs`, each wait shortened by up to half by chance. */
export interface Backoff {
  /** Milliseconds to wait before the next try; each call raises the bound. */
  next(): number
  /** It worked: begin again with `firstMs`. */
  reset(): void
}

/**
 * @param options.firstMs - Bound of the first wait.
 * @param options.mostMs - Bound that is never passed.
 * @param options.factor - By how much the bound grows each time; doubles by default.
 * @param options.chance - Source of the jitter, so that peers do not knock in step.
 */
export function openBackoff(options: {
  firstMs: number
  mostMs: number
  factor?: number
  chance: Chance
}): Backoff {
  const { factor = 2 } = options
  let tries = 0
  return {
    next() {
      const boundMs = Math.min(options.mostMs, options.firstMs * factor ** Math.min(tries++, 30))
      return boundMs * (1 - options.chance() / 2)
    },
    reset() {
      tries = 0
    },
  }
}

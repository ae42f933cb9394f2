/**
 * How far a long run has come: a bar on a terminal, a plain line now and then elsewhere.
 *
 * @module
 */
import type { Progress } from "../router/offer.ts"
import { printable } from "./printable.ts"
import { writeBytes, writeSpan } from "./quantity.ts"
import { cellsOf } from "./table.ts"

/** The rate is that of so much past. */
const WINDOW_MS = 10_000
/** Enough for the window at ten a second. */
const SAMPLES_MAX = 128
const BAR_CELLS = 20
/** Elsewhere than on a terminal. */
const PLAIN_EVERY_MS = 5_000
const BAR_EVERY_MS = 100

/** How fast it goes. */
export class Pace {
  readonly #samples: { atMs: number; done: number }[] = []

  /** Notes where we are; going back (a restart) begins anew. */
  note(atMs: number, done: number): void {
    const last = this.#samples.at(-1)
    if (last !== undefined && done < last.done) this.#samples.length = 0
    this.#samples.push({ atMs, done })
    while (this.#samples.length > SAMPLES_MAX || this.#ageMs() > WINDOW_MS) this.#samples.shift()
  }

  /** Per second over the window; `undefined` while there is too little to tell. */
  get perSecond(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (first === undefined || last === undefined || last.atMs - first.atMs < 500) return undefined
    return ((last.done - first.done) * 1_000) / (last.atMs - first.atMs)
  }

  #ageMs(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    return first === undefined || last === undefined ? 0 : last.atMs - first.atMs
  }
}

/** `42%  27 MiB of 64 MiB  1.2 MiB/s  0:31 left  sending`; never more cells than `cellsMax`. */
export function writeProgress(
  progress: Progress,
  perSecond: number | undefined,
  options: { bar: boolean; cellsMax: number },
): string {
  const { done, total } = progress
  const share = total === undefined ? undefined : total === 0 ? 1 : Math.min(1, done / total)
  const amount = progress.unit === "bytes" ? writeBytes : String
  const parts = [
    options.bar && share !== undefined ? bar(share) : undefined,
    share === undefined ? undefined : `${Math.floor(share * 100)}%`,
    total === undefined ? amount(done) : `${amount(done)} of ${amount(total)}`,
    perSecond === undefined ? undefined : rate(perSecond, progress.unit),
    perSecond && total !== undefined && done < total
      ? `${writeSpan((total - done) / perSecond)} left`
      : undefined,
    ...(progress.doing === undefined ? [] : printable(progress.doing).split(", ")),
  ]
  return shorten(
    parts.filter((part) => part !== undefined),
    options.cellsMax,
  )
}

function rate(perSecond: number, unit: Progress["unit"]): string {
  return unit === "bytes" ? `${writeBytes(Math.round(perSecond))}/s` : `${perSecond.toFixed(1)}/s`
}

function bar(share: number): string {
  const full = Math.floor(share * BAR_CELLS)
  return `[${"#".repeat(full)}${".".repeat(BAR_CELLS - full)}]`
}

/** Leaves out parts from the end until the rest fits. */
function shorten(parts: string[], cellsMax: number): string {
  while (parts.length > 1 && cellsOf(parts.join("  ")) > cellsMax) parts.pop()
  return parts.join("  ")
}

/** Shows progress somewhere. */
export interface Reporter {
  tell(progress: Progress): void
  /** Takes the bar away, before anything else is printed. */
  clear(): void
}

/**
 * @param options.columns - Cells of a terminal; absent where there is none.
 * @param options.nowMs - Monotonic.
 */
export function openReporter(options: {
  write: (text: string) => void
  columns: number | undefined
  nowMs: () => number
}): Reporter {
  const pace = new Pace()
  const everyMs = options.columns === undefined ? PLAIN_EVERY_MS : BAR_EVERY_MS
  let nextMs = options.columns === undefined ? options.nowMs() + everyMs : Number.NEGATIVE_INFINITY
  let shown = false
  const line = (progress: Progress) =>
    writeProgress(progress, pace.perSecond, {
      bar: options.columns !== undefined,
      cellsMax: (options.columns ?? 200) - 1,
    })
  return {
    tell(progress) {
      const nowMs = options.nowMs()
      pace.note(nowMs, progress.done)
      if (nowMs < nextMs) return
      nextMs = nowMs + everyMs
      shown = options.columns !== undefined
      options.write(shown ? `\r${line(progress)}\x1b[K` : `${line(progress)}\n`)
    },
    clear() {
      if (shown) options.write("\r\x1b[K")
      shown = false
    },
  }
}

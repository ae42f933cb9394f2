/**
 * What a bench gives, and how its numbers are made of many.
 *
 * @module
 */

/** One measured number. */
export interface Figure {
  readonly what: string
  readonly value: number
  readonly unit: string
  readonly goal?: { readonly least?: number; readonly most?: number }
  /** Lowest and highest of the runs that `value` is the median of. */
  readonly spread?: readonly [number, number]
}

/** One bench. */
export interface Bench {
  readonly title: string
  /** Why it cannot run here; `undefined` when it can. */
  unavailable?(): string | undefined
  run(): Promise<Figure[]>
}

/** A figure that is the median of `values`. */
export function figure(
  what: string,
  values: readonly number[],
  unit: string,
  goal?: Figure["goal"],
): Figure {
  const spread = [Math.min(...values), Math.max(...values)] as const
  return { what, value: median(values), unit, spread, ...(goal && { goal }) }
}

/** The middle of an odd number of values, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

/** Whether a figure is as good as was asked; one that is no number is not. */
export function holds({ value, goal }: Figure): boolean {
  if (goal === undefined) return true
  return (
    value >= (goal.least ?? Number.NEGATIVE_INFINITY) && value <= (goal.most ?? Number.MAX_VALUE)
  )
}

/**
 * Runs contenders in turn, and every second round backwards, so that whatever changes meanwhile (a busy
 * machine, a router that grew warm) meets all of them alike.
 *
 * @returns Results by contender, in the order of rounds: those at the same place were neighbours in time.
 */
export async function alternate<Name extends string, T>(
  rounds: number,
  contenders: Readonly<Record<Name, () => Promise<T>>>,
): Promise<Record<Name, T[]>> {
  const names = Object.keys(contenders) as Name[]
  const results = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    T[]
  >
  for (let round = 0; round < rounds; round++)
    for (const name of round % 2 === 0 ? names : names.toReversed())
      results[name].push(await contenders[name]())
  return results
}

/** Of each round, the one divided by the other. */
export function ratios(above: readonly number[], below: readonly number[]): number[] {
  return above.map((value, round) => value / (below[round] ?? Number.NaN))
}

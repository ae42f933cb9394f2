/**
 * Stretches of a byte scroll: which are there, which are missing.
 *
 * @module
 */

/** From the first byte to before the last, `from` < `to`. */
export type Range = readonly [from: number, to: number]

/** Joins what overlaps or touches; ascending, with gaps between. */
export function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: Range[] = []
  for (const [from, to] of [...ranges].sort(([left], [right]) => left - right)) {
    const last = merged.at(-1)
    if (last === undefined || from > last[1]) merged.push([from, to])
    else if (to > last[1]) merged[merged.length - 1] = [last[0], to]
  }
  return merged
}

/** Whether one of `ranges`, merged before, holds all of `wanted`. */
export function covers(ranges: readonly Range[], wanted: Range): boolean {
  return ranges.some(([from, to]) => from <= wanted[0] && wanted[1] <= to)
}

/** The first stretch at or after `from`, at most `length` long, that none of the merged `ranges` touches. */
export function firstMissing(ranges: readonly Range[], from: number, length: number): Range {
  for (const [start, end] of ranges) {
    if (end <= from) continue
    if (start > from) return [from, Math.min(start, from + length)]
    from = end
  }
  return [from, from + length]
}

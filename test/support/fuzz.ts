/**
 * How long property tests look: short at the desk, ten times as long where there is time (`FUZZ=10`).
 */
const FACTOR = Number(process.env.FUZZ ?? 1)

/** `runs`, times what `FUZZ` says. */
export function fuzzRuns(runs: number): number {
  return Math.max(1, Math.round(runs * FACTOR))
}

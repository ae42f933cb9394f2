/**
 * Times as people write them: `24h`, `7d`, or `2026-12-24T18:00`.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"

/** In milliseconds. */
const UNITS: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}
/** Ten years: further is a slip. */
const AHEAD_MAX_MS = 3_660 * 86_400_000

/** Milliseconds since 1970 for a time from now on, or a date in local time. @throws {AlliumError} `BAD_INPUT`. */
export function readTime(text: string, nowMs: number): number {
  const [, digits, unit = ""] = /^(\d{1,6})([mhdw])$/.exec(text.trim()) ?? []
  const atMs =
    digits === undefined
      ? Date.parse(/^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?$/.test(text.trim()) ? text.trim() : "")
      : nowMs + Number(digits) * (UNITS[unit] ?? 0)
  if (!(atMs > nowMs - AHEAD_MAX_MS && atMs < nowMs + AHEAD_MAX_MS))
    throw new AlliumError(
      "BAD_INPUT",
      "Cannot read time: expected a span such as 30m, 24h or 7d, or a date such as 2026-12-24T18:00",
    )
  return atMs
}

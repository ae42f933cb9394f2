/**
 * Ends in time as people write them: `12h`, `7d`, `2w` from now, or a day or moment such as `2027-01-31T18:00Z`.
 *
 * @module
 */
import { z } from "allium/plugin"

const MINUTE_MS = 60_000
const UNITS: Readonly<Record<string, number>> = {
  m: MINUTE_MS,
  h: 60 * MINUTE_MS,
  d: 1_440 * MINUTE_MS,
  w: 10_080 * MINUTE_MS,
}
const MOMENT = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?$/

/** A text that {@linkcode untilMs} takes. */
export const untilShape = z
  .string()
  .refine((text) => untilMs(text, 0) !== undefined, "expected a time such as 12h, 7d or 2027-01-31")

/** Milliseconds since 1970; `undefined` for what is no time. A day begins at midnight, here. */
export function untilMs(text: string, now: number): number | undefined {
  const [, digits = "", unit = ""] = /^([0-9]{1,6}) ?([mhdw])$/.exec(text.trim()) ?? []
  if (digits !== "") return Math.floor(now + Number(digits) * UNITS[unit]!)
  if (!MOMENT.test(text)) return undefined
  const at = Date.parse(text.includes("T") ? text : `${text}T00:00`)
  return Number.isNaN(at) ? undefined : at
}

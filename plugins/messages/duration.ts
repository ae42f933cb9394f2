/**
 * Times as people write them: `90s`, `5m`, `1h`, `1d`, `2w`.
 *
 * @module
 */
import { z } from "allium/plugin"

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 } as const
const EXPECTED = "expected a time such as 30s, 5m, 1h, 7d or 2w"

/** Whole seconds, at least 1, or `undefined` for what is not a time. */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit] = /^([0-9]{1,9}) ?([smhdw])$/.exec(text.trim().toLowerCase()) ?? []
  const seconds = Number(digits) * (SECONDS[unit as keyof typeof SECONDS] ?? Number.NaN)
  return seconds >= 1 ? seconds : undefined
}

/** A time of at most so many seconds. */
export function durationShape(secondsMax: number) {
  return z.string().transform((text, context) => {
    const seconds = parseDuration(text)
    if (seconds !== undefined && seconds <= secondsMax) return seconds
    context.addIssue({ code: "custom", message: EXPECTED })
    return z.NEVER
  })
}

/** The same, or `off`, which is 0. */
export function durationOrOffShape(secondsMax: number) {
  return z.string().transform((text, context) => {
    const seconds = text.trim().toLowerCase() === "off" ? 0 : parseDuration(text)
    if (seconds !== undefined && seconds <= secondsMax) return seconds
    context.addIssue({ code: "custom", message: `${EXPECTED}, or off` })
    return z.NEVER
  })
}

/**
 * One line for people of all that there is to say of a message besides its text: `reply to 1, edited, 👍 bob, gone in 59 min`.
 *
 * @module
 */
import type { MessageDocument } from "./document.ts"

/** What is said of it. */
type Told = Omit<MessageDocument, "details">

/** What is said beside it. */
interface Beside {
  /** Number of the message it answers; `undefined` when that is not here. */
  readonly repliesTo: number | undefined
  /** Milliseconds since 1970. */
  readonly nowMs: number
  /** What it is told of for: that it was edited is then said already. */
  readonly event?: string | undefined
}

/** The line; empty when there is nothing to say. */
export function detailsOf(told: Told, { repliesTo, nowMs, event }: Beside): string {
  const { reason, replyTo, editedAt, attachments = [], reactions = [] } = told
  return [
    ...(reason === undefined ? [] : [reason]),
    ...reachedOf(told),
    ...(replyTo === undefined ? [] : [`reply to ${repliesTo ?? "a message that is not here"}`]),
    ...(editedAt === undefined || event === "edited" ? [] : ["edited"]),
    ...attachments.map(({ name, size }) => `${name} ${sizeOf(size)}`),
    ...reactions.map(({ by, emoji }) => `${emoji} ${by}`),
    ...lifeOf(told, nowMs),
  ].join(", ")
}

/** How far a text of ours has come in a group, while some have it and others have not. */
function reachedOf({ reached }: Told): string[] {
  if (reached === undefined) return []
  const { members, delivered, failed } = reached
  return [
    ...(delivered > 0 && delivered < members ? [`${delivered} of ${members} have it`] : []),
    ...(failed > 0 ? [`${failed} of ${members} will not get it`] : []),
  ]
}

function lifeOf({ expiresS, expiresAt, direction }: Told, nowMs: number): string[] {
  if (expiresS === undefined) return []
  if (expiresAt !== undefined)
    return [`gone in ${timeOf(Math.max(0, Date.parse(expiresAt) - nowMs) / 1_000)}`]
  return [`gone ${timeOf(expiresS)} after ${direction === "out" ? "delivery" : "reading"}`]
}

/** `20 s`, `59 min`, `3 h`, `7 d`: whole units, at least two of each but seconds. */
export function timeOf(seconds: number): string {
  const units = { d: 86_400, h: 3_600, min: 60 }
  for (const [unit, length] of Object.entries(units))
    if (seconds >= 2 * length || seconds === length)
      return `${Math.round(seconds / length)} ${unit}`
  return `${Math.ceil(seconds)} s`
}

/** `12 B`, `12 KiB`, `1.5 MiB`. */
function sizeOf(byteCount: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"]
  const power = Math.min(units.length - 1, Math.floor(Math.log2(byteCount || 1) / 10))
  const amount = byteCount / 1_024 ** power
  return `${power === 0 || amount >= 10 ? Math.round(amount) : amount.toFixed(1)} ${units[power]}`
}

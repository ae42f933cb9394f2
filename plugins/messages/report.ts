/**
 * What became of letters, as the mail tells it, and what that says of messages.
 *
 * @module
 */
import { type LetterReport, type LetterState, z } from "allium/plugin"
import type { Pen } from "./pen.ts"
import { toHex } from "./wire.ts"

/** {@linkcode LetterState}, as it is kept. */
export const letterStateShape: z.ZodType<LetterState> = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("queued") }),
  z.object({ kind: z.literal("stored"), place: z.string() }),
  z.object({ kind: z.literal("delivered") }),
  z.object({ kind: z.literal("failed"), reason: z.string() }),
])

const TEXT_NAME = /^text\/([0-9a-f]{32})$/

/** Name of the letter that carries a text. */
export function textLetterName(id: Uint8Array): string {
  return `text/${toHex(id)}`
}

/** Id of the text a letter carries; `undefined` for letters nobody follows. */
export function parseLetterName(name: string): Uint8Array | undefined {
  const hex = TEXT_NAME.exec(name)?.[1]
  return hex === undefined ? undefined : new Uint8Array(Buffer.from(hex, "hex"))
}

/** A message never goes back: what was delivered stays so, and what failed. */
const RANK = { queued: 0, stored: 1, failed: 2, delivered: 3 } as const

/** Puts the fact beside the message; what disappears begins to when it is delivered. */
export async function applyReport(
  pen: Pen,
  { name, state }: Pick<LetterReport, "name" | "state">,
  now: number,
): Promise<void> {
  const id = parseLetterName(name)
  const number = id && (await pen.find(id))
  const entry = number ? await pen.entry(number) : undefined
  if (!number || entry === undefined) return
  if (entry.state === "received" || entry.state === "note") return
  if (RANK[state.kind] <= RANK[entry.state]) return
  const { reason: _, ...rest } = entry
  const told = {
    ...rest,
    state: state.kind,
    ...(state.kind === "failed" && { reason: state.reason }),
  }
  const dies = state.kind === "delivered" && entry.expiresS !== undefined
  const changed = dies ? pen.expire(number, told, now + (entry.expiresS ?? 0) * 1_000) : told
  pen.put(number, changed)
  pen.note(state.kind, number, changed)
}

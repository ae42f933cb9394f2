import { describe, expect, it } from "vitest"
import { CONTACT_EVENTS, contactOutcome } from "../../../src/identity/contact-states.ts"

const STANDINGS = [
  "unknown",
  "requested",
  "asking",
  "introduced",
  "accepted",
  "refused",
  "blocked",
] as const

/**
 * Written down a second time, from docs/protocol/contact.md and the command line's words: one row for each
 * event, one column for each standing. `-` is not allowed, `=` stays, `<` as it was before blocking.
 */
const rows = `
             unknown    requested  asking    introduced accepted  refused    blocked
we request   requested  =          accepted  requested  -         requested  -
we accept    -          -          accepted  requested  -         -          -
we refuse    -          -          unknown   unknown    -         -          -
we block     -          blocked    blocked   blocked    blocked   blocked    =
we unblock   -          -          -         -          -         -          <
we remove    -          unknown    unknown   unknown    unknown   unknown    unknown
they request asking     accepted   =         asking     =         accepted   =
they accept  =          accepted   =         =          =         =          =
they refuse  =          refused    =         =          =         =          =
they are introduced introduced =   =         =          =         =          =
`

const cells = rows
  .trim()
  .split("\n")
  .slice(1)
  .flatMap((row) => {
    const words = row.split(/\s+/)
    const signs = words.slice(-STANDINGS.length)
    const event = words.slice(0, -STANDINGS.length).join(" ") as (typeof CONTACT_EVENTS)[number]
    return STANDINGS.map((standing, index) => ({ event, standing, sign: signs[index]! }))
  })

describe("contactOutcome()", () => {
  it("has a cell for everything that can happen", () => {
    expect(cells).toHaveLength(CONTACT_EVENTS.length * STANDINGS.length)
    expect(new Set(cells.map(({ event }) => event))).toEqual(new Set(CONTACT_EVENTS))
  })

  it.each(cells)("$standing, $event: $sign", ({ standing, event, sign }) => {
    const meaning: Record<string, string> = { "=": standing, "-": "not allowed", "<": "as before" }
    expect(contactOutcome(standing, event)).toBe(meaning[sign] ?? sign)
  })
})

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { type ContactStanding, contactOutcome } from "../src/identity/contact-states.ts"
import { projectRoot } from "./support/project.ts"

const PAGE = readFileSync(join(projectRoot, "docs", "protocol", "contact.md"), "utf8")
const STANDINGS = [
  "unknown",
  "requested",
  "asking",
  "introduced",
  "accepted",
  "refused",
  "blocked",
] as const
const NOTICES = ["request", "accept", "refuse"] as const

interface Case {
  readonly standing: ContactStanding
  readonly notice: (typeof NOTICES)[number]
  readonly after: string
}

/** Every case of the table "we are, they send, we become". */
function readCases(): Case[] {
  const [, table = ""] = PAGE.split("## States")
  const rows = [...table.matchAll(/^\| ([^|]+) \| ([^|]+) \| ([^|,:]+)[^|]* \| [^|]+ \|$/gm)]
  return rows.slice(1).flatMap(([, are = "", send = "", become = ""]) => {
    const standings = STANDINGS.filter((standing) => are.includes(standing))
    const notices = NOTICES.filter((notice) => send === "anything" || send.includes(notice))
    return standings.flatMap((standing) =>
      notices.map((notice) => {
        const after = become.trim() === "unchanged" ? standing : become.trim()
        return { standing, notice, after }
      }),
    )
  })
}

describe("docs/protocol/contact.md", () => {
  const cases = readCases()

  it("has every state and every notice once", () => {
    const all = STANDINGS.flatMap((standing) => NOTICES.map((notice) => `${standing} ${notice}`))
    expect(cases.map(({ standing, notice }) => `${standing} ${notice}`).sort()).toEqual(all.sort())
  })

  it.each(cases)("$standing, they $notice: $after", ({ standing, notice, after }) => {
    expect(contactOutcome(standing, `they ${notice}`)).toBe(after)
  })
})

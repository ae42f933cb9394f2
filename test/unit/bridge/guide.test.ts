import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { defaultKnobs, FAULTS } from "../../../src/bridge/knobs.ts"

const guide = readFileSync(
  new URL("../../../docs/guide/embedded-network.md", import.meta.url),
  "utf8",
)

/** First and last cell of each row of the table under a heading. */
function tableUnder(heading: string): string[][] {
  const [section = ""] = guide.split(`\n## ${heading}\n`)[1]?.split("\n## ") ?? []
  const rows = section.split("\n").filter((line) => line.startsWith("| `"))
  return rows
    .map((row) => row.slice(2, -2).split(" | "))
    .map((cells) => [cells[0] ?? "", cells.at(-1) ?? ""])
}

describe("docs/guide/embedded-network.md", () => {
  it("lists every fault with the words of FAULTS", () => {
    const faults = Object.entries(FAULTS).map(([name, text]) => [`\`${name}\``, text])
    expect(tableUnder("Faults")).toEqual(faults)
  })
  it("lists every knob", () => {
    const names = tableUnder("Knobs").map(([name]) => name)
    expect(names).toEqual(Object.keys(defaultKnobs()).map((name) => `\`${name}\``))
  })
  it("says first of all that it is not anonymous", () => {
    expect(guide.split("\n")[2]).toMatch(/^\*\*NOT ANONYMOUS\.\*\*/)
  })
})

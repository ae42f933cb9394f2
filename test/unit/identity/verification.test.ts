import { describe, expect, it } from "vitest"
import { requireSameKeys, verificationText } from "../../../src/identity/verification.ts"

const own = "a".repeat(43)
const their = "b".repeat(43)
const shown = verificationText(their, own)

describe("requireSameKeys()", () => {
  it("is content with what the contact's screen shows", () => {
    expect(() => requireSameKeys(` ${shown}\n`, { own, their })).not.toThrow()
    expect(shown).toHaveLength(101)
  })

  it.each([
    ["our own text", verificationText(own, their), "your own"],
    ["another key of theirs", verificationText("c".repeat(43), own), "do not trust"],
    ["another key of ours", verificationText(their, "c".repeat(43)), "do not trust"],
    ["a card", `allium:${their}`, "no verification text"],
    ["nothing", "", "no verification text"],
    ["a megabyte", shown.padEnd(1_000_000, "b"), "no verification text"],
  ])("refuses %s", (_, text, message) => {
    expect(() => requireSameKeys(text, { own, their })).toThrow(
      expect.objectContaining({ code: "BAD_INPUT", message: expect.stringContaining(message) }),
    )
  })
})

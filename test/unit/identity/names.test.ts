import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { checkPersonName, freeName, nameShape, tameName } from "../../../src/identity/names.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

describe("checkPersonName()", () => {
  it.each(["a", "Ann", "Ångström", "Mary Ann-Lee", "李雷", "🧅", "x".repeat(64), "🧅".repeat(64)])(
    "takes %j",
    (name) => {
      expect(checkPersonName(name)).toBe(name)
    },
  )

  it("brings what keyboards write into NFC", () => {
    expect(checkPersonName("A\u030angstro\u0308m")).toBe("Ångström")
  })

  it.each([
    "",
    " ",
    " a",
    "a ",
    "a\nb",
    "a\0",
    "a\u202eb",
    "a\u2066b",
    "a\u200bb",
    "\ufeffa",
    "a\u2028b",
    "\ud800",
    "x".repeat(65),
    "x".repeat(100_000),
    "x7K3gXjc_EgRm1FXjfxvigo6Z7MTlkObvIPXQpoq4S4",
  ])("refuses %j without repeating it", (name) => {
    const refusal = expect.objectContaining({
      code: "BAD_INPUT",
      message: expect.not.stringContaining("x7K3"),
    })
    expect(() => checkPersonName(name)).toThrow(refusal)
  })
})

describe("tameName()", () => {
  it.each([
    { text: "Ann\u202e", name: "Ann" },
    { text: " \n ", name: "contact" },
    { text: "", name: "contact" },
    { text: "x".repeat(100), name: "x".repeat(64) },
    { text: "x7K3gXjc_EgRm1FXjfxvigo6Z7MTlkObvIPXQpoq4S4", name: "contact" },
  ])("makes $text into $name", ({ text, name }) => {
    expect(tameName(text, "contact")).toBe(name)
  })

  it("makes a name of every text, and freeName() one that is free", () => {
    const texts = fc.string({ unit: "binary", maxLength: 200 })
    fc.assert(
      fc.property(texts, fc.nat({ max: 12 }), (text, takenCount) => {
        const taken = new Set<string>()
        for (let count = 0; count <= takenCount; count++) {
          const name = freeName(tameName(text, "contact"), (one) => taken.has(one))
          expect(nameShape.safeParse(name).success).toBe(true)
          expect(taken.has(name)).toBe(false)
          taken.add(name)
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

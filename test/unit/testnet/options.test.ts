import { describe, expect, it } from "vitest"
import { parseTestnetOptions } from "../../support/testnet/options.ts"

describe("parseTestnetOptions()", () => {
  it("starts six routers and waits, when nothing is said", () => {
    const expected = { routerCount: 6, keep: false, help: false, i2pd: undefined, command: [] }
    expect(parseTestnetOptions([])).toEqual(expected)
  })

  it.each([
    { words: ["--keep", "--routers", "2", "curl", "--help"], command: ["curl", "--help"] },
    { words: ["--routers", "2", "--keep", "--", "--odd"], command: ["--odd"] },
  ])("leaves the command its own words: $command", ({ words, command }) => {
    expect(parseTestnetOptions(words)).toMatchObject({
      routerCount: 2,
      keep: true,
      help: false,
      command,
    })
  })

  it.each([
    { words: ["--routers"], message: "--routers is missing, expected 0 to 20" },
    { words: ["--routers", "21"], message: "--routers is 21, expected 0 to 20" },
    { words: ["--routers", "-1"], message: "--routers is -1" },
    { words: ["--routers", "1e1"], message: "--routers is 1e1" },
    { words: ["--i2pd"], message: "--i2pd is missing" },
    { words: ["--real", "network"], message: "unknown option --real" },
  ])("refuses $words", ({ words, message }) => {
    expect(() => parseTestnetOptions(words)).toThrow(message)
  })
})

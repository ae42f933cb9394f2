import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { z } from "zod"
import { isAlliumError } from "../../../src/base/errors.ts"
import { flagsOf } from "../../../src/cli/flags.ts"
import { parseFlags } from "../../../src/cli/parse.ts"
import { schemaOf } from "../../../src/router/offer-description.ts"
import { sampleOffers } from "../../contract/api/sample-offers.ts"

const { book } = sampleOffers()

describe("parseFlags()", () => {
  const shape = z.object({
    file: z.string().meta({ kind: "path" }),
    count: z.number().optional(),
    rest: z.array(z.string()).optional(),
    deepWater: z.object({ a: z.number() }).optional(),
    either: z.union([z.string(), z.number()]).optional(),
    wait: z.boolean().default(false),
    level: z.union([z.literal("low"), z.literal("high")]).optional(),
    passphrase: z.string().optional().meta({ kind: "secret" }),
  })
  const positional = ["file", "count", "rest"]
  const form = {
    verb: "x",
    summary: "X",
    positional,
    examples: [],
    input: schemaOf(shape, "input"),
  }
  const parse = (line: string) => parseFlags(form, line.split(" "))

  it.each([
    ["a", { file: "a" }],
    ["a 3 b c", { file: "a", count: "3", rest: ["b", "c"] }],
    ["-- -a -3 --b", { file: "-a", count: "-3", rest: ["--b"] }],
    [`a --deep-water {"a":1}`, { "deep-water": `{"a":1}` }],
    ["a --either 007", { either: "007" }],
    ["a --wait", { wait: true }],
    ["a --no-wait", { wait: false }],
    ["a --level low", { level: "low" }],
    ["a --passphrase --passphrase-file f", { passphrase: true, "passphrase-file": "f" }],
    ["a --either=--b", { either: "--b" }],
  ])("reads %j", async (line, expected) => {
    expect(await parse(line)).toMatchObject(expected)
  })

  it.each([
    ["a x", "count is no number"],
    ["a --deep-water {a", "deep-water is no JSON"],
    ["a --deepWater {}", "unknown argument: deepWater"],
    ["a --deep-water.a 1", "unknown argument: deep-water.a"],
    ["a --level mid", "level is"],
    ["a --file b", "unknown argument: file"],
    ["a --__proto__ b", "unknown argument: ___proto___"],
  ])("refuses %j", async (line, says) => {
    await expect(parse(line)).rejects.toMatchObject({
      code: "BAD_INPUT",
      message: expect.stringContaining(says),
    })
  })

  it("leaves defaults to the router", async () => {
    expect((await parse("a")).wait).toBeUndefined()
  })

  it("reads a plain line as yargs does", async () => {
    const words = fc.stringMatching(/^[^-\s][^\s]{0,9}$/)
    const common = fc.constantFrom([], ["--json"], ["--quiet"], ["--home", "there"])
    const line = fc.tuple(common, words, common, fc.array(words, { maxLength: 4 }), common)
    await fc.assert(
      fc.asyncProperty(line, async (parts) => {
        const outcome = (rest: string[]) =>
          parseFlags(form, rest).catch((error: Error) => error.message)
        const plain = await outcome(parts.flat())
        // A flag of the command's own brings yargs in.
        const byYargs = await outcome([...parts.flat(), "--no-wait"])
        if (typeof plain === "string") expect(byYargs).toBe(plain)
        else expect(byYargs).toMatchObject(plain)
      }),
      { numRuns: 1_000 },
    )
  })

  it("answers any words with values or BAD_INPUT", async () => {
    const flags = flagsOf(form).flatMap(({ name }) => [`--${name}`, `--no-${name}`, `--${name}=1`])
    const word = fc.oneof(
      fc.constantFrom(...flags, "--", "-", "-n", "--passphrase-file", "3", "{}"),
      fc.string(),
    )
    const forms = [form, book.describe("note echo"), book.describe("secret keep")]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...forms),
        fc.array(word, { maxLength: 6 }),
        async (one, words) => {
          const outcome = await parseFlags(one, words).catch((error: unknown) => error)
          if (outcome instanceof Error) expect(isAlliumError(outcome, "BAD_INPUT")).toBe(true)
        },
      ),
      { numRuns: 2_000 },
    )
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  }, 60_000)
})

/**
 * A few offers that stand for all kinds: one document, a stream, progress, failure, silence.
 *
 * @module
 */
import { setImmediate as turn } from "node:timers/promises"
import { z } from "zod"
import { AlliumError } from "../../../src/base/errors.ts"
import { offer } from "../../../src/router/offer.ts"
import { OfferBook } from "../../../src/router/offers.ts"

const echo = offer({
  verb: "note echo",
  summary: "Give back what was said",
  input: z.object({
    text: z.string().max(64).meta({ description: "What to say" }),
    times: z.number().int().min(1).max(3).default(1).meta({ alias: "n", description: "How often" }),
    tone: z.enum(["calm", "loud"]).optional(),
    tag: z.array(z.string()).optional(),
    identity: z.string().optional().meta({ description: "Who speaks" }),
  }),
  output: z.object({ said: z.string(), tags: z.array(z.string()), by: z.string() }),
  positional: ["text"],
  examples: ['note echo "hello" --times 2', "note echo - < letter.txt"],
  display: { line: "{by}: {said}" },
})

const count = offer({
  verb: "note count",
  summary: "Count up, one document a step",
  input: z.object({
    to: z.number().int().min(0).max(1_000),
    file: z.string().optional().meta({ kind: "path" }),
  }),
  output: z.object({ step: z.number() }),
  positional: ["to"],
  stream: true,
  display: { line: "step {step}" },
})

const list = offer({
  verb: "note list",
  summary: "List what there is",
  input: z.object({ empty: z.boolean().default(false) }),
  output: z.array(z.object({ name: z.string(), size: z.number() })),
  display: { columns: ["name", "size"], empty: "Nothing there." },
})

const fail = offer({
  verb: "note fail",
  summary: "Fail in a chosen way",
  input: z.object({ how: z.enum(["away", "refused", "plugin", "fault", "shape"]) }),
  output: z.object({ never: z.string() }),
  positional: ["how"],
})

const keep = offer({
  verb: "secret keep",
  summary: "Count the letters of a secret",
  input: z.object({
    passphrase: z.string().meta({ kind: "secret" }),
    where: z.string().optional().meta({ kind: "path" }),
  }),
  output: z.object({ letters: z.number(), where: z.string().optional() }),
  display: { line: "{letters} letters" },
})

const hang = offer({
  verb: "note hang",
  summary: "Wait until the caller goes away",
  input: z.object({}),
})

const failures: Record<string, () => unknown> = {
  away: () => new AlliumError("PEER_UNREACHABLE", "Cannot reach ann: no answer, expected one"),
  refused: () =>
    new AlliumError("CONTACT_STATE", "Cannot write to ann: she is blocked, expected accepted"),
  plugin: () => new AlliumError("PLUGIN_TOO_LATE", "Cannot go on: it is late"),
  fault: () => new Error("a secret detail"),
}

/** What the samples saw. */
export interface Seen {
  /** How often `note hang` was left. */
  left: number
  /** Resolves when `note hang` runs. */
  readonly hanging: Promise<void>
}

/** A book of all samples. */
export function sampleOffers(): { book: OfferBook; seen: Seen } {
  const book = new OfferBook()
  let tell = () => {}
  const seen: Seen = { left: 0, hanging: new Promise<void>((resolve) => (tell = resolve)) }
  book.register(echo, async ({ text, times, tone, tag, identity }, { progress }) => {
    progress({ done: 1, total: 2, unit: "items", doing: "thinking" })
    const said = Array(times)
      .fill(tone === "loud" ? text.toUpperCase() : text)
      .join(" ")
    return { said, tags: tag ?? [], by: identity ?? "nobody" }
  })
  book.register(count, async function* ({ to }) {
    for (let step = 1; step <= to; step++) {
      await turn()
      yield { step }
    }
  })
  book.register(list, async ({ empty }) =>
    empty
      ? []
      : [
          { name: "a\u202eb", size: 12 },
          { name: "longer", size: 3 },
        ],
  )
  book.register(fail, async ({ how }) => {
    if (how === "shape") return { never: 4 as unknown as string }
    throw failures[how]?.()
  })
  book.register(keep, async ({ passphrase, where }) => ({
    letters: passphrase.length,
    ...(where && { where }),
  }))
  book.register(hang, (_, { signal }) => {
    tell()
    return new Promise((_resolve, reject) =>
      signal.addEventListener("abort", () => {
        seen.left++
        reject(signal.reason)
      }),
    )
  })
  return { book, seen }
}

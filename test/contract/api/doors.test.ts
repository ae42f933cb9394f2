/**
 * One offer, four doors: called directly, over the Unix socket, over loopback, at the command line.
 * Each gives the same documents and the same codes.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { FrameReader } from "../../../src/api/sse.ts"
import { ERROR_CODES, type ErrorCode } from "../../../src/base/error-codes.ts"
import { toAlliumError } from "../../../src/base/errors.ts"
import { openSampleApi } from "./sample-api.ts"
import { sampleCli } from "./sample-cli.ts"

/** Documents, or a code. */
type Outcome = readonly unknown[] | string

interface Case {
  readonly promise: string
  readonly verb: string
  readonly input: Record<string, unknown>
  /** The same, typed. */
  readonly argv: readonly string[]
  readonly outcome: Outcome
}

const CASES: readonly Case[] = [
  {
    promise: "one document, with defaults",
    verb: "note echo",
    input: { text: "hi" },
    argv: ["hi"],
    outcome: [{ said: "hi", tags: [], by: "nobody" }],
  },
  {
    promise: "every kind of field",
    verb: "note echo",
    input: { text: "hi", times: 2, tone: "loud", tag: ["a", "b"], identity: "work" },
    argv: ["hi", "-n", "2", "--tone", "loud", "--tag", "a", "--tag", "b", "--identity", "work"],
    outcome: [{ said: "HI HI", tags: ["a", "b"], by: "work" }],
  },
  {
    promise: "text that looks like anything else",
    verb: "note echo",
    input: { text: "--json\n\u202e007\u0000\u{1f600}" },
    argv: ["--", "--json\n\u202e007\u0000\u{1f600}"],
    outcome: [{ said: "--json\n\u202e007\u0000\u{1f600}", tags: [], by: "nobody" }],
  },
  {
    promise: "digits stay text",
    verb: "note echo",
    input: { text: "007", identity: "1e3" },
    argv: ["007", "--identity", "1e3"],
    outcome: [{ said: "007", tags: [], by: "1e3" }],
  },
  {
    promise: "a stream",
    verb: "note count",
    input: { to: 3 },
    argv: ["3"],
    outcome: [{ step: 1 }, { step: 2 }, { step: 3 }],
  },
  {
    promise: "a stream of nothing",
    verb: "note count",
    input: { to: 0 },
    argv: ["0"],
    outcome: [],
  },
  {
    promise: "a list",
    verb: "note list",
    input: {},
    argv: [],
    outcome: [
      [
        { name: "a\u202eb", size: 12 },
        { name: "longer", size: 3 },
      ],
    ],
  },
  {
    promise: "an empty list",
    verb: "note list",
    input: { empty: true },
    argv: ["--empty"],
    outcome: [[]],
  },
  {
    promise: "a number out of bounds",
    verb: "note count",
    input: { to: 1_001 },
    argv: ["1001"],
    outcome: "BAD_INPUT",
  },
  {
    promise: "a number that is none",
    verb: "note count",
    input: { to: "x" },
    argv: ["x"],
    outcome: "BAD_INPUT",
  },
  { promise: "a missing field", verb: "note echo", input: {}, argv: [], outcome: "BAD_INPUT" },
  {
    promise: "an unknown field",
    verb: "note echo",
    input: { text: "a", bogus: 1 },
    argv: ["a", "--bogus", "1"],
    outcome: "BAD_INPUT",
  },
  {
    promise: "a wrong choice",
    verb: "note echo",
    input: { text: "a", tone: "x" },
    argv: ["a", "--tone", "x"],
    outcome: "BAD_INPUT",
  },
  {
    promise: "a peer that is away",
    verb: "note fail",
    input: { how: "away" },
    argv: ["away"],
    outcome: "PEER_UNREACHABLE",
  },
  {
    promise: "a refusal",
    verb: "note fail",
    input: { how: "refused" },
    argv: ["refused"],
    outcome: "CONTACT_STATE",
  },
  {
    promise: "a plugin's own code",
    verb: "note fail",
    input: { how: "plugin" },
    argv: ["plugin"],
    outcome: "PLUGIN_TOO_LATE",
  },
  {
    promise: "a fault",
    verb: "note fail",
    input: { how: "fault" },
    argv: ["fault"],
    outcome: "INTERNAL",
  },
  {
    promise: "an answer out of shape",
    verb: "note fail",
    input: { how: "shape" },
    argv: ["shape"],
    outcome: "BAD_OUTPUT",
  },
  { promise: "no such offer", verb: "note sing", input: {}, argv: [], outcome: "UNKNOWN_VERB" },
]

type Sample = Awaited<ReturnType<typeof openSampleApi>>
type Door = (sample: Sample, given: Case) => Promise<Outcome>

async function directly({ book }: Sample, { verb, input }: Case): Promise<Outcome> {
  try {
    const call = { signal: new AbortController().signal, progress: () => {} }
    const answer = await book.run(verb, input, call)
    if ("document" in answer) return [answer.document]
    const all: unknown[] = []
    for await (const document of answer.documents) all.push(document)
    return all
  } catch (error) {
    return toAlliumError(error).code
  }
}

function over(door: "socket" | "loopback", accept: string): Door {
  return async (sample, { verb, input }) => {
    const path = `/v1/${verb.replaceAll(" ", "/")}`
    const reply = await sample.ask(door, { path, headers: { accept }, body: JSON.stringify(input) })
    if (reply.headers["content-type"] === "application/json") {
      const document = JSON.parse(reply.body)
      if (reply.status === 200) return [document]
      const { code } = document.error
      expect(reply.status).toBe(ERROR_CODES[code as ErrorCode]?.status ?? 500)
      return code
    }
    return outcomeOf(reply.body)
  }
}

function outcomeOf(body: string): Outcome {
  const frames = new FrameReader()
    .push(body)
    .map(({ event, data }) => ({ event, data: JSON.parse(data) }))
  const last = frames.at(-1)
  if (last?.event === "error") return last.data.error.code
  expect(last?.event).toBe("done")
  const items = frames.filter(({ event }) => event === "item").map(({ data }) => data)
  return last?.data === null ? items : [last?.data]
}

async function atTheCommandLine(sample: Sample, { verb, argv }: Case): Promise<Outcome> {
  const words = [...verb.split(" "), "--json", ...argv]
  const { exit, stdout, stderr } = await sampleCli(sample.folder, words)
  if (exit === 0)
    return stdout
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  const code = /\(([A-Z_]+)\)\./.exec(stderr)?.[1] ?? stderr
  expect(exit).toBe(ERROR_CODES[code as ErrorCode]?.exit ?? 1)
  expect(stdout).toBe("")
  return code
}

describe.each<[string, Door]>([
  ["directly", directly],
  ["over the Unix socket", over("socket", "application/json")],
  ["over the Unix socket, as events", over("socket", "text/event-stream")],
  ["over loopback", over("loopback", "application/json")],
  ["over loopback, as events", over("loopback", "text/event-stream")],
  ["at the command line", atTheCommandLine],
])("an offer %s", (_, door) => {
  let sample: Sample
  beforeAll(async () => {
    sample = await openSampleApi()
  })
  afterAll(async () => {
    await sample[Symbol.asyncDispose]()
  })

  it.each(CASES)("gives $promise", async (given) => {
    expect(await door(sample, given)).toEqual(given.outcome)
  })
})

describe("GET /v1", () => {
  it("gives at every door what the book says", async () => {
    await using sample = await openSampleApi()
    const expected = { network: "i2p", offers: JSON.parse(JSON.stringify(sample.book.list())) }
    for (const door of ["socket", "loopback"] as const)
      expect(JSON.parse((await sample.ask(door, { method: "GET", path: "/v1" })).body)).toEqual(
        expected,
      )
  })
})

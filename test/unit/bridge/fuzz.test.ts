import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { receiveUdp } from "../../../src/bridge/command-datagram.ts"
import { checkKeys } from "../../../src/bridge/keys.ts"
import { FAULTS, type Fault } from "../../../src/bridge/knobs.ts"
import { deriveDestinationKeys, encodeBase64, parseSamLine } from "../../../src/sam/index.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import { feed, openCore } from "./core.ts"

const derived = deriveDestinationKeys(new Uint8Array(32).fill(3))
const RUNS = fuzzRuns(1_000)
/** Faults that keep lines from being obeyed before the client hangs up. */
const UNTESTABLE = new Set<string>(["hang", "endlessReply", "splitReplies"])

const word = fc.oneof(
  fc.constantFrom(
    "a",
    "b",
    "TRANSIENT",
    "ME",
    "7",
    "0",
    "99",
    "true",
    "STREAM",
    "RAW",
    "PRIMARY",
    "3.1",
  ),
  fc.constant(derived.destination.base64),
  fc.constant(derived.destination.b32),
  fc.constant(encodeBase64(derived.privateKeyFile)),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: "binary", maxLength: 20 }),
)
const keyName = fc.oneof(
  fc.constantFrom(
    "ID",
    "STYLE",
    "DESTINATION",
    "SIZE",
    "NAME",
    "PORT",
    "HOST",
    "FROM_PORT",
    "TO_PORT",
  ),
  fc.constantFrom(
    "MIN",
    "MAX",
    "USER",
    "PASSWORD",
    "SILENT",
    "PROTOCOL",
    "SIGNATURE_TYPE",
    "OPTIONS",
  ),
  fc.string({ maxLength: 8 }),
)
const command = fc.constantFrom(
  ...["SESSION CREATE", "SESSION ADD", "SESSION REMOVE", "STREAM CONNECT", "STREAM ACCEPT"],
  ...["STREAM FORWARD", "DATAGRAM SEND", "RAW SEND", "NAMING LOOKUP", "DEST GENERATE", "AUTH ADD"],
  ...["AUTH ENABLE", "PING", "PONG", "QUIT", "HELP", "HELLO VERSION", "SESSION", "\u0000", ""],
)
/** Lines that mean something, so that what they set up is there for the lines after them. */
const id = fc.constantFrom("a", "b")
const target = fc.constantFrom(derived.destination.base64, derived.destination.b32, "ME", "a.i2p")
const style = fc.constantFrom("STREAM", "DATAGRAM", "RAW", "DATAGRAM3", "PRIMARY", "MASTER")
const keys = fc.constantFrom("TRANSIENT SIGNATURE_TYPE=7", encodeBase64(derived.privateKeyFile))
const meant = fc.oneof(
  fc
    .tuple(style, id, keys)
    .map(([s, i, k]) => `SESSION CREATE STYLE=${s} ID=${i} DESTINATION=${k}`),
  fc.tuple(style, id).map(([s, i]) => `SESSION ADD STYLE=${s} ID=${i} FROM_PORT=1`),
  id.map((i) => `SESSION REMOVE ID=${i}`),
  fc.tuple(id, target).map(([i, to]) => `STREAM CONNECT ID=${i} DESTINATION=${to}`),
  id.map((i) => `STREAM ACCEPT ID=${i}`),
  id.map((i) => `STREAM FORWARD ID=${i} PORT=1`),
  fc.tuple(target, fc.nat(40)).map(([to, size]) => `RAW SEND DESTINATION=${to} SIZE=${size}`),
  fc.tuple(target, fc.nat(40)).map(([to, size]) => `DATAGRAM SEND DESTINATION=${to} SIZE=${size}`),
  target.map((to) => `NAMING LOOKUP NAME=${to}`),
)
const wild = fc
  .tuple(command, fc.array(fc.tuple(keyName, word), { maxLength: 6 }))
  .map(([head, fields]) => [head, ...fields.map(([key, value]) => `${key}=${value}`)].join(" "))
const line = fc.oneof(
  { weight: 5, arbitrary: meant },
  { weight: 3, arbitrary: wild },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 200 }) },
)
const script = fc.array(line, { minLength: 1, maxLength: 5 })

describe("any lines at all", () => {
  it.each([
    { router: "strict", faults: [] },
    {
      router: "i2pd-2.58",
      faults: Object.keys(FAULTS).filter((name) => !UNTESTABLE.has(name)) as Fault[],
    },
  ] as const)(
    "never make a fault of the bridge as $router",
    async ({ router, faults }) => {
      const { context, failures } = openCore(router, faults)
      const check = async (lines: readonly string[]) => {
        context.accounts.needed = false
        const pieces = ["HELLO VERSION MIN=3.0 MAX=3.3", ...lines].map((one) =>
          Buffer.from(`${one}\n`),
        )
        const output = await feed(context, pieces)
        expect(failures).toEqual([])
        expect(context.sessions.size).toBe(0)
        // Streams may carry anything; before the first STREAM command every line is a SAM line.
        if (lines.some((one) => one.includes("STREAM") || one.includes("SEND"))) return
        for (const reply of output.toString().trimEnd().split("\n")) parseSamLine(reply)
      }
      await fc.assert(fc.asyncProperty(script, check), { numRuns: Math.ceil(RUNS / 2) })
      // The lines do reach the commands behind the parser.
      expect(context.network.stats.sessionsOpened).toBeGreaterThan(RUNS / 100)
    },
    60_000,
  )

  it("never make a fault in whatever pieces they come", async () => {
    const { context, failures } = openCore("strict")
    const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 })
    const check = async (parts: readonly Uint8Array[]) => {
      await feed(context, [Buffer.from("HELLO VERSION\nSESSION "), ...parts])
      expect(failures).toEqual([])
    }
    await fc.assert(fc.asyncProperty(pieces, check), { numRuns: Math.ceil(RUNS / 10) })
  }, 60_000)
})

describe("receiveUdp()", () => {
  it("takes any bytes without a fault", () => {
    const { context } = openCore("strict")
    const head = fc
      .tuple(word, word, word, word)
      .map((words) => Buffer.from(`${words.join(" ")}\npayload`))
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      head,
    )
    fc.assert(
      fc.property(message, (bytes) => !receiveUdp(bytes, context)),
      { numRuns: RUNS },
    )
  })
})

describe("checkKeys()", () => {
  it("takes any text without a fault, and only whole keys as keys", () => {
    const file = encodeBase64(derived.privateKeyFile)
    const damaged = fc
      .tuple(fc.nat(file.length - 1), fc.constantFrom("A", "B", "~", "=", ""))
      .map(([at, letter]) => file.slice(0, at) + letter + file.slice(at + 1))
    const check = (text: string) => {
      const keys = checkKeys(text)
      if (keys) expect(keys.destination.bytes.length).toBeGreaterThanOrEqual(387)
    }
    fc.assert(fc.property(fc.oneof(damaged, fc.base64String(), fc.string()), check), {
      numRuns: RUNS,
    })
  })
})

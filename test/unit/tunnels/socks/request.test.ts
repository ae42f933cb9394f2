import { PassThrough } from "node:stream"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { AlliumError, isAlliumError } from "../../../../src/base/errors.ts"
import { openByteReader } from "../../../../tunnels/socks/byte-reader.ts"
import { MadeUpAddresses } from "../../../../tunnels/socks/made-up-addresses.ts"
import { formatName, formatReply, REPLY, replyFor } from "../../../../tunnels/socks/reply.ts"
import { type Admit, readSocks, type SocksRequest } from "../../../../tunnels/socks/request.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

const NO_SIGNAL = new AbortController().signal

/** Reads what a program said in these pieces before it ended; `rest` is what was left alone. */
async function read(pieces: Uint8Array[], admit: Admit = () => undefined) {
  const local = new PassThrough()
  const said: number[] = []
  const reader = openByteReader(local, NO_SIGNAL)
  const reading = readSocks(reader, {
    say: (bytes) => said.push(...bytes),
    admit,
  }).then(
    (request): { request?: SocksRequest; error?: unknown } => ({ request }),
    (error: unknown): { request?: SocksRequest; error?: unknown } => ({ error }),
  )
  for (const piece of pieces) {
    local.write(piece)
    await new Promise(setImmediate)
  }
  local.end()
  const outcome = await reading
  reader.close()
  const rest = local.read() as Buffer | null
  return { ...outcome, said, rest: rest?.toString() ?? "" }
}

const text = (value: string) => [value.length, ...Buffer.from(value)]
const bytes = (...numbers: number[]) => Uint8Array.from(numbers)

/** `curl --socks5-hostname`: no password; a name, port 80, and the beginning of its own bytes. */
const FIVE = bytes(5, 1, 0, 5, 1, 0, 3, ...text("a.i2p"), 0, 80, ...Buffer.from("GET"))
const FOUR_A = bytes(4, 1, 0, 80, 0, 0, 0, 1, ...Buffer.from("me\0a.i2p\0GET"))

describe("readSocks()", () => {
  it("reads version 5 as RFC 1928 has it, and leaves what follows", async () => {
    const { request, said, rest } = await read([FIVE])
    expect(request).toEqual({
      version: 5,
      command: 1,
      address: { kind: "name", name: "a.i2p" },
      port: 80,
      credentials: undefined,
    })
    expect(said).toEqual([5, 0])
    expect(rest).toBe("GET")
  })

  it("reads version 4a, and leaves what follows", async () => {
    const { request, rest } = await read([FOUR_A])
    expect(request).toEqual({
      version: 4,
      command: 1,
      address: { kind: "name", name: "a.i2p" },
      port: 80,
      credentials: { user: "me", password: "" },
    })
    expect(rest).toBe("GET")
  })

  it("asks for the password when the program has one, as RFC 1929 has it", async () => {
    const login = [1, ...text("ann"), ...text("secret")]
    const { request, said } = await read([
      bytes(5, 2, 0, 2, ...login, 5, 0xf0, 0, 3, ...text("b.i2p"), 0, 0),
    ])
    expect(request).toMatchObject({
      command: 0xf0,
      credentials: { user: "ann", password: "secret" },
    })
    expect(said).toEqual([5, 2, 1, 0])
  })

  it.each([
    { name: "byte for byte, version 5", whole: FIVE },
    { name: "byte for byte, version 4a", whole: FOUR_A },
  ])("reads the same $name", async ({ whole }) => {
    const { request } = await read([...whole].map((byte) => bytes(byte)))
    expect(request).toEqual((await read([whole])).request)
  })

  it.each([
    { name: "HTTP", said: Buffer.from("GET / HTTP/1.1\r\n"), code: "BAD_REQUEST" },
    { name: "nothing", said: bytes(), code: "STREAM_LOST" },
    { name: "half a request", said: FIVE.subarray(0, 9), code: "STREAM_LOST" },
    { name: "only GSSAPI", said: bytes(5, 1, 1), code: "PROXY_AUTH_NEEDED" },
    { name: "no method", said: bytes(5, 0), code: "PROXY_AUTH_NEEDED" },
    { name: "another version within", said: bytes(5, 1, 0, 4, 1, 0, 1), code: "BAD_REQUEST" },
    { name: "another version of RFC 1929", said: bytes(5, 1, 2, 2), code: "BAD_REQUEST" },
    {
      name: "an endless user name",
      said: bytes(4, 1, 0, 80, 0, 0, 0, 1, ...Buffer.alloc(300, 65)),
      code: "TOO_LARGE",
    },
  ])("refuses $name", async ({ said, code }) => {
    expect((await read([said])).error).toMatchObject({ code })
  })

  it("turns away who is not admitted, in each version", async () => {
    const login = [1, ...text("ann"), ...text("wrong")]
    const nobody = () => new AlliumError("ACCESS_DENIED", "Cannot come in")
    const five = await read([bytes(5, 1, 2, ...login)], nobody)
    expect(five).toMatchObject({ said: [5, 2, 1, 1], error: { code: "ACCESS_DENIED" } })
    const none = await read([FIVE], nobody)
    expect(none).toMatchObject({ said: [5, 0xff], error: { code: "ACCESS_DENIED" } })
    expect((await read([FOUR_A], nobody)).error).toMatchObject({ code: "ACCESS_DENIED" })
  })

  it("B18: ends with a request or an expected error, whatever was said", async () => {
    const said = fc
      .tuple(fc.constantFrom(4, 5, 0, 22), fc.uint8Array({ maxLength: 40 }))
      .map(([version, rest]) => bytes(version, ...rest))
    await fc.assert(
      fc.asyncProperty(said, async (whole) => {
        const { request, error } = await read([whole])
        expect(request !== undefined || isAlliumError(error)).toBe(true)
      }),
      { numRuns: fuzzRuns(100) },
    )
  })
})

describe("formatReply()", () => {
  it("is as the RFC and the SOCKS 4 paper have it", () => {
    expect([...formatReply(5, REPLY.done)]).toEqual([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    expect([...formatReply(5, REPLY.done, { host: "198.18.0.1", port: 0x1234 })]).toEqual([
      ...[5, 0, 0, 1, 198, 18, 0, 1],
      ...[0x12, 0x34],
    ])
    expect([...formatReply(4, REPLY.done)]).toEqual([0, 0x5a, 0, 0, 0, 0, 0, 0])
    expect([...formatReply(4, REPLY.notAllowed)]).toEqual([0, 0x5b, 0, 0, 0, 0, 0, 0])
    expect([...formatName("a.i2p")]).toEqual([5, 0, 0, 3, ...text("a.i2p"), 0, 0])
  })

  it.each([
    { host: "::1", hex: "00000000000000000000000000000001" },
    { host: "fe80::1:2", hex: "fe800000000000000000000000010002" },
    { host: "2001:db8:1:2:3:4:5:6", hex: "20010db8000100020003000400050006" },
    { host: "fd00::", hex: "fd000000000000000000000000000000" },
  ])("says $host", ({ host, hex }) => {
    const reply = Buffer.from(formatReply(5, REPLY.done, { host, port: 53 }))
    expect(reply.toString("hex")).toBe(`05000004${hex}0035`)
  })

  it("says something for every failure", () => {
    expect(replyFor(new Error("a fault"))).toBe(REPLY.failed)
  })
})

describe("MadeUpAddresses", () => {
  it("keeps a name's address, tells names apart, and leads back", () => {
    const madeUp = new MadeUpAddresses()
    const ip = madeUp.of("a.i2p")
    expect(ip).toBe("198.18.0.1")
    expect(madeUp.of("b.i2p")).toBe("198.18.0.2")
    expect(madeUp.of("a.i2p")).toBe(ip)
    expect(madeUp.nameOf(ip)).toBe("a.i2p")
    expect(madeUp.nameOf("198.18.0.9")).toBeUndefined()
  })

  it("forgets the one asked for longest ago, and gives its address to nobody soon", () => {
    const madeUp = new MadeUpAddresses()
    const old = madeUp.of("old.i2p")
    const used = madeUp.of("used.i2p")
    for (let index = 0; index < 12_000; index++) {
      const ip = madeUp.of(`${index}.i2p`)
      if (ip === old || ip === used) throw new Error("given out too soon")
      if (index % 4_000 === 0) madeUp.of("used.i2p")
    }
    expect(madeUp.nameOf(used)).toBe("used.i2p")
  })
})

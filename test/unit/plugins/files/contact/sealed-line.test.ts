import { createCipheriv, createHmac } from "node:crypto"
import { Duplex } from "node:stream"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  deriveLineKeys,
  OPENING_BYTES,
  readOpening,
  writeOpening,
} from "../../../../../plugins/files/contact/line-keys.ts"
import { Opener, SEALED_BYTES_MAX, Sealer } from "../../../../../plugins/files/contact/records.ts"
import {
  answerLine,
  openLine,
  type SealedLine,
} from "../../../../../plugins/files/contact/sealed-line.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"

const key = new Uint8Array(32).fill(7)
const id = new Uint8Array(16).fill(9)

/** All that comes out, and whether the end came. */
function openAll(bytes: Uint8Array, cutAt: readonly number[] = [], withKey = key) {
  const opener = new Opener(withKey)
  const content: Uint8Array[] = []
  const cuts = [
    0,
    ...cutAt.map((at) => at % (bytes.length + 1)).sort((a, b) => a - b),
    bytes.length,
  ]
  for (let part = 1; part < cuts.length; part++)
    for (const opened of opener.open(bytes.subarray(cuts[part - 1], cuts[part])))
      if (opened.kind === "data") content.push(...opened.pieces)
  return { content: Buffer.concat(content), hasEnded: opener.hasEnded }
}

describe("a sealed record", () => {
  it("is what RFC 8439 and the page say, byte for byte", () => {
    const [sealer, content] = [new Sealer(key), Buffer.from("hello")]
    for (const number of [0, 1, 2]) {
      const head = Uint8Array.of(0, 0, 0, 5)
      const nonce = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number)
      const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 })
      cipher.setAAD(head, { plaintextLength: 5 })
      const expected = [head, cipher.update(content), cipher.final(), cipher.getAuthTag()]
      expect(Buffer.concat(sealer.seal([content]))).toEqual(Buffer.concat(expected))
    }
    expect(Buffer.concat(sealer.end()).subarray(0, 4)).toEqual(Buffer.from([1, 0, 0, 0]))
  })
  it("brings any bytes whole, however both sides cut them", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }),
        fc.array(fc.nat(2_000), { maxLength: 8 }),
        (chunks, cuts) => {
          const sealer = new Sealer(key)
          const wire = [...chunks.flatMap((chunk) => sealer.seal([chunk])), ...sealer.end()]
          const { content, hasEnded } = openAll(Buffer.concat(wire), cuts)
          expect(content.equals(Buffer.concat(chunks))).toBe(true)
          expect(hasEnded).toBe(true)
        },
      ),
      { numRuns: fuzzRuns(200) },
    )
  })
  it("takes many chunks together, 64 KiB at most", () => {
    const chunks = Array.from({ length: 9 }, (_, index) => Buffer.alloc(16_384, index))
    const wire = Buffer.concat(new Sealer(key).seal(chunks))
    expect(wire.length).toBe(9 * 16_384 + 3 * 20)
    expect(wire.readUInt32BE(0)).toBe(SEALED_BYTES_MAX)
    expect(openAll(wire, [1, 70_000]).content.equals(Buffer.concat(chunks))).toBe(true)
  })
  it("that was changed in any bit, left out, repeated or put elsewhere does not open", () => {
    const sealer = new Sealer(key)
    const [one, two] = ["one", "two!"].map((text) =>
      Buffer.concat(sealer.seal([Buffer.from(text)])),
    )
    fc.assert(
      fc.property(fc.nat(one!.length * 8 - 1), (bit) => {
        const bad = Buffer.from(one!)
        bad[bit >> 3]! ^= 1 << (bit & 7)
        // A longer length only makes it wait for more.
        expect(() => openAll(Buffer.concat([bad, Buffer.alloc(SEALED_BYTES_MAX + 100)]))).toThrow(
          expect.objectContaining({ code: "BAD_SEAL" }),
        )
      }),
      { numRuns: fuzzRuns(100) },
    )
    for (const wire of [[two!], [one!, one!], [two!, one!]])
      expect(() => openAll(Buffer.concat(wire))).toThrow(
        expect.objectContaining({ code: "BAD_SEAL" }),
      )
  })
  it.each([
    ["an empty one", [0, 0, 0, 0]],
    ["one above 64 KiB", [0, 1, 0, 1]],
    ["an end with content", [1, 0, 0, 1]],
    ["an unknown kind", [2, 0, 0, 1]],
  ])("refuses %s before it keeps a byte of it", (_name, head) => {
    expect(() => openAll(Uint8Array.from(head))).toThrow(
      expect.objectContaining({ code: "BAD_SEAL" }),
    )
  })
  it("refuses whatever follows the end", () => {
    const wire = Buffer.concat([...new Sealer(key).end(), Buffer.from([0])])
    expect(() => openAll(wire)).toThrow(expect.objectContaining({ code: "BAD_SEAL" }))
  })
  it("never gives out content of noise", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
        try {
          expect(openAll(noise).content.length).toBe(0)
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_SEAL" })
        }
      }),
      { numRuns: fuzzRuns(200) },
    )
  })
})

describe("the keys of a line", () => {
  it("are HKDF-SHA-256 of the offer's key over all that was said in the clear", () => {
    const opening = { purpose: "pieces" as const, id, nonce: new Uint8Array(32).fill(1) }
    const answer = new Uint8Array(32).fill(2)
    const hmac = (by: Uint8Array, ...parts: Uint8Array[]) =>
      createHmac("sha256", by).update(Buffer.concat(parts)).digest()
    const extracted = hmac(Buffer.concat([opening.nonce, answer]), key)
    const info = Buffer.concat([Buffer.from("allium/transfer/1\0"), Uint8Array.of(1), id])
    const first = hmac(extracted, info, Uint8Array.of(1))
    const second = hmac(extracted, first, info, Uint8Array.of(2))
    const keys = deriveLineKeys(key, opening, answer)
    expect(Buffer.from(keys.opener)).toEqual(first)
    expect(Buffer.from(keys.answerer)).toEqual(second)
  })
  it("are announced in 50 bytes, which are read back", () => {
    const opening = { purpose: "pieces" as const, id, nonce: new Uint8Array(32).fill(1) }
    const bytes = writeOpening(opening)
    expect(bytes.length).toBe(OPENING_BYTES)
    expect(readOpening(new Uint8Array(bytes))).toEqual(opening)
  })
  it("are refused for other first bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 50, maxLength: 50 }), (bytes) => {
        fc.pre(bytes[0] !== 1 || bytes[1] !== 1)
        expect(() => readOpening(bytes)).toThrow(expect.objectContaining({ code: "BAD_RECORD" }))
      }),
      { numRuns: fuzzRuns(100) },
    )
  })
})

describe("a sealed line", () => {
  it("brings bytes both ways, with an end each, and shows nothing of them", async () => {
    const { near, far, seen } = await meet()
    const secret = Buffer.alloc(200_000, "the secret ")
    near.end(secret)
    far.end("and back")
    expect((await readAll(far)).equals(secret)).toBe(true)
    expect(String(await readAll(near))).toBe("and back")
    expect(Buffer.concat(seen).includes("secret")).toBe(false)
  })
  it("stops a writer whose reader does not read", async () => {
    const { near, far } = await meet()
    let written = 0
    for (; written < 10_000_000 && near.write(Buffer.alloc(65_536)); written += 65_536)
      await new Promise(setImmediate)
    expect(written).toBeLessThan(1_000_000)
    near.end()
    expect((await readAll(far)).length).toBe(written + 65_536)
  })
  it("gives bytes back with the callback of their write: they may change then", async () => {
    const { near, far } = await meet()
    const room = Buffer.alloc(300_000, 1)
    const read = readAll(far)
    for (const value of [1, 2, 3])
      await new Promise<void>((resolve) => near.write(room.fill(value), () => resolve()))
    near.end(room.fill(4))
    const got = await read
    const expected = [1, 2, 3, 4].map((value) => Buffer.alloc(room.length, value))
    expect(got.equals(Buffer.concat(expected))).toBe(true)
  })
  it("finds a cut: content came, its end did not", async () => {
    const { near, far, carrier } = await meet()
    near.write("half")
    const read = readAll(far)
    await new Promise(setImmediate)
    carrier.push(null)
    await expect(read).rejects.toMatchObject({ code: "CHANNEL_RESET" })
  })
  it("opens nothing when the keys differ", async () => {
    const { near, far } = await meet({ answererKey: new Uint8Array(32).fill(8) })
    near.end("x")
    await expect(readAll(far)).rejects.toMatchObject({ code: "BAD_SEAL" })
  })
  it("is not answered for an id that is not theirs", async () => {
    await expect(meet({ isKnown: false })).rejects.toMatchObject({
      code: expect.stringMatching(/NOT_FOUND|CHANNEL_RESET/),
    })
  })
})

const random = (byteCount: number) => new Uint8Array(byteCount).fill(byteCount % 251)

async function meet({ answererKey = key, isKnown = true } = {}) {
  const [one, other, seen] = makeCarriers()
  const find = () => (isKnown ? { key: answererKey } : undefined)
  const [near, answered] = await Promise.all([
    openLine(one, { purpose: "pieces", id, key }, random),
    answerLine(other, find, random),
  ])
  expect(answered.purpose).toBe("pieces")
  return { near, far: answered.line, carrier: other, seen }
}

/** Two ends joined; each write arrives in a later turn. */
function makeCarriers(): [Duplex, Duplex, Buffer[]] {
  const seen: Buffer[] = []
  const wanted = new Map<Duplex, () => void>()
  const make = (other: () => Duplex) =>
    new Duplex({
      read() {
        wanted.get(this)?.()
        wanted.delete(this)
      },
      write(chunk: Buffer, _encoding, done) {
        seen.push(chunk)
        setImmediate(() => {
          if (other().push(chunk)) done()
          else wanted.set(other(), done)
        })
      },
      final(done) {
        other().push(null)
        done()
      },
      destroy(error, done) {
        setImmediate(() => void (other().destroyed || other().destroy()))
        done(error)
      },
    })
  const one: Duplex = make(() => other)
  const other: Duplex = make(() => one)
  for (const end of [one, other]) end.on("error", () => {})
  return [one, other, seen]
}

async function readAll(line: SealedLine): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of line) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

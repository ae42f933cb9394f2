import { createHash, randomBytes } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable } from "node:stream"
import { buffer } from "node:stream/consumers"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { ReadAhead } from "../../../../src/base/http/read-ahead.ts"
import { SpoolPlace } from "../../../../src/base/spool.ts"

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "allium-ahead-"))
})
afterAll(() => rm(folder, { recursive: true }))

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** Bytes in chunks, and how many of them were taken. */
function source(bytes: Buffer) {
  const chunks = Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, index) =>
    bytes.subarray(index * 65_536, (index + 1) * 65_536),
  )
  const state = { taken: 0 }
  const from = Readable.from(
    (function* () {
      for (const chunk of chunks) {
        state.taken += chunk.length
        yield chunk
      }
    })(),
    { highWaterMark: 1 },
  )
  return { from, state }
}

describe("ReadAhead", () => {
  it("A14: takes four mebibytes of an answer that nobody reads, and no more", async () => {
    const bytes = randomBytes(8 * 2 ** 20)
    const place = new SpoolPlace(folder, 2 ** 30)
    const { from, state } = source(bytes)
    const ahead = from.pipe(new ReadAhead(place))
    await expect.poll(() => state.taken).toBeGreaterThan(4 * 2 ** 20 - 65_536)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(state.taken).toBeLessThan(4.4 * 2 ** 20)
    expect(sha256(await buffer(ahead))).toBe(sha256(bytes))
    expect(place.bytesUsed).toBe(0)
  })

  it("waits instead of failing when the place is full", async () => {
    const bytes = randomBytes(3 * 2 ** 20)
    const place = new SpoolPlace(folder, 100_000)
    const ahead = source(bytes).from.pipe(new ReadAhead(place))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(ahead.waitingBytes).toBeLessThan(300_000)
    expect(sha256(await buffer(ahead))).toBe(sha256(bytes))
  })
})

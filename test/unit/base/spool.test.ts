import { randomBytes } from "node:crypto"
import { mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable } from "node:stream"
import { buffer } from "node:stream/consumers"
import { setTimeout as wait } from "node:timers/promises"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { SPOOL_MEMORY_BYTES, Spool, SpoolPlace } from "../../../src/base/spool.ts"
import { openSpoolFile } from "../../../src/base/spool-file.ts"

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "allium-spool-"))
})
afterAll(() => rm(folder, { recursive: true }))

/** Writes everything without waiting for a reader; resolves when the spool has taken it. */
async function fill(spool: Spool, chunks: readonly Uint8Array[]): Promise<void> {
  for (const chunk of chunks)
    await new Promise<void>((resolve, reject) =>
      spool.write(chunk, (error) => (error ? reject(error) : resolve())),
    )
}

const place = (bytesMax = 2 ** 20) => new SpoolPlace(folder, bytesMax)

describe("Spool", () => {
  it("takes everything while nobody reads, and gives it in order afterwards", async () => {
    const own = place()
    const spool = new Spool(own, { memoryBytesMax: 1_000 })
    const chunks = Array.from({ length: 50 }, () => randomBytes(997))
    await fill(spool, chunks)
    expect(own.bytesUsed).toBeGreaterThan(30_000)
    spool.end()
    expect(await buffer(spool)).toEqual(Buffer.concat(chunks))
    expect(own.bytesUsed).toBe(0)
  })

  it("keeps order whatever the sizes and whenever somebody reads", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 3_000 }), { maxLength: 40 }),
        fc.integer({ min: 0, max: 4_000 }),
        fc.integer({ min: 1, max: 5 }),
        async (sizes, memoryBytesMax, every) => {
          const spool = new Spool(place(), { memoryBytesMax })
          const chunks = sizes.map((size) => randomBytes(size))
          const got: Buffer[] = []
          for (const [index, chunk] of chunks.entries()) {
            await fill(spool, [chunk])
            const read: Buffer | null = index % every === 0 ? spool.read() : null
            if (read !== null) got.push(read)
          }
          spool.end()
          got.push(await buffer(spool))
          expect(Buffer.concat(got).equals(Buffer.concat(chunks))).toBe(true)
        },
      ),
      { numRuns: 150 },
    )
  })

  it("fails with SPOOL_FULL beyond its place, and gives the room back", async () => {
    const own = place(10_000)
    const spool = new Spool(own, { memoryBytesMax: 0 })
    const failed = new Promise((resolve) => spool.on("error", resolve))
    await fill(spool, [randomBytes(9_000)])
    spool.write(randomBytes(2_000))
    expect(await failed).toMatchObject({ code: "SPOOL_FULL" })
    expect(own.bytesUsed).toBe(0)
  })

  it("bounds what waits, not what passes: a ring smaller than the stream is enough", async () => {
    const spool = new Spool(place(40_000), { memoryBytesMax: 0 })
    const bytes = randomBytes(400_000)
    const got: Buffer[] = []
    for (let at = 0; at < bytes.length; at += 10_000) {
      await fill(spool, [bytes.subarray(at, at + 10_000)])
      while (spool.waitingBytes > 20_000) {
        const read: Buffer | null = spool.read()
        if (read === null) await wait(1)
        else got.push(read)
      }
    }
    spool.end()
    got.push(await buffer(spool))
    expect(Buffer.concat(got).equals(bytes)).toBe(true)
  })

  it("holds no more in memory than its bound and one buffer, however much waits", async () => {
    const own = place(2 ** 24)
    const spool = new Spool(own)
    await fill(
      spool,
      Array.from({ length: 128 }, () => randomBytes(64 * 1024)),
    )
    expect(2 ** 23 - own.bytesUsed).toBeLessThanOrEqual(SPOOL_MEMORY_BYTES + 64 * 1024)
    spool.destroy()
  })

  it("leaves no file when it is destroyed half way", async () => {
    const spool = new Spool(place(), { memoryBytesMax: 0 })
    await fill(spool, [randomBytes(5_000)])
    spool.destroy()
    await new Promise((resolve) => spool.once("close", resolve))
    expect(await readdir(folder)).toEqual([])
  })

  it("passes the source's end on when it was empty", async () => {
    const spool = new Spool(place())
    expect((await buffer(Readable.from([]).pipe(spool))).length).toBe(0)
  })
})

describe("openSpoolFile()", () => {
  it.skipIf(process.platform !== "linux")("writes nothing readable to the disk", async () => {
    await using file = await openSpoolFile(folder, 1_000)
    await file.write(Buffer.from("a secret page"))
    const links = await Promise.all(
      (await readdir("/proc/self/fd")).map(async (number) => {
        const path = `/proc/self/fd/${number}`
        return { path, target: await readlink(path).catch(() => "") }
      }),
    )
    const { path } = links.find(({ target }) => target.startsWith(folder))!
    const onDisk = await readFile(path)
    expect([onDisk.length, onDisk.includes("secret")]).toEqual([13, false])
    expect((await file.read(1_000)).toString()).toBe("a secret page")
  })

  it("wraps around its end", async () => {
    await using file = await openSpoolFile(folder, 10)
    await file.write(Buffer.from("1234567"))
    expect((await file.read(5)).toString()).toBe("12345")
    await file.write(Buffer.from("abcdefgh"))
    expect(file.byteCount).toBe(10)
    expect(Buffer.concat([await file.read(99), await file.read(99)]).toString()).toBe("67abcdefgh")
  })
})

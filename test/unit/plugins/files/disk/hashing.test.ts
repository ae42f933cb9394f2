import { createHash } from "node:crypto"
import { mkdtemp, open, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Hashing } from "../../../../../plugins/files/disk/hashing.ts"

const BYTES = Buffer.from("so much of a file as a test needs")
const SHA1 = createHash("sha1").update(BYTES).digest()
const IDLE_MS = 20

describe("the hashing threads", () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-hashing-"))
    await writeFile(join(folder, "file"), BYTES)
  })
  afterAll(() => rm(folder, { recursive: true }))

  async function withFile(deed: (hashing: Hashing, descriptor: number) => Promise<void>) {
    await using hashing = new Hashing({ idleMs: IDLE_MS })
    const file = await open(join(folder, "file"))
    try {
      await deed(hashing, file.fd)
    } finally {
      await file.close()
    }
  }
  const whole = (descriptor: number) => ({
    algorithm: "sha1" as const,
    spans: [[descriptor, 0, BYTES.length]] as const,
    blockBytes: 0,
  })
  const ended = async (hashing: Hashing) => {
    for (let tries = 0; hashing.threads > 0 && tries < 200; tries++) await sleep(IDLE_MS)
    return hashing.threads === 0
  }

  it("end when there was nothing to hash for a while, and begin again when there is", async () => {
    await withFile(async (hashing, descriptor) => {
      expect(hashing.threads).toBe(0)
      for (let time = 0; time < 2; time++) {
        expect(Buffer.from(await hashing.hash(whole(descriptor)))).toEqual(SHA1)
        expect(hashing.threads).toBeGreaterThan(0)
        expect(await ended(hashing)).toBe(true)
      }
    })
  })

  it("stay while a row has not ended, for they have what it came to", async () => {
    await withFile(async (hashing, descriptor) => {
      const row = hashing.openRow("sha1")
      await row.add([[descriptor, 0, 7]])
      await sleep(5 * IDLE_MS)
      expect(hashing.threads).toBe(1)
      const digest = await row.end([[descriptor, 7, BYTES.length - 7]])
      expect(Buffer.from(digest)).toEqual(SHA1)
      expect(await ended(hashing)).toBe(true)
    })
  })

  it("end after a row that failed and was dropped afterwards", async () => {
    await withFile(async (hashing, descriptor) => {
      const row = hashing.openRow("sha1")
      expect(await row.end([[descriptor, 0, BYTES.length + 1]])).toBe("EOF")
      await row.drop()
      const next = hashing.openRow("sha1")
      expect(await next.add([[descriptor, 0, 1]])).toBeInstanceOf(Uint8Array)
      await next.drop()
      expect(await ended(hashing)).toBe(true)
    })
  })
})

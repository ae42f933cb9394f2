import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import fc from "fast-check"
import { Level } from "level"
import { beforeAll, describe, expect, it } from "vitest"
import { readBatch, readEdits } from "../../../src/store/leveldb/batches.ts"
import { crc32c } from "../../../src/store/leveldb/crc32c.ts"
import { Unreadable } from "../../../src/store/leveldb/cursor.ts"
import { readLog } from "../../../src/store/leveldb/log-file.ts"
import { readTable, type StoredEntry } from "../../../src/store/leveldb/table-file.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import { makeFolder } from "./store-folder.ts"

/** Files that LevelDB itself wrote: 40 entries in a table, 40 in a log, one of them removed in each. */
const files: Record<"ldb" | "log" | "manifest", Buffer> = {
  ldb: Buffer.alloc(0),
  log: Buffer.alloc(0),
  manifest: Buffer.alloc(0),
}

beforeAll(async () => {
  const [folder, remove] = await makeFolder()
  for (const round of ["a", "b"]) {
    const level = new Level<string, string>(folder, { compression: false, blockSize: 1024 })
    for (let index = 0; index < 40; index++) await level.put(`${round}${index}`, "x".repeat(index))
    await level.del(`${round}7`)
    await level.close()
  }
  for (const name of (await readdir(folder)).sort()) {
    const kind = name.startsWith("MANIFEST") ? "manifest" : name.slice(-3)
    if (kind in files) files[kind as keyof typeof files] = await readFile(join(folder, name))
  }
  return remove
})

const content = (entries: readonly StoredEntry[]) => {
  const found = new Map<string, string | undefined>()
  for (const { key, value } of [...entries].sort((a, b) => Number(a.sequence - b.sequence)))
    found.set(Buffer.from(key).toString(), value && Buffer.from(value).toString())
  return found
}
const expected = (round: string) =>
  new Map(
    Array.from({ length: 40 }, (_, index) => [
      `${round}${index}`,
      index === 7 ? undefined : "x".repeat(index),
    ]),
  )

/** Every bit of `bytes` in turn; `check` says how it could be seen. */
function flipEveryBit(bytes: Buffer, check: (damaged: Buffer) => boolean): number[] {
  const unseen: number[] = []
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    if (!check(bytes)) unseen.push(bit)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
  }
  return unseen
}

describe("crc32c()", () => {
  it.each([
    // RFC 3720, appendix B.4
    { name: "32 zeros", bytes: new Uint8Array(32), crc: 0x8a9136aa },
    { name: "32 ones", bytes: new Uint8Array(32).fill(0xff), crc: 0x62a8ab43 },
    { name: "0 to 31", bytes: Uint8Array.from({ length: 32 }, (_, at) => at), crc: 0x46dd794e },
    {
      name: "31 to 0",
      bytes: Uint8Array.from({ length: 32 }, (_, at) => 31 - at),
      crc: 0x113fdb5c,
    },
    { name: "123456789", bytes: Buffer.from("123456789"), crc: 0xe3069283 },
  ])("agrees with the published value for $name", ({ bytes, crc }) => {
    expect(crc32c(bytes)).toBe(crc)
    expect(crc32c(bytes.subarray(0, 5), bytes.subarray(5))).toBe(crc)
  })
})

describe("readTable()", () => {
  it("reads what LevelDB wrote, removals too", () => {
    const { entries, damageCount } = readTable(files.ldb, "entries")
    expect(damageCount).toBe(0)
    const wanted = expected("a")
    if (!content(entries).has("a7")) wanted.delete("a7") // LevelDB may drop a removal at the last level
    expect(content(entries)).toEqual(wanted)
  })

  it("sees every single flipped bit", () => {
    const unseen = flipEveryBit(files.ldb, (bytes) => readTable(bytes, "checksums").damageCount > 0)
    expect(unseen).toEqual([])
  })

  it("sees every cut", () => {
    for (let length = 0; length < files.ldb.length; length++)
      expect(readTable(files.ldb.subarray(0, length), "checksums").damageCount).toBeGreaterThan(0)
  })

  it("never gives an entry that was not written, and never throws", () => {
    const damage = fc.tuple(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 40 }))
    fc.assert(
      fc.property(damage, ([at, patch]) => {
        const bytes = Buffer.from(files.ldb)
        bytes.set(patch, at % (bytes.length - patch.length))
        for (const [key, value] of content(readTable(bytes, "entries").entries))
          expect(value).toBe(expected("a").get(key))
      }),
      { numRuns: 2000 },
    )
  })

  it("answers any bytes with damage", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(readTable(bytes, "entries").damageCount).toBeGreaterThan(0)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("readLog()", () => {
  it("reads what LevelDB wrote", () => {
    const { records, damageCount, tornBytes } = readLog(files.log)
    expect([damageCount, tornBytes]).toEqual([0, 0])
    expect(content(records.flatMap(readBatch))).toEqual(expected("b"))
  })

  it("sees every single flipped bit", () => {
    const unseen = flipEveryBit(files.log, (bytes) => {
      const { damageCount, tornBytes } = readLog(bytes)
      return damageCount > 0 || tornBytes > 0
    })
    expect(unseen).toEqual([])
  })

  it("takes a cut inside the last record for torn, and gives the records before it", () => {
    const last = readLog(files.log).records.at(-1)!
    for (let cut = 1; cut < last.length + 7; cut++) {
      const { records, damageCount, tornBytes } = readLog(files.log.subarray(0, -cut))
      expect([records.length, damageCount]).toEqual([40, 0])
      expect(tornBytes).toBe(last.length + 7 - cut)
    }
  })

  it("reads records that span blocks of 32 KiB, and goes on behind a damaged one", async () => {
    const [folder, remove] = await makeFolder()
    const level = new Level<string, string>(folder, { compression: false })
    for (let index = 0; index < 5; index++) await level.put(`k${index}`, "y".repeat(50_000))
    await level.close()
    const name = (await readdir(folder)).find((one) => one.endsWith(".log"))!
    const bytes = await readFile(join(folder, name))
    await remove()
    expect(readLog(bytes).records).toHaveLength(5)
    bytes[70_000]! ^= 1
    const { records, damageCount } = readLog(bytes)
    expect(damageCount).toBeGreaterThan(0)
    const keys = records.flatMap(readBatch).map(({ key }) => Buffer.from(key).toString())
    expect(keys).toEqual(["k0", "k2", "k3", "k4"])
  })

  it("never throws and never reads past the end", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const { records, damageCount, tornBytes } = readLog(bytes)
        const told = records.length + damageCount + tornBytes
        expect(bytes.length >= 7 && bytes.some((byte) => byte !== 0) ? told : 1).toBeGreaterThan(0)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("readEdits()", () => {
  it("lists the table and the log", () => {
    const { tables, logNumber } = readEdits(readLog(files.manifest).records)
    expect([...tables.values()]).toEqual([files.ldb.length])
    expect(logNumber).toBeGreaterThan(0)
  })

  it("gives files or Unreadable for any record", () => {
    const record = fc.uint8Array({ maxLength: 60 })
    fc.assert(
      fc.property(record, (bytes) => {
        for (const read of [readBatch, (one: Uint8Array) => readEdits([one])])
          try {
            read(bytes)
          } catch (error) {
            if (!(error instanceof Unreadable)) throw error
          }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

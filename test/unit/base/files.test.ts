import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createFileDurably, readFileIfThere, writeFileDurably } from "../../../src/base/files.ts"

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "allium-files-"))
  path = join(folder, "file")
})
afterEach(() => rm(folder, { recursive: true, force: true }))
const bytes = Uint8Array.of(1, 2, 3)

describe("writeFileDurably()", () => {
  it("makes a file with exactly that mode, whatever the umask", async () => {
    const before = process.umask(0o777)
    try {
      await writeFileDurably(path, bytes, 0o640)
    } finally {
      process.umask(before)
    }
    expect((await stat(path)).mode & 0o777).toBe(0o640)
    expect(await readFileIfThere(path)).toStrictEqual(bytes)
  })

  it("replaces a file and its mode", async () => {
    await writeFile(path, "longer than before", { mode: 0o644 })
    await writeFileDurably(path, bytes, 0o600)
    expect(await readFileIfThere(path)).toStrictEqual(bytes)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(["file"])
  })

  it("leaves the old file and no other when it fails", async () => {
    await rm(path, { force: true })
    const inner = join(folder, "full")
    await writeFile(join(folder, "before"), "x")
    await expect(writeFileDurably(join(inner, "file"), bytes, 0o600)).rejects.toMatchObject({
      code: "ENOENT",
    })
    expect(await readdir(folder)).toEqual(["before"])
  })

  it("always shows readers one whole version", async () => {
    const versions = Array.from({ length: 20 }, (_, index) => new Uint8Array(5000).fill(index))
    await writeFileDurably(path, versions[0]!, 0o600)
    const writing = Promise.all(versions.map((one) => writeFileDurably(path, one, 0o600)))
    for (let read = 0; read < 50; read++) {
      const found = new Uint8Array(await readFile(path))
      expect(found).toEqual(new Uint8Array(5000).fill(found[0]!))
    }
    await writing
    expect(await readdir(folder)).toEqual(["file"])
  })
})

describe("createFileDurably()", () => {
  it("lets one of several writers win and the others know", async () => {
    const attempts = [1, 2, 3, 4].map((number) =>
      createFileDurably(path, Uint8Array.of(number), 0o600),
    )
    const results = await Promise.allSettled(attempts)
    const winner = results.findIndex(({ status }) => status === "fulfilled")
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1)
    for (const result of results)
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "EEXIST" })
    expect(await readFileIfThere(path)).toStrictEqual(Uint8Array.of(winner + 1))
    expect(await readdir(folder)).toEqual(["file"])
  })
})

describe("readFileIfThere()", () => {
  it("tells a missing file from one that cannot be read", async () => {
    expect(await readFileIfThere(path)).toBeUndefined()
    await expect(readFileIfThere(folder)).rejects.toMatchObject({ code: "EISDIR" })
  })
})

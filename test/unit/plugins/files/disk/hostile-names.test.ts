import { randomBytes } from "node:crypto"
import { lstat, mkdir, readdir, readFile, symlink } from "node:fs/promises"
import { join } from "node:path"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { openPartStore } from "../../../../../plugins/files/disk/part-store.ts"
import { recheck } from "../../../../../plugins/files/disk/recheck.ts"
import { Paths } from "../../../../../plugins/files/disk/safe-paths.ts"
import { readInfo } from "../../../../../plugins/files/torrent/metainfo.ts"
import { writeInfo } from "../../../../../plugins/files/torrent/metainfo-write.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"
import { fillStore, freshFolder, sha1Of, sharedRoom, signal } from "./made.ts"

const room = sharedRoom()
const corpus: { why: string; path: string[] }[] = JSON.parse(
  await readFile(
    new URL("../../../../vectors/torrent/hostile-paths.json", import.meta.url),
    "utf8",
  ),
)

/** What no part of a path may be or have, whatever the system. */
const UNSAFE = /[/\\:*?"<>|\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|^[\s.~-]|[\s.]$|^$/u
const DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|\s|$)/i

/** Everything below a folder, links not followed. */
async function allBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.map(
    (entry) => `${entry.isSymbolicLink() ? "link " : ""}${join(entry.parentPath, entry.name)}`,
  )
}

/** Downloads a torrent with these paths, a few bytes each, and gives the files their names. */
async function download(folder: string, name: string, paths: readonly (readonly string[])[]) {
  const content = randomBytes(paths.length * 10)
  const files = paths.map((path) => ({ path, size: 10 }))
  const pieceHashes = sha1Of(content, 65_536)
  const metainfo = readInfo(writeInfo({ name, content: files, pieceBytes: 65_536, pieceHashes }))
  const store = await openPartStore({ room, metainfo, folder, id: "abc" })
  await fillStore(store, content)
  await recheck(store, { signal })
  const placed = await store.finish()
  await store.discard()
  return { placed, content }
}

describe("received paths", () => {
  it.each(corpus)("are harmless: $why", ({ path }) => {
    const placed = new Paths().place(path)
    expect(placed).toHaveLength(path.length)
    for (const part of placed) {
      expect(part).not.toMatch(UNSAFE)
      expect(part).not.toMatch(DEVICE)
      expect(part.normalize("NFC")).toBe(part)
      expect(Buffer.byteLength(part)).toBeLessThanOrEqual(255)
    }
  })

  it("are all different on systems that know no case and no forms", () => {
    const paths = new Paths()
    const placed = corpus.map(({ path }) =>
      paths.place(path).join("/").normalize("NFKC").toUpperCase(),
    )
    expect(new Set(placed).size).toBe(corpus.length)
  })

  it("are refused when they are too deep, too long, or the same too often", () => {
    const refused = expect.objectContaining({ code: "BAD_TORRENT" })
    expect(() => new Paths().place(Array(33).fill("a"))).toThrow(refused)
    expect(() => new Paths().place(Array(32).fill("a".repeat(100)))).toThrow(refused)
    expect(() => new Paths().place([])).toThrow(refused)
    const paths = new Paths()
    expect(() => {
      for (let time = 0; time < 1_000; time++) paths.place(["same"])
    }).toThrow(refused)
  })

  it("never lead out of the folder, however hostile", () => {
    const nasty = fc.constantFrom(...corpus.flatMap(({ path }) => path))
    const part = fc.oneof(
      nasty,
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.constantFrom("..", ".", "/"),
    )
    void fc.assert(
      fc.property(
        fc.array(fc.array(part, { minLength: 1, maxLength: 6 }), { maxLength: 6 }),
        (received) => {
          const paths = new Paths()
          for (const one of received) {
            const joined = join("/chosen", ...paths.place(one))
            expect(joined.startsWith("/chosen/")).toBe(true)
            expect(joined.split("/")).toHaveLength(one.length + 2)
          }
        },
      ),
      { numRuns: fuzzRuns(40) },
    )
  })
})

describe("a hostile torrent", () => {
  it("writes nothing outside the chosen folder, and nothing through a link", async () => {
    const above = await freshFolder()
    const folder = join(above, "chosen")
    await mkdir(folder)
    await mkdir(join(above, "etc"))
    await symlink(join(above, "etc"), join(folder, "etc"))
    await symlink(above, join(folder, "a"))
    const before = await allBelow(above)
    const { placed, content } = await download(
      folder,
      "../../etc",
      corpus.map(({ path }) => path),
    )
    const root = placed[0]!.slice(folder.length + 1).split("/")[0]!
    const fresh = (await allBelow(above)).filter((path) => !before.includes(path))
    expect(fresh.filter((path) => !path.startsWith(join(folder, root)))).toEqual([])
    expect(placed).toHaveLength(corpus.length)
    const bytes = await Promise.all(placed.map((path) => readFile(path)))
    expect(Buffer.concat(bytes).equals(content)).toBe(true)
    for (const path of placed) expect((await lstat(path)).isFile()).toBe(true)
  })

  it("named like a link in the folder gets another name", async () => {
    const above = await freshFolder()
    const folder = join(above, "chosen")
    await mkdir(folder)
    await mkdir(join(above, "elsewhere"))
    await symlink(join(above, "elsewhere"), join(folder, "things"))
    const { placed } = await download(folder, "things", [["x"]])
    expect(placed).toEqual([join(folder, "things (1)", "x")])
    expect(await readdir(join(above, "elsewhere"))).toEqual([])
  })
})

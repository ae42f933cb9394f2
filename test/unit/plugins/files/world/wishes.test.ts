import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { TorrentFile } from "../../../../../plugins/files/torrent/metainfo-files.ts"
import { readTarget, readTorrentFile } from "../../../../../plugins/files/world/target.ts"
import { unwantedFiles } from "../../../../../plugins/files/world/wanted-files.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"

const HEX = "0123456789abcdef0123456789abcdef01234567"

describe("readTarget()", () => {
  it.each([
    [HEX, "magnet"],
    [` ${HEX.toUpperCase()} `, "magnet"],
    ["AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYU", "magnet"],
    [`maggot://${HEX}:${HEX}`, "magnet"],
    [`magnet:?xt=urn:btih:${HEX}&dn=x`, "magnet"],
    ["/home/me/a.torrent", "file"],
    ["C:\\a.torrent", "file"],
    ["http://tracker2.postman.i2p/index.php?action=Download&id=7", "url"],
  ])("takes %j for a %s", (text, kind) => {
    expect(readTarget(text).kind).toBe(kind)
  })

  it.each([
    ["http://example.org/a.torrent", "BAD_INPUT"],
    ["https://a.i2p/a.torrent", "BAD_INPUT"],
    ["ftp://a.i2p/a.torrent", "BAD_INPUT"],
    ["magnet:?dn=x", "BAD_MAGNET"],
  ])("refuses %j", (text, code) => {
    expect(() => readTarget(text)).toThrow(expect.objectContaining({ code }))
  })
})

describe("readTorrentFile()", () => {
  let folder = ""
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-target-"))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it.each([
    ["nothing", undefined, "NOT_FOUND"],
    ["a folder", "folder", "BAD_TORRENT"],
    ["a bomb", new Uint8Array(13 * 2 ** 20), "BAD_TORRENT"],
    ["a page", "<html>", "BAD_TORRENT"],
  ])("refuses %s", async (name, content, code) => {
    const path = content === "folder" ? folder : join(folder, name)
    if (content !== undefined && content !== "folder") await writeFile(path, content)
    await expect(readTorrentFile(path)).rejects.toMatchObject({ code })
  })
})

describe("unwantedFiles()", () => {
  const files = ["a/one.flac", "a/Cover.JPG", "a/b/two.flac"].map(
    (path): TorrentFile => ({ path: path.split("/"), size: 1, offset: 0, kind: "file" }),
  )

  it.each([
    [[], []],
    [["*.flac"], [1]],
    [["cover"], [0, 2]],
    [["a/b/*"], [0, 1]],
    [["*.jpg", "one"], [2]],
    [["o*e.f*c"], [1, 2]],
    [["nothing"], undefined],
    [["*.flacx"], undefined],
  ])("of %j leaves out %j", (patterns, unwanted) => {
    expect(unwantedFiles(files, patterns)).toEqual(unwanted)
  })

  it("agrees with a regular expression", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 6 })
    const names = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(letters, names, (pattern, name) => {
        fc.pre(pattern.includes("*"))
        const file: TorrentFile = { path: [name], size: 1, offset: 0, kind: "file" }
        const expected = new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(name)
        expect(unwantedFiles([file], [pattern]) !== undefined).toBe(expected)
      }),
      { numRuns: fuzzRuns(300) },
    )
  })
})

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type Bencodable,
  encodeBencode,
} from "../../../../../plugins/files/torrent/bencode-write.ts"
import { PIECES_MAX, readInfo, readTorrent } from "../../../../../plugins/files/torrent/metainfo.ts"
import {
  choosePieceBytes,
  writeInfo,
  writeTorrent,
} from "../../../../../plugins/files/torrent/metainfo-write.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"
import { foreignContent, foreignTorrent, hashPieces } from "./foreign.ts"

const POSTMAN = "http://tracker2.postman.i2p/announce.php"
const DG2 = "http://opentracker.dg2.i2p/a"
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

describe("readTorrent()", () => {
  // Infohashes as transmission-show and libtorrent name them.
  it.each([
    ["mktorrent-single", "6a94f1c9165b18fae5977b3ab5f4d4bf24dcec47", 32_768, [[POSTMAN]], false],
    [
      "mktorrent-folder",
      "53f8f9ac4ac8a824d76d383e005cbf04ecba077d",
      65_536,
      [[POSTMAN], [DG2]],
      true,
    ],
    ["transmission-single", "fc87a17ec7d2cfd5b037a131d095883227b6c51c", 32_768, [[POSTMAN]], false],
    ["transmission-folder", "ecdff079f0c4caac205f88cde690464ba305144b", 65_536, [[DG2]], true],
    [
      "libtorrent-v1-folder",
      "4ea6ff4a8e3d45fbbc6820361cd2cead173e3f90",
      65_536,
      [[POSTMAN]],
      false,
    ],
    [
      "libtorrent-hybrid-folder",
      "75a093715ea7de3231ceed77cc57721c304391e1",
      65_536,
      [[POSTMAN]],
      false,
    ],
  ])("reads %s", (name, infohash, pieceBytes, tiers, isPrivate) => {
    const torrent = readTorrent(foreignTorrent(name))
    expect(hex(torrent.infohash)).toBe(infohash)
    expect(torrent).toMatchObject({ tiers, isPrivate, isFolder: name.endsWith("folder") })
    expect(torrent.geometry.pieceBytes).toBe(pieceBytes)
  })

  it("finds the files of a folder, and where they lie", () => {
    const { files } = readTorrent(foreignTorrent("libtorrent-v1-folder"))
    expect(files).toEqual([
      { path: ["album", "a.bin"], size: 100_000, offset: 0, kind: "file" },
      { path: ["album", "disc 1", "ü.txt"], size: 50_000, offset: 100_000, kind: "file" },
      { path: ["album", "empty"], size: 0, offset: 150_000, kind: "file" },
    ])
  })

  it("knows the padding of hybrids, which is never written", () => {
    const { files } = readTorrent(foreignTorrent("libtorrent-hybrid-folder"))
    expect(files.filter(({ kind }) => kind === "padding")).toHaveLength(2)
    expect(files[2]).toMatchObject({ path: ["album", "disc 1", "ü.txt"], offset: 131_072 })
  })

  it("says that v2 alone is not enough", () => {
    expect(() => readTorrent(foreignTorrent("libtorrent-v2-folder"))).toThrow(
      expect.objectContaining({
        code: "BAD_TORRENT",
        message: expect.stringContaining("v2 alone"),
      }),
    )
  })

  it("agrees with mktorrent and transmission on the hashes of pieces", () => {
    const hashes = hashPieces(foreignContent("single"), 32_768)
    expect(readTorrent(foreignTorrent("mktorrent-single")).pieceHashes).toEqual(hashes)
    expect(readTorrent(foreignTorrent("transmission-single")).pieceHashes).toEqual(hashes)
  })

  it("throws nothing but BAD_TORRENT, whatever byte is damaged", () => {
    const torrents = ["mktorrent-folder", "libtorrent-hybrid-folder"].map(foreignTorrent)
    fc.assert(
      fc.property(fc.nat(), fc.nat(255), fc.constantFrom(...torrents), (at, byte, torrent) => {
        const damaged = torrent.slice()
        damaged[at % damaged.length] = byte
        expectSafe(damaged)
        expectSafe(damaged.subarray(0, at % damaged.length))
      }),
      { numRuns: fuzzRuns(300) },
    )
  })
})

function expectSafe(bytes: Uint8Array): void {
  try {
    for (const { path } of readTorrent(bytes).files)
      for (const part of path) expect(part).not.toMatch(/^\.|[/\\\0]|^$/)
  } catch (error) {
    if ((error as Error).name !== "AlliumError") throw error
    expect(error).toMatchObject({ code: "BAD_TORRENT" })
  }
}

type Members = { [key: string]: Bencodable | undefined }

/** An info dictionary of one piece; `change` says what is wrong with it. */
function info(change: Members = {}): Uint8Array {
  const usual = { length: 100, name: "a", "piece length": 16_384, pieces: new Uint8Array(20) }
  return encodeBencode({ ...usual, ...change })
}

/** One of these files, in a folder. */
function folder(...files: Members[]): Uint8Array {
  return info({
    length: undefined,
    files: files.map((file) => ({ length: 1, path: ["x"], ...file })),
  })
}

describe("readInfo()", () => {
  it.each<[string, Members]>([
    ["no name", { name: undefined }],
    ["a name that is a number", { name: 3 }],
    ["a negative length", { length: -1 }],
    ["a length beyond 16 TiB", { length: 2 ** 44 + 1 }],
    ["neither length nor files", { length: undefined }],
    ["no files at all", { files: [] }],
    ["files that are no dictionaries", { files: ["x"] }],
    ["a piece length of 0", { "piece length": 0 }],
    ["a negative piece length", { "piece length": -16_384 }],
    ["pieces beyond 32 MiB", { "piece length": 2 ** 26 }],
    ["no pieces", { pieces: undefined }],
    ["too few hashes", { pieces: new Uint8Array() }],
    ["too many hashes", { pieces: new Uint8Array(40) }],
    ["half a hash", { pieces: new Uint8Array(30) }],
    ["more pieces than may be", { length: (PIECES_MAX + 1) * 1_024, "piece length": 1_024 }],
  ])("refuses %s", (_, change) => {
    expect(() => readInfo(info(change))).toThrow(expect.objectContaining({ code: "BAD_TORRENT" }))
  })

  it.each<[string, Members]>([
    ["no path", { path: undefined }],
    ["an empty path", { path: [] }],
    ["a path of numbers", { path: [1] }],
    ["a path of 33 folders", { path: Array(33).fill("a") }],
    ["a path of 3,000 bytes", { path: Array(20).fill("ä".repeat(90)) }],
    ["no length", { length: undefined }],
    ["a negative length", { length: -5 }],
    ["a length that overflows with the first", { length: 2 ** 44 }],
  ])("refuses a file with %s", (_, change) => {
    expect(() => readInfo(folder({}, change))).toThrow(
      expect.objectContaining({ code: "BAD_TORRENT" }),
    )
  })

  it("refuses 20,001 files, and more values than a torrent has", () => {
    const many = Array(20_001).fill({})
    expect(() => readInfo(folder(...many))).toThrow(/20001 files/)
    expect(() => readInfo(info({ junk: Array(200_001).fill(0) }))).toThrow(/too many values/)
  })

  it("reads 20,000 files in one folder", () => {
    const files = Array.from({ length: 20_000 }, (_, index) => ({ path: [`${index}`], length: 0 }))
    // Comparing each with all others would take minutes.
    const { length } = readInfo(info({ length: undefined, files, pieces: "" })).files
    expect(length).toBe(20_000)
  }, 30_000)

  it.each([
    ["../../etc/passwd", "etc_passwd"],
    ["/etc/passwd", "_etc_passwd"],
    ["..", "file"],
    ["", "file"],
    ["con", "_con"],
    ["a\0b", "ab"],
    ["\u202Egnp.exe", "gnp.exe"],
    ["C:\\windows", "C__windows"],
    ["~", "file"],
  ])("makes the name %j harmless everywhere", (name, safe) => {
    const dots = /^[._]*/
    const single = readInfo(info({ name }))
    expect(single.name.replace(dots, "")).toBe(safe.replace(dots, ""))
    expect(single.files[0]?.path).toEqual([single.name])
    const inside = readInfo(folder({ path: [name, name] })).files[0]
    expect(inside?.path).toEqual(["a", single.name, single.name])
  })

  it("gives no two files the same path, not even where case does not matter", () => {
    const paths = [["b"], ["B"], ["b"], ["b", "c"], ["B", "c"], ["b:"], ["b*"], ["b (1)"]]
    const files = readInfo(
      folder(...paths.map((path) => ({ path, length: 0 })), { length: 1 }),
    ).files
    const folded = files.map(({ path }) => path.join("/").toLowerCase())
    expect(new Set(folded).size).toBe(folded.length)
    // No file is where a folder is.
    for (const path of folded)
      expect(folded.some((other) => other.startsWith(`${path}/`))).toBe(false)
  })

  it("gives up on torrents made of collisions", () => {
    expect(() => readInfo(folder(...Array(1_000).fill({ length: 0 })))).toThrow(/same name/)
  })

  it("reads an empty file, and a private flag that is text", () => {
    const empty = readInfo(info({ length: 0, pieces: "", private: "1" }))
    expect(empty.geometry.pieceCount).toBe(0)
    expect(empty.isPrivate).toBe(true)
  })
})

describe("announce URLs of a torrent", () => {
  const B64 = `${"Ab~-".repeat(129)}AAAA`
  it.each([
    [{ announce: POSTMAN }, [[POSTMAN]]],
    [{ announce: "http://tracker.example/announce" }, []],
    [{ announce: "udp://tracker2.postman.i2p/announce" }, []],
    [{ announce: "https://tracker2.postman.i2p/a" }, []],
    [{ announce: "http://user:pw@tracker2.postman.i2p/a" }, []],
    [{ announce: "http://tracker2.postman.i2p.example.com/a" }, []],
    [{ announce: "http://example.com#.i2p/a" }, []],
    [{ announce: "http://example.com\\.i2p/a" }, []],
    [{ announce: "http://TRACKER2.Postman.I2P" }, [["http://tracker2.postman.i2p/"]]],
    [{ announce: `http://${B64}.i2p/a` }, [[`http://${B64}.i2p/a`]]],
    [{ announce: "http://x.i2p:99999/a" }, []],
    [
      { announce: POSTMAN, "announce-list": [[DG2, "udp://x"], [DG2], [POSTMAN]] },
      [[DG2], [POSTMAN]],
    ],
    [{ announce: POSTMAN, "announce-list": [] }, [[POSTMAN]]],
    [{ announce: 5, "announce-list": [5, [6]] }, []],
    [{}, []],
  ])("of %j are %j", (outer: Members, tiers) => {
    const [head, rest] = [encodeBencode(outer).slice(0, -1), info()]
    const torrent = Buffer.concat([head, Buffer.from("4:info"), rest, Buffer.from("e")])
    expect(readTorrent(torrent).tiers).toEqual(tiers)
  })
})

describe("writeTorrent()", () => {
  it("writes the same info dictionary as mktorrent, transmission and libtorrent", () => {
    const plan = { name: "single.bin", content: 300_000, pieceBytes: 32_768 }
    const pieceHashes = hashPieces(foreignContent("single"), 32_768)
    const single = writeInfo({ ...plan, pieceHashes })
    expect(single).toEqual(readTorrent(foreignTorrent("mktorrent-single")).info)

    const content = new Uint8Array(Buffer.concat([foreignContent("a"), foreignContent("u")]))
    const folder = writeInfo({
      name: "album",
      content: [
        { path: ["a.bin"], size: 100_000 },
        { path: ["disc 1", "ü.txt"], size: 50_000 },
        { path: ["empty"], size: 0 },
      ],
      pieceBytes: 65_536,
      pieceHashes: hashPieces(content, 65_536),
    })
    expect(folder).toEqual(readTorrent(foreignTorrent("libtorrent-v1-folder")).info)
  })

  it("is read back as it was meant", () => {
    const plan = { name: "ü", content: 5, pieceBytes: 65_536, pieceHashes: new Uint8Array(20) }
    const dictionary = writeInfo({ ...plan, isPrivate: true, source: "here" })
    const outer = { tiers: [[POSTMAN], [DG2]], comment: "words", createdBy: "Allium" }
    const torrent = readTorrent(writeTorrent(dictionary, outer))
    expect(torrent).toMatchObject({ ...outer, name: "ü", isPrivate: true, info: dictionary })
    expect(readTorrent(writeTorrent(dictionary)).tiers).toEqual([])
  })

  it("keeps the bytes of foreign info dictionaries", () => {
    const { info } = readTorrent(foreignTorrent("libtorrent-hybrid-folder"))
    expect(readTorrent(writeTorrent(info, { tiers: [[DG2]] })).info).toEqual(info)
  })

  it("names no tracker outside I2P", () => {
    expect(() => writeTorrent(info(), { tiers: [["http://tracker.example/a"]] })).toThrow(
      RangeError,
    )
  })
})

describe("choosePieceBytes()", () => {
  it.each([
    [0, 64 * 1_024],
    [100e6, 64 * 1_024],
    [1e9, 512 * 1_024],
    [4e9, 2 ** 20],
    [20e9, 2 ** 20],
    [100e9, 8 * 2 ** 20],
    [2 ** 44, 32 * 2 ** 20],
  ])("for %d bytes is %d", (size, pieceBytes) => expect(choosePieceBytes(size)).toBe(pieceBytes))
})

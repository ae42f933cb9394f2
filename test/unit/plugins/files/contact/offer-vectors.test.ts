/** Offers as they have been on the wire since version 1: their bytes must be written, and read, for ever. */
import { describe, expect, it } from "vitest"
import { readLetter, writeLetter } from "../../../../../plugins/files/contact/letters.ts"

/** Laid out by hand from docs/protocol/transfer.md and the MessagePack specification. */
const HEAD = `
  a1 76                         01                     v: 1
  a4 6b696e64                   a5 6f66666572          kind: "offer"
  a2 6964                       c4 10 000102030405060708090a0b0c0d0e0f`
const FILE = `
  a4 6e616d65                   a9 66696c6d312e6d6b76  name: "film1.mkv"
  a8 6973466f6c646572           c2                     isFolder: false
  a4 73697a65                   ce 00012345            size: 74,565
  a9 66696c65436f756e74         01                     fileCount: 1
  a5 66696c6573                 91                     files: one
    82 a4 70617468              a9 66696c6d312e6d6b76  path: "film1.mkv"
       a4 73697a65              ce 00012345            size: 74,565`
const FOLDER = `
  a4 6e616d65                   a6 c3bc62756e67        name: "übung"
  a8 6973466f6c646572           c3                     isFolder: true
  a4 73697a65                   cd 0101                size: 257
  a9 66696c65436f756e74         cd 4e20                fileCount: 20,000
  a5 66696c6573                 92                     files: the first two
    82 a4 70617468              a5 612f622e63          path: "a/b.c"
       a4 73697a65              cc ff                  size: 255
    82 a4 70617468              a1 64                  path: "d"
       a4 73697a65              00                     size: 0`
const HASHES = `
  a8 696e666f68617368           c4 14 ${"11".repeat(20)}
  a4 696e666f                   c4 20 ${"22".repeat(32)}
  a6 736861323536               c4 20 ${"33".repeat(32)}
  a3 6b6579                     c4 20 ${"44".repeat(32)}`
const NOTE = `
  a4 6e6f7465                   a2 6869                note: "hi"`
const GROUP = `
  a5 67726f7570                 82                     group
    a2 6964                     c4 20 ${"55".repeat(32)}
    a7 66656c6c6f7773           92                     fellows: two
      c4 20 ${"66".repeat(32)}
      c4 20 ${"77".repeat(32)}`
const LONELY = `
  a5 67726f7570                 82                     group
    a2 6964                     c4 20 ${"55".repeat(32)}
    a7 66656c6c6f7773           90                     fellows: none`

const bytes = (byte: number, count: number) => new Uint8Array(count).fill(byte)
const begin = { kind: "offer" as const, id: Uint8Array.from({ length: 16 }, (_, at) => at) }
const file = {
  ...{ name: "film1.mkv", isFolder: false, size: 0x12345, fileCount: 1 },
  files: [{ path: "film1.mkv", size: 0x12345 }],
}
const folder = {
  ...{ name: "übung", isFolder: true, size: 257, fileCount: 20_000 },
  files: [
    { path: "a/b.c", size: 255 },
    { path: "d", size: 0 },
  ],
}
const hashes = {
  ...{ infohash: bytes(0x11, 20), info: bytes(0x22, 32) },
  ...{ sha256: bytes(0x33, 32), key: bytes(0x44, 32) },
}
const group = { id: bytes(0x55, 32), fellows: [bytes(0x66, 32), bytes(0x77, 32)] }

describe("offers, frozen", () => {
  it.each([
    ["a file", `8c ${HEAD}${FILE}${HASHES}`, { ...begin, ...file, ...hashes }],
    [
      "a folder, with a note",
      `8d ${HEAD}${FOLDER}${HASHES}${NOTE}`,
      { ...begin, ...folder, ...hashes, note: "hi" },
    ],
    [
      "a file to a group",
      `8d ${HEAD}${FILE}${HASHES}${GROUP}`,
      { ...begin, ...file, ...hashes, group },
    ],
    [
      "a folder to a group of two, with a note",
      `8e ${HEAD}${FOLDER}${HASHES}${NOTE}${LONELY}`,
      { ...begin, ...folder, ...hashes, note: "hi", group: { ...group, fellows: [] } },
    ],
  ])("are written and read: %s", (_name, layout, letter) => {
    const frozen = fromLayout(layout)
    expect(readLetter(frozen)).toEqual({ v: 1, ...letter })
    expect(Buffer.from(writeLetter(letter)).toString("hex")).toBe(frozen.toString("hex"))
  })

  it.each([
    ["8 TiB as an integer", "cf 0000080000000000"],
    ["8 TiB as a floating-point number", "cb 42a0000000000000"],
  ])("are read with a size of %s", (_name, size) => {
    const layout = `8c ${HEAD}${FILE.replace("ce 00012345", size)}${HASHES}`
    expect(readLetter(fromLayout(layout))).toMatchObject({ size: 2 ** 43 })
  })

  it.each([
    ["a group without fellows", `a5 67726f7570 81 a2 6964 c4 20 ${"55".repeat(32)}`],
    ["a fellow of 31 bytes", GROUP.replace(`c4 20 ${"77".repeat(32)}`, `c4 1f ${"77".repeat(31)}`)],
    ["a group that is nothing", "a5 67726f7570 c0"],
  ])("are refused with %s", (_name, end) => {
    const layout = `8d ${HEAD}${FILE}${HASHES}${end}`
    expect(() => readLetter(fromLayout(layout))).toThrow(
      expect.objectContaining({ code: "BAD_RECORD" }),
    )
  })
})

/** Hexadecimal digits, each line up to the words that explain it. */
function fromLayout(layout: string): Buffer {
  const digits = layout
    .split("\n")
    .map((line) => /^(?:\s*[0-9a-f]{2,}(?![^\s]))*/.exec(line)?.[0] ?? "")
  return Buffer.from(digits.join("").replaceAll(/\s/g, ""), "hex")
}

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Bitfield } from "../../../../../plugins/files/torrent/bitfield.ts"
import { type FilePlace, Geometry, spansOf } from "../../../../../plugins/files/torrent/geometry.ts"
import { PieceOrder } from "../../../../../plugins/files/torrent/piece-order.ts"
import { decodeProgress, encodeProgress } from "../../../../../plugins/files/torrent/resume.ts"
import { UploadQueue } from "../../../../../plugins/files/torrent/upload-queue.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"

describe("Bitfield", () => {
  it("has the first piece in the highest bit", () => {
    const bits = new Bitfield(10)
    for (const piece of [0, 8]) expect(bits.set(piece)).toBe(true)
    expect(bits.toBytes()).toEqual(Uint8Array.of(0x80, 0x80))
    expect(Bitfield.full(10).toBytes()).toEqual(Uint8Array.of(0xff, 0xc0))
  })

  it.each([
    ["too few bytes", Uint8Array.of(0xff), 10],
    ["too many bytes", Uint8Array.of(0xff, 0xc0, 0), 10],
    ["a spare bit", Uint8Array.of(0xff, 0xe0), 10],
    ["any byte for no pieces", Uint8Array.of(0), 0],
  ])("refuses %s", (_, bytes, length) => {
    expect(() => Bitfield.from(bytes, length)).toThrow(
      expect.objectContaining({ code: "PEER_PROTOCOL" }),
    )
  })

  it("is a set of numbers", () => {
    const deeds = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: -2, max: 40 })), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(fc.nat(38), deeds, (length, steps) => {
        const bits = new Bitfield(length)
        const set = new Set<number>()
        for (const [sets, index] of steps) {
          const isThere = index >= 0 && index < length
          expect(sets ? bits.set(index) : bits.clear(index)).toBe(
            isThere && set.has(index) !== sets,
          )
          if (isThere && sets) set.add(index)
          else set.delete(index)
        }
        expect([...bits.indices()]).toEqual([...set].sort((a, b) => a - b))
        expect([bits.count, bits.isFull]).toEqual([set.size, set.size === length])
        expect(Bitfield.from(bits.toBytes(), length)).toEqual(bits)
      }),
      { numRuns: fuzzRuns(200) },
    )
  })
})

describe("Geometry", () => {
  it("divides every byte once", () => {
    const sizes = fc.tuple(
      fc.integer({ min: 0, max: 400_000 }),
      fc.integer({ min: 1_024, max: 100_000 }),
    )
    fc.assert(
      fc.property(sizes, ([size, pieceBytes]) => {
        const geometry = new Geometry(size, pieceBytes)
        let total = 0
        for (let piece = 0; piece < geometry.pieceCount; piece++)
          for (let number = 0; number < geometry.blocksOf(piece); number++) {
            const block = geometry.block(piece, number)
            expect(block.length).toBeGreaterThan(0)
            expect(geometry.numberOf(block)).toBe(number)
            total += block.length
          }
        expect(total).toBe(size)
      }),
      { numRuns: fuzzRuns(50) },
    )
  })

  it.each([
    { piece: 3, begin: 0, length: 16_384 },
    { piece: 0, begin: 1, length: 16_384 },
    { piece: 0, begin: 16_384, length: 16_385 },
    { piece: 0, begin: 0, length: 0 },
    { piece: 0, begin: 32_768, length: 16_384 },
    { piece: 2, begin: 0, length: 16_384 },
  ])("knows no block %j", (block) => {
    expect(new Geometry(70_000, 32_768).numberOf(block)).toBeUndefined()
  })

  it("knows the pieces of a file", () => {
    const geometry = new Geometry(100, 10)
    expect(geometry.piecesOf(5, 10)).toEqual({ from: 0, to: 2 })
    expect(geometry.piecesOf(10, 10)).toEqual({ from: 1, to: 2 })
    expect(geometry.piecesOf(10, 0)).toEqual({ from: 1, to: 1 })
  })
})

describe("spansOf()", () => {
  it("covers a range once, in order, whatever empty files there are", () => {
    const sizes = fc.array(fc.oneof(fc.constant(0), fc.nat(50)), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(sizes, fc.nat(300), fc.nat(300), (list, from, length) => {
        let size = 0
        const files: FilePlace[] = list.map((each) => {
          size += each
          return { offset: size - each, size: each }
        })
        const offset = Math.min(from, size)
        const byteCount = Math.min(length, size - offset)
        let at = offset
        for (const span of spansOf(files, offset, byteCount)) {
          expect(files[span.file]!.offset + span.at).toBe(at)
          expect(span.at + span.byteCount).toBeLessThanOrEqual(files[span.file]!.size)
          at += span.byteCount
        }
        expect(at).toBe(offset + byteCount)
      }),
      { numRuns: fuzzRuns(300) },
    )
  })
})

describe("progress", () => {
  const infohash = new Uint8Array(20).fill(7)
  const geometry = new Geometry(1_000_000, 65_536)

  it("is read back as it was", () => {
    const pieces = fc.uniqueArray(fc.nat(15))
    fc.assert(
      fc.property(
        pieces,
        fc.uniqueArray(fc.nat(15)),
        fc.uniqueArray(fc.nat(3)),
        (had, begun, blocks) => {
          const have = new Bitfield(16)
          for (const piece of had) have.set(piece)
          const partial = new Map(
            begun.map((piece) => {
              const bits = new Bitfield(geometry.blocksOf(piece))
              for (const block of blocks) bits.set(block)
              return [piece, bits]
            }),
          )
          const bytes = encodeProgress(infohash, { have, partial })
          expect(decodeProgress(infohash, geometry, bytes)).toEqual({ have, partial })
        },
      ),
      { numRuns: fuzzRuns(200) },
    )
  })

  it("is not believed when a byte is damaged or missing, or when it is of another torrent", () => {
    const partial = new Map([[3, Bitfield.full(4)]])
    const bytes = encodeProgress(infohash, { have: Bitfield.full(16), partial })
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice()
      damaged[at]! ^= 1
      expect(decodeProgress(infohash, geometry, damaged)).toBeUndefined()
      expect(decodeProgress(infohash, geometry, bytes.subarray(0, at))).toBeUndefined()
    }
    expect(decodeProgress(new Uint8Array(20), geometry, bytes)).toBeUndefined()
    expect(decodeProgress(infohash, new Geometry(1_000_000, 32_768), bytes)).toBeUndefined()
  })

  it("of 100 GB takes less than 60 KiB", () => {
    const large = new Geometry(100e9, 256 * 1_024)
    const have = Bitfield.full(large.pieceCount)
    expect(encodeProgress(infohash, { have, partial: new Map() }).length).toBeLessThan(60 * 1_024)
  })
})

describe("PieceOrder", () => {
  type Deed = readonly ["more" | "fewer" | "remove" | "restore", number]
  const deed: fc.Arbitrary<Deed> = fc.tuple(
    fc.constantFrom("more", "fewer", "remove", "restore"),
    fc.nat(11),
  )

  it("is by priority and rarity, whatever happens", () => {
    const levels = fc.array(fc.constantFrom("high", "normal", "low"), {
      minLength: 12,
      maxLength: 12,
    })
    fc.assert(
      fc.property(levels, fc.array(deed, { maxLength: 60 }), (priorities, deeds) => {
        const order = new PieceOrder(12)
        for (const [piece, priority] of priorities.entries()) order.setPriority(piece, priority)
        order.fill(Array(12).keys(), Math.random)
        const peers = Array(12).fill(0)
        const left = new Set(Array(12).keys())
        for (const [kind, piece] of deeds) {
          order[kind](piece)
          if (kind === "more") peers[piece]++
          if (kind === "fewer" && peers[piece] > 0) peers[piece]--
          if (kind === "remove") left.delete(piece)
          if (kind === "restore") left.add(piece)
        }
        const rank = (piece: number) =>
          ["high", "normal", "low"].indexOf(priorities[piece]!) * 100 + peers[piece]
        const pieces = [...order.pieces()]
        expect(new Set(pieces)).toEqual(left)
        expect(pieces.map(rank)).toEqual([...left].map(rank).sort((a, b) => a - b))
      }),
      { numRuns: fuzzRuns(300) },
    )
  })

  it("does 500,000 pieces in a moment", () => {
    const order = new PieceOrder(500_000)
    order.fill(Array(500_000).keys(), Math.random)
    for (let piece = 0; piece < 500_000; piece++) order.more(piece)
    for (let piece = 0; piece < 500_000; piece += 50) order.remove(piece)
    expect(order.count).toBe(490_000)
  })
})

describe("UploadQueue", () => {
  const geometry = new Geometry(100_000, 65_536)
  const all = () => true

  it("hands out in order what is asked for, once", () => {
    const queue = new UploadQueue(geometry)
    const [a, b] = [geometry.block(0, 1), geometry.block(0, 0)]
    expect([queue.add(a, all), queue.add(b, all), queue.add(a, all)]).toEqual([true, true, true])
    expect([queue.count, queue.next(), queue.cancel(a), queue.next(), queue.next()]).toEqual([
      2,
      a,
      false,
      b,
      undefined,
    ])
  })

  it.each([
    ["a piece we have not", { piece: 0, begin: 0, length: 1 }, false],
    ["no such piece", { piece: 2, begin: 0, length: 1 }, true],
    ["bytes behind the end", { piece: 1, begin: 34_000, length: 1_000 }, true],
    ["nothing", { piece: 0, begin: 0, length: 0 }, true],
    ["too much", { piece: 0, begin: 0, length: 131_073 }, true],
  ])("refuses %s", (_, block, has) => {
    expect(new UploadQueue(new Geometry(100_000, 65_536)).add(block, () => has)).toBe(false)
  })

  it("is bounded, and gives back what it holds when the peer is choked", () => {
    const queue = new UploadQueue(geometry)
    const asked = Array.from({ length: 1_000 }, (_, begin) => ({ piece: 0, begin, length: 1 }))
    expect(asked.filter((block) => queue.add(block, all))).toHaveLength(576)
    expect(queue.clear()).toEqual(asked.slice(0, 576))
    expect(queue.count).toBe(0)
  })
})

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Bitfield } from "../../../../../plugins/files/torrent/bitfield.ts"
import { Download, type Taken } from "../../../../../plugins/files/torrent/download.ts"
import { BLOCK_BYTES, type Block, Geometry } from "../../../../../plugins/files/torrent/geometry.ts"
import type { Progress } from "../../../../../plugins/files/torrent/resume.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"

/** Pieces of 4 blocks. */
const GEOMETRY = new Geometry(20 * 4 * BLOCK_BYTES - 100, 4 * BLOCK_BYTES)

interface Setting {
  readonly geometry?: Geometry
  readonly progress?: Progress
}

function open({ geometry = GEOMETRY, progress }: Setting = {}): Download {
  return new Download(geometry, { chance: seeded(1), progress })
}

/** The same numbers from 0 to 1 for the same seed. */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return seed / 2 ** 31
  }
}

/** Peers that serve us and have these pieces, or all. */
function join(
  download: Download,
  peers: { readonly [id: string]: readonly number[] | "all" },
): void {
  for (const [id, pieces] of Object.entries(peers)) {
    const count = download.geometry.pieceCount
    const bits = pieces === "all" ? Bitfield.full(count) : new Bitfield(count)
    if (pieces !== "all") for (const piece of pieces) bits.set(piece)
    download.join(id)
    download.say(id, bits)
    download.bears(id, 250)
    download.unchoked(id)
  }
}

function takeAll(download: Download, id: string, blocks: readonly Block[], now: number): Taken[] {
  return blocks.map((block) => download.take(id, block, now))
}

/** Asks and takes until nothing more is asked for; every piece is right. */
function finish(download: Download, ids: readonly string[], now = 0): number {
  let count = 0
  for (let isIdle = false; !isIdle && !download.isComplete; now += 100) {
    isIdle = true
    for (const id of ids)
      for (const block of download.requests(id, now)) {
        isIdle = false
        count++
        const taken = download.take(id, block, now + 50)
        if (taken.kind === "wanted" && taken.filled !== undefined)
          download.settle(taken.filled, true)
      }
  }
  return count
}

const piecesOf = (blocks: readonly Block[]): number[] => [
  ...new Set(blocks.map(({ piece }) => piece)),
]

describe("Download", () => {
  it("asks one peer for every block once, and is complete then", () => {
    const download = open()
    join(download, { a: "all" })
    expect(download.isUseful("a")).toBe(true)
    expect(finish(download, ["a"])).toBe(80)
    expect([download.isComplete, download.have.isFull, download.isUseful("a")]).toEqual([
      true,
      true,
      false,
    ])
  })

  it("asks nobody who chokes us, and for nothing a peer has not", () => {
    const download = open()
    join(download, { a: [3, 4], b: [] })
    download.join("c")
    expect([download.requests("b", 0), download.requests("c", 0)]).toEqual([[], []])
    expect(piecesOf(download.requests("a", 0)).sort()).toEqual([3, 4])
    expect([download.isUseful("a"), download.isUseful("b"), download.isUseful("c")]).toEqual([
      true,
      false,
      false,
    ])
  })

  it("begins with the rarest pieces", () => {
    const download = open()
    const common = Array.from({ length: 19 }, (_, piece) => piece)
    join(download, { a: common, b: common, c: [19], d: "all" })
    expect(piecesOf(download.requests("d", 0))[0]).toBe(19)
  })

  it("gives every peer pieces of its own while there are some", () => {
    const download = open()
    join(download, { a: "all", b: "all", c: "all" })
    const asked = ["a", "b", "c"].map((id) => piecesOf(download.requests(id, 0)))
    expect(new Set(asked.flat()).size).toBe(asked.flat().length)
  })

  it("begins with the window of a preview, in order, and shares it", () => {
    const download = open()
    download.setWindow({ from: 7, to: 10 })
    join(download, { a: "all", b: "all" })
    expect(piecesOf(download.requests("a", 0))).toEqual([7, 8])
    expect(piecesOf(download.requests("b", 0))[0]).toBe(9)
    download.setWindow({ from: 0, to: 0 })
  })

  it("fetches what is wanted much first, and what is skipped not at all", () => {
    const download = open()
    download.setPriority({ from: 5, to: 10 }, "skip")
    download.setPriority({ from: 12, to: 13 }, "high")
    download.setPriority({ from: 13, to: 20 }, "low")
    join(download, { a: "all", b: [5, 6] })
    expect(piecesOf(download.requests("a", 0))[0]).toBe(12)
    expect(download.isUseful("b")).toBe(false)
    // Gives up what was asked for so far.
    download.choked("a", false)
    download.unchoked("a")
    expect(finish(download, ["a"], 100)).toBe(60)
    download.setPriority({ from: 5, to: 10 }, "normal")
    expect([download.isComplete, download.isUseful("b")]).toEqual([false, true])
    finish(download, ["a", "b"], 10_000)
    expect(download.have.isFull).toBe(true)
  })

  it("asks for no more than the peer bears, and for 8 before it has said how many", () => {
    const download = open()
    download.join("a")
    download.say("a", Bitfield.full(20))
    download.unchoked("a")
    expect(download.requests("a", 0)).toHaveLength(8)
    expect(download.requests("a", 0)).toHaveLength(0)
  })

  it.each([
    ["leaves", (download: Download) => download.leave("a")],
    ["chokes us without the fast extension", (download: Download) => download.choked("a", false)],
    [
      "is silent for a minute",
      (download: Download) => expect(download.overdue(60_000)).toHaveLength(8),
    ],
  ])("asks others for what a peer was asked that %s", (_, happens) => {
    const download = open({ geometry: new Geometry(8 * BLOCK_BYTES, 8 * BLOCK_BYTES) })
    join(download, { a: "all", b: "all" })
    expect(download.requests("a", 0)).toHaveLength(8)
    expect(download.requests("b", 500)).toHaveLength(0)
    happens(download)
    expect(download.requests("b", 60_000)).toHaveLength(8)
  })

  it("waits for rejects or blocks of a peer that chokes us with the fast extension", () => {
    const download = open({ geometry: new Geometry(8 * BLOCK_BYTES, 8 * BLOCK_BYTES) })
    join(download, { a: "all", b: "all" })
    const [first, ...others] = download.requests("a", 0)
    download.choked("a", true)
    expect(download.take("a", first!, 100).kind).toBe("wanted")
    for (const block of others) download.rejected("a", block)
    expect(download.requests("b", 200)).toEqual(others)
  })

  it("believes no longer that a peer has what it rejects", () => {
    const download = open()
    join(download, { liar: "all" })
    for (let now = 0; download.isUseful("liar"); now += 100) {
      const blocks = download.requests("liar", now)
      expect(blocks.length).toBeGreaterThan(0)
      for (const block of blocks) download.rejected("liar", block)
    }
    join(download, { honest: "all" })
    expect(finish(download, ["honest"], 60_000)).toBe(80)
  })

  it("keeps a snubbed peer at one request until it sends again", () => {
    const download = open()
    join(download, { a: "all" })
    const late = download.requests("a", 0)
    download.overdue(60_000)
    expect(download.requests("a", 60_000)).toHaveLength(1)
    expect(download.take("a", late[3]!, 61_000).kind).toBe("wanted")
    expect(takeAll(download, "a", download.requests("a", 61_000), 62_000)).toEqual([])
  })

  it("asks a second peer at the end for what takes long, and cancels the first", () => {
    const download = open({ geometry: new Geometry(4 * BLOCK_BYTES, 4 * BLOCK_BYTES) })
    join(download, { slow: "all", fast: "all", other: "all" })
    const asked = download.requests("slow", 0)
    expect(download.requests("fast", 500)).toEqual([])
    expect(download.requests("fast", 1_500)).toEqual(asked)
    expect(download.requests("other", 1_500)).toEqual([])
    expect(download.take("fast", asked[0]!, 1_600)).toEqual({
      kind: "wanted",
      cancels: [{ peer: "slow", block: asked[0] }],
    })
    // It was on its way already.
    expect(download.take("slow", asked[0]!, 1_700)).toEqual({ kind: "not wanted" })
  })

  it("refuses blocks that do not exist, and peers that flood", () => {
    const download = open()
    join(download, { a: "all" })
    const protocol = expect.objectContaining({ code: "PEER_PROTOCOL" })
    expect(() => download.take("a", { piece: 20, begin: 0, length: BLOCK_BYTES }, 0)).toThrow(
      protocol,
    )
    expect(() => download.take("a", { piece: 0, begin: 5, length: BLOCK_BYTES }, 0)).toThrow(
      protocol,
    )
    expect(() => download.take("a", { piece: 0, begin: 0, length: 5 }, 0)).toThrow(protocol)
    expect(() => download.has("a", 20)).toThrow(protocol)
    expect(() => download.say("a", Bitfield.full(20))).toThrow(protocol)
    const unasked = { piece: 0, begin: 0, length: BLOCK_BYTES }
    expect(() => {
      for (let count = 0; count < 100; count++)
        expect(download.take("a", unasked, 0)).toEqual({ kind: "not wanted" })
    }).toThrow(protocol)
  })

  describe("when a piece is wrong", () => {
    const small = new Geometry(4 * BLOCK_BYTES, 4 * BLOCK_BYTES)
    const digests = (...bytes: number[]) =>
      new Uint8Array(bytes.flatMap((byte) => Array(20).fill(byte)))

    it("blames whoever sent all of it, and fetches it again from another", () => {
      const download = open({ geometry: small })
      join(download, { liar: "all", honest: "all" })
      const blocks = download.requests("liar", 0)
      expect(takeAll(download, "liar", blocks, 100).at(-1)).toMatchObject({ filled: 0 })
      expect(download.settle(0, false, digests(9, 9, 9, 9))).toEqual(["liar"])
      download.leave("liar")
      expect(finish(download, ["honest"], 200)).toBe(4)
      expect(download.isComplete).toBe(true)
    })

    it("finds the one liar among several, and blames nobody else", () => {
      const download = open({ geometry: small })
      join(download, { a: "all", liar: "all", c: "all" })
      const blocks = download.requests("a", 0)
      download.requests("liar", 2_000)
      takeAll(download, "a", blocks.slice(0, 3), 2_100)
      expect(download.take("liar", blocks[3]!, 2_100)).toMatchObject({ filled: 0 })
      expect(download.settle(0, false, digests(1, 2, 3, 9))).toEqual([])
      expect(download.needsDigests(0)).toBe(true)
      // Suspects wait while there is somebody else, who gets it alone.
      expect([download.requests("liar", 2_200), download.requests("a", 2_200)]).toEqual([[], []])
      expect(takeAll(download, "c", download.requests("c", 2_200), 2_300).at(-1)).toMatchObject({
        filled: 0,
      })
      expect(download.settle(0, true, digests(1, 2, 3, 4))).toEqual(["liar"])
      expect(download.isComplete).toBe(true)
    })

    it("asks suspects when there is nobody else", () => {
      const download = open({ geometry: small })
      join(download, { a: "all", b: "all" })
      const blocks = download.requests("a", 0)
      download.requests("b", 2_000)
      takeAll(download, "a", blocks.slice(0, 2), 2_100)
      takeAll(download, "b", blocks.slice(2), 2_100)
      download.settle(0, false, digests(1, 2, 3, 9))
      expect(download.requests("b", 2_200)).toHaveLength(4)
      expect(download.requests("a", 2_200)).toHaveLength(0)
    })
  })

  it("goes on after a restart with the pieces and blocks that are there", () => {
    const before = open()
    join(before, { a: "all" })
    const blocks = before.requests("a", 0)
    const taken = takeAll(before, "a", blocks.slice(0, 6), 100)
    for (const each of taken)
      if (each.kind === "wanted" && each.filled !== undefined) before.settle(each.filled, true)
    const download = open({ progress: before.progress() })
    join(download, { a: "all" })
    expect([download.have.count, download.filled]).toEqual([1, []])
    expect(finish(download, ["a"])).toBe(80 - 6)
  })

  it("says which pieces were filled and not hashed before a restart", () => {
    const partial = new Map([[2, Bitfield.full(4)]])
    const download = open({ progress: { have: new Bitfield(20), partial } })
    expect(download.filled).toEqual([2])
    expect(download.settle(2, false)).toEqual([])
    join(download, { a: "all" })
    expect(finish(download, ["a"])).toBe(80)
  })

  it("has nothing to do for an empty file", () => {
    expect(open({ geometry: new Geometry(0, BLOCK_BYTES) }).isComplete).toBe(true)
  })

  it("of 100 GB keeps memory small and is quick", () => {
    const geometry = new Geometry(100e9, 256 * 1_024)
    globalThis.gc?.()
    const before = process.memoryUsage()
    const download = open({ geometry })
    join(
      download,
      Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`${index}`, "all" as const])),
    )
    for (let round = 0, now = 0; round < 30; round++, now += 100)
      for (let index = 0; index < 20; index++)
        for (const block of download.requests(`${index}`, now)) {
          const taken = download.take(`${index}`, block, now + 50)
          if (taken.kind === "wanted" && taken.filled !== undefined)
            download.settle(taken.filled, true)
        }
    const after = process.memoryUsage()
    expect(download.have.count).toBeGreaterThan(500)
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
    expect(grown).toBeLessThan(100 * 2 ** 20)
  })

  it("finishes whatever peers do, and never asks for a block that is there", () => {
    type Deed =
      | "ask"
      | "take"
      | "choke"
      | "unchoke"
      | "leave"
      | "join"
      | "reject"
      | "wait"
      | "wrong"
    const deed = fc.tuple(
      fc.constantFrom<Deed>(
        "ask",
        "ask",
        "take",
        "take",
        "choke",
        "unchoke",
        "leave",
        "join",
        "reject",
        "wait",
        "wrong",
      ),
      fc.nat(3),
    )
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 80 }), (deeds) => {
        const download = open({ geometry: new Geometry(6 * 3 * BLOCK_BYTES + 7, 3 * BLOCK_BYTES) })
        const out = new Map<string, Block[]>()
        const here = new Set<string>()
        const key = ({ piece, begin }: Block) => `${piece}/${begin}`
        let now = 0
        const takeOne = (id: string, isRight: boolean) => {
          const block = out.get(id)?.shift()
          if (block === undefined) return
          const taken = download.take(id, block, now)
          if (taken.kind !== "wanted") return
          expect(here.has(key(block))).toBe(false)
          here.add(key(block))
          if (taken.filled === undefined) return
          download.settle(taken.filled, isRight)
          if (isRight) return
          for (const each of here) if (each.startsWith(`${taken.filled}/`)) here.delete(each)
        }
        const ask = (id: string) => {
          const blocks = download.requests(id, now)
          for (const block of blocks) expect(here.has(key(block))).toBe(false)
          out.get(id)!.push(...blocks)
        }
        const enter = (id: string) => {
          if (out.has(id)) return
          join(download, { [id]: "all" })
          out.set(id, [])
        }
        for (const [kind, who] of deeds) {
          const id = `${who}`
          now += 700
          if (kind === "join") enter(id)
          if (!out.has(id)) continue
          if (kind === "ask") ask(id)
          if (kind === "take") takeOne(id, true)
          if (kind === "wrong") takeOne(id, false)
          if (kind === "choke") {
            download.choked(id, false)
            out.set(id, [])
          }
          if (kind === "unchoke") download.unchoked(id)
          if (kind === "reject") {
            const block = out.get(id)?.shift()
            if (block !== undefined) download.rejected(id, block)
          }
          if (kind === "wait") {
            now += 60_000
            download.overdue(now)
          }
          if (kind === "leave") {
            download.leave(id)
            out.delete(id)
          }
        }
        for (const id of out.keys()) download.leave(id)
        join(download, { last: "all" })
        finish(download, ["last"], now + 100_000)
        expect([download.isComplete, download.have.isFull]).toEqual([true, true])
      }),
      { numRuns: fuzzRuns(100) },
    )
  })
})

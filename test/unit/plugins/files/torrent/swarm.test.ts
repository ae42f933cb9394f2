import { describe, expect, it } from "vitest"
import { Geometry } from "../../../../../plugins/files/torrent/geometry.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"
import { hashPieces } from "./foreign.ts"
import { type Lie, SwarmNode, type SwarmOptions, Timeline } from "./swarm.ts"

const PIECE_BYTES = 64 * 1_024
const RATE = 50_000

/** The same numbers from 0 to 1 for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let bits = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Story {
  readonly seed: number
  readonly bytes: number
  readonly delayMs: number
}

/** One seeder, 17 who fetch, 2 who lie; some leave, some come late, connections break. */
function play({ seed, bytes, delayMs }: Story) {
  const chance = seeded(seed)
  const content = Uint8Array.from(
    { length: bytes },
    (_, index) => (index * 31 + (index >>> 8) * seed) & 0xff,
  )
  const hashes = hashPieces(content, PIECE_BYTES)
  const swarm: SwarmOptions = {
    geometry: new Geometry(bytes, PIECE_BYTES),
    content,
    hashes,
    delayMs,
    chance,
  }
  const time = new Timeline()
  const nodes: SwarmNode[] = []
  const enter = (id: string, role: { isSeed?: boolean; lie?: Lie } = {}): SwarmNode => {
    const node = new SwarmNode(id, time, swarm, { ...role, bytesPerSecond: RATE })
    for (const other of nodes) node.connect(other)
    nodes.push(node)
    return node
  }
  enter("seeder", { isSeed: true })
  const liars = [
    enter("liar", { lie: (block) => block.map((byte) => byte ^ 1) }),
    enter("sly liar", { lie: (block) => (chance() < 0.3 ? block.map((byte) => byte ^ 1) : block) }),
  ]
  const honest = Array.from({ length: 17 }, (_, index) => enter(`honest ${index}`))
  const boundMs = (bytes / RATE) * 1_000
  for (const [index, at] of [0.2, 0.4, 0.6].entries())
    time.at(boundMs * at, () => honest[index]!.leave())
  time.at(boundMs * 0.3, () => honest.push(enter("late")))
  const breakOne = (): void => {
    const node = nodes[Math.floor(chance() * nodes.length)]!
    const other = [...node.conns.values()][0]?.other
    if (other !== undefined) {
      node.disconnect(other.id)
      time.at(time.now + 5_000, () => node.connect(other))
    }
    time.at(time.now + 5_000, breakOne)
  }
  breakOne()
  const staying = () => honest.filter(({ isGone }) => !isGone)
  const isOver = () =>
    time.now > boundMs * 0.7 && staying().every(({ finishedAt }) => finishedAt !== undefined)
  time.run(boundMs * 5, isOver)
  return { content, boundMs, liars, honest: staying(), tookMs: time.now }
}

describe("a swarm of 20 with one seeder, two liars, and peers that come and go", () => {
  it.each(Array.from({ length: fuzzRuns(1) }, (_, index) => index + 1))(
    "finishes with the right bytes, near the bound the seeder's rate sets: story %d",
    (seed) => {
      const { content, boundMs, liars, honest, tookMs } = play({
        seed,
        bytes: 8 * 2 ** 20 - 777,
        delayMs: 300,
      })
      expect(honest).toHaveLength(15)
      for (const { data } of honest) expect(Buffer.compare(data, content)).toBe(0)
      const guilty = new Set(liars.map(({ id }) => id))
      for (const { banned } of honest) for (const id of banned) expect(guilty.has(id)).toBe(true)
      // Each peer takes few wrong pieces before it knows its liars.
      for (const { wrongPieces } of honest) expect(wrongPieces).toBeLessThan(20)
      expect(tookMs / boundMs).toBeLessThan(1.5)
    },
    120_000,
  )
})

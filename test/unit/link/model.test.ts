import type { Duplex } from "node:stream"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Channel, Link } from "../../../src/link/link.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"
import { openPair, sha256 } from "./support.ts"

type Side = "ann" | "bob"
type Step =
  | { do: "open"; side: Side }
  | { do: "write"; channel: number; side: Side; bytes: number }
  | { do: "end"; channel: number; side: Side }
  | { do: "pause" | "go"; channel: number; side: Side }
  | { do: "cut" }
  | { do: "turns"; count: number }
  | { do: "pass"; ms: number }

/** What one end of a channel wrote and read. */
interface End {
  readonly stream: Duplex
  readonly wrote: Buffer[]
  readonly read: Buffer[]
  ended: boolean
  closed: boolean
}

const side = fc.constantFrom<Side>("ann", "bob")
const channel = fc.nat({ max: 5 })
const bytes = fc.oneof(fc.nat({ max: 64 }), fc.nat({ max: 400_000 }))
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant("open" as const), side }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("write" as const), channel, side, bytes }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("end" as const), channel, side }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pause" as const), channel, side }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("go" as const), channel, side }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cut" as const) }) },
  // So few turns that something is still on its way when the next step comes.
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("turns" as const), count: fc.nat({ max: 150 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.nat({ max: 40_000 }) }),
  },
)

/** Two links and everything that was ever written on them. */
class World {
  readonly clock = new FakeClock()
  /** Per channel: the opener's end, then the other's. */
  readonly ends: { ann: End | undefined; bob: End | undefined }[] = []
  links!: Record<Side, Link>
  cut!: () => void
  readonly #latencyTurns: number
  #byte = 0

  constructor(latencyTurns: number) {
    this.#latencyTurns = latencyTurns
  }

  async begin(): Promise<void> {
    const { ann, bob, pipe } = await openPair({
      clock: this.clock,
      onPipe: (ends) => {
        for (const end of ends) end.latencyTurns = this.#latencyTurns
      },
    })
    this.links = { ann, bob }
    this.cut = () => pipe()[0].cut()
    void this.#take("ann")
    void this.#take("bob")
    for (const from of ["ann", "bob", "ann"] as const) this.#open(from)
    await settle()
  }

  async run(one: Step): Promise<void> {
    if (one.do === "open") this.#open(one.side)
    else if (one.do === "cut") this.cut()
    else if (one.do === "pass") await this.clock.pass(one.ms)
    else if (one.do === "turns")
      for (let turn = 0; turn < one.count; turn++)
        await new Promise((resolve) => setImmediate(resolve))
    else this.#at(one)
  }

  /** Ends and reads everything, and lets time pass until it is over. */
  async finish(): Promise<void> {
    for (const pair of this.ends)
      for (const end of [pair.ann, pair.bob]) if (end) this.#end(end).stream.resume()
    for (let round = 0; round < 4_000 && !this.#whole(); round++) {
      for (const pair of this.ends)
        for (const end of [pair.ann, pair.bob]) if (end) this.#end(end).stream.resume()
      await this.clock.pass(500)
    }
  }

  #whole(): boolean {
    return this.ends.every(({ ann, bob }) => ann?.closed && bob?.closed)
  }

  #open(from: Side): void {
    if (this.ends.length >= 6) return
    const stream = this.links[from].open(`/c/${this.ends.length}`, {
      signal: new AbortController().signal,
    })
    this.ends.push({ ann: undefined, bob: undefined })
    this.ends.at(-1)![from] = this.#watch(stream)
  }

  async #take(to: Side): Promise<void> {
    for await (const stream of this.links[to].incoming) {
      const index = Number(stream.protocol.slice(3))
      this.ends[index]![to] = this.#watch(stream)
    }
  }

  #watch(stream: Channel): End {
    const end: End = { stream, wrote: [], read: [], ended: false, closed: false }
    stream.on("data", (chunk: Buffer) => end.read.push(chunk))
    stream.once("close", () => {
      end.closed = true
    })
    return end
  }

  #at(one: Extract<Step, { channel: number }>): void {
    const end = this.ends[one.channel]?.[one.side]
    if (end === undefined) return
    if (one.do === "pause") end.stream.pause()
    else if (one.do === "go") end.stream.resume()
    else if (one.do === "end") this.#end(end)
    else if (one.do === "write" && !end.ended) {
      const chunk = Buffer.alloc(one.bytes, ++this.#byte % 251)
      end.wrote.push(Buffer.from(chunk))
      end.stream.write(chunk)
    }
  }

  #end(end: End): End {
    if (!end.ended) end.stream.end()
    end.ended = true
    return end
  }
}

describe("a link over a pipe that breaks", () => {
  it("brings everything once, in order and whole, whatever is done", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 12 }),
        fc.array(step, { maxLength: 60, size: "max" }),
        async (latencyTurns, steps) => {
          const world = new World(latencyTurns)
          await world.begin()
          for (const one of steps) await world.run(one)
          await world.finish()
          for (const { ann, bob } of world.ends) {
            expect(ann?.closed && bob?.closed).toBe(true)
            expect(sha256(Buffer.concat(bob!.read))).toBe(sha256(Buffer.concat(ann!.wrote)))
            expect(sha256(Buffer.concat(ann!.read))).toBe(sha256(Buffer.concat(bob!.wrote)))
            await Promise.all([
              (ann!.stream as Channel).delivered,
              (bob!.stream as Channel).delivered,
            ])
          }
          void world.links.ann[Symbol.asyncDispose]()
          void world.links.bob[Symbol.asyncDispose]()
          await world.clock.pass(60_000)
          expect(await world.links.ann.closed).toBeUndefined()
          expect(await world.links.bob.closed).toBeUndefined()
        },
      ),
      { numRuns: Number(process.env.ALLIUM_LINK_MODEL_RUNS ?? 60) },
    )
  }, 60_000)
})

import { describe, expect, it } from "vitest"
import { openLinkAcceptor } from "../../../src/link/acceptor.ts"
import { LANES_MAX } from "../../../src/link/limits.ts"
import type { Link } from "../../../src/link/link.ts"
import { openLink } from "../../../src/link/open-link.ts"
import { Lanes } from "../../../src/router/lanes.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"
import { first, makePipe, makeSelf, makeSigner, readAll } from "./support.ts"

const call = { signal: new AbortController().signal }
const expectedPeer = makeSigner(2).publicKey

function openSides() {
  const clock = new FakeClock()
  const asked: number[] = []
  const acceptor = openLinkAcceptor({
    ...makeSelf(2, { clock }),
    admit: (_peer, _key, lane) => asked.push(lane) > 0,
  })
  const dial = async (lane?: number) => {
    const [stream, far] = makePipe()
    const accepted = acceptor.accept(far)
    accepted.catch(() => {})
    const self = makeSelf(1, { clock })
    const redial = async () => {
      throw new Error("nobody is to dial again")
    }
    const options = { ...self, stream, ...call, role: "out" as const, expectedPeer, redial }
    const link = await openLink({ ...options, ...(lane !== undefined && { lane }) })
    return { link, other: (await accepted)!, stream }
  }
  return { clock, asked, acceptor, dial }
}

describe("a lane", () => {
  it("runs beside the link, told apart by its number on both sides", async () => {
    const { dial, asked } = openSides()
    const all = [await dial(), await dial(1), await dial(LANES_MAX)]
    expect(all.map(({ link, other }) => [link.lane, other.lane])).toEqual([
      [0, 0],
      [1, 1],
      [8, 8],
    ])
    expect(asked).toEqual([0, 1, 8])
    for (const { link, other } of all) {
      const channel = link.open("/x/1", call)
      channel.end(`on ${link.lane}`)
      const taken = await first(other.incoming)
      expect(String(await readAll(taken))).toBe(`on ${link.lane}`)
      taken.end()
      channel.resume()
    }
    for (const { link } of all) await link[Symbol.asyncDispose]()
  })
  it("ends with its stream, while the link waits for another one", async () => {
    const { dial } = openSides()
    const [standing, lane] = [await dial(), await dial(3)]
    for (const { stream } of [standing, lane]) stream.cut()
    await settle()
    expect(await lane.link.closed).toMatchObject({ code: "LINK_LOST" })
    expect(await lane.other.closed).toMatchObject({ code: "LINK_LOST" })
    expect(standing.link.adrift).toBe(true)
    await standing.link[Symbol.asyncDispose]()
  })
  it("does not end a link that waits for its stream", async () => {
    const { dial } = openSides()
    const standing = await dial()
    standing.stream.cut()
    await settle()
    const lane = await dial(1)
    expect(standing.other.adrift).toBe(true)
    for (const { link } of [standing, lane]) await link[Symbol.asyncDispose]()
  })
  it("beyond the last one is not answered", async () => {
    const { dial } = openSides()
    await expect(dial(LANES_MAX + 1)).rejects.toMatchObject({ code: "LINK_REFUSED" })
  })
  it("has a window of a megabyte, which one round trip of the best stream fits", async () => {
    const { dial } = openSides()
    const { link, other } = await dial(1)
    const channel = link.open("/x/1", call)
    channel.on("error", () => {})
    let sent = 0
    const more = () => {
      while (sent < 4_000_000 && channel.write(Buffer.alloc(16_384))) sent += 16_384
    }
    channel.on("drain", more)
    more()
    const taken = await first(other.incoming)
    taken.on("error", () => {})
    await settle()
    for (let turn = 0; turn < 200 && sent < 780_000; turn++) await settle()
    // A quarter is given at a time.
    expect(sent).toBeGreaterThan(780_000)
    expect(sent).toBeLessThan(1_300_000)
    channel.destroy()
    await link[Symbol.asyncDispose]()
  })
})

describe("Lanes", () => {
  const openLanes = () => {
    const life = new AbortController()
    const sides = openSides()
    const lanes = new Lanes({ clock: sides.clock, signal: life.signal })
    let dialled = 0
    const open = (lane: number) => {
      const dial = async () => {
        dialled++
        return (await sides.dial(lane)).link
      }
      return lanes.open({ name: "bob", lane }, dial, call)
    }
    return { ...sides, lanes, life, open, dialled: () => dialled }
  }
  it("dials each number once, also for several who ask at once", async () => {
    const { open, dialled, lanes } = openLanes()
    const [one, again] = await Promise.all([open(1), open(1)])
    expect(one).toBe(again)
    expect(await open(1)).toBe(one)
    expect(await open(2)).not.toBe(one)
    expect(dialled()).toBe(2)
    await lanes.drop(() => true)
  })
  it.each([0, 9, 1.5, -1])("refuses number %s", async (lane) => {
    const { open } = openLanes()
    await expect(open(lane)).rejects.toMatchObject({ code: "CHANNEL_LIMIT" })
  })
  it("keeps a lane for a minute after its last channel, then closes it", async () => {
    const { open, clock } = openLanes()
    const link = await open(1)
    const channel = link.open("/x/1", call)
    channel.on("error", () => {})
    await pass(clock, 100)
    expect(await isOver(link)).toBe(false)
    channel.destroy()
    await pass(clock, 50)
    expect(await isOver(link)).toBe(false)
    await pass(clock, 30)
    expect(await isOver(link)).toBe(true)
    expect(await open(1)).not.toBe(link)
  })
  it("replaces a lane of theirs when they dial its number again", async () => {
    const { lanes, dial, clock } = openLanes()
    const [old, young] = [await dial(4), await dial(4)]
    lanes.adopt("ann", old.other)
    lanes.adopt("ann", young.other)
    await pass(clock, 10)
    expect(await isOver(old.other)).toBe(true)
    expect(await isOver(young.other)).toBe(false)
    await lanes.drop(({ name }) => name === "ann")
    expect(await isOver(young.other)).toBe(true)
  })
})

async function pass(clock: FakeClock, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    await clock.pass(1_000)
    await settle()
  }
}

async function isOver(link: Link): Promise<boolean> {
  return Promise.race([link.closed.then(() => true), settle().then(() => false)])
}

/**
 * Two routers talk and send files while the bridge does what real routers were seen to do: everything
 * arrives once and whole, and no state says more than is true.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { seededChance } from "../../src/base/random.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { defaultKnobs, type Fault, type Knobs } from "../../src/bridge/knobs.ts"
import { MEASURED_FAULTS } from "../../src/bridge/routers.ts"
import { AlliumProcess } from "../support/allium-process.ts"
import { befriend, isReachable } from "../support/friends.ts"
import { eventually, hashOf } from "../support/story.ts"

const SEED = 20_451
const PATIENCE_MS = 90_000
const FILE_BYTES = 3 * 2 ** 20
/** So slow that what is cut is cut in the middle. */
const SLOW = { bandwidthBytesPerSecond: 4_000_000 }
const MESSAGES = 5

interface Message {
  readonly id: string
  readonly direction: "in" | "out"
  readonly state: string
  readonly text: string
}
interface Transfer {
  readonly id: string
  readonly direction: "in" | "out"
  readonly state: string
  readonly path?: string
}

/** Something goes on beside the story, for as long as it lasts. */
type Meanwhile = (bridge: EmbeddedBridge) => Promise<void>

describe("two routers on a bridge with faults", () => {
  let folder: string
  let bridge: EmbeddedBridge
  let a: AlliumProcess
  let b: AlliumProcess
  let round = 0
  const sides = () =>
    [
      { who: a, other: b, identity: "ann", calls: "bob" },
      { who: b, other: a, identity: "bob", calls: "ann" },
    ] as const

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-faults-"))
    bridge = await openEmbeddedBridge({ router: "i2pd-2.45.1", chance: seededChance(SEED) })
    const flags = ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]
    a = new AlliumProcess(join(folder, "a"), flags)
    b = new AlliumProcess(join(folder, "b"), flags)
    await Promise.all([a.start(), b.start()])
    const [left, right] = sides()
    await Promise.all([
      a.call("identity create", { name: "ann" }),
      b.call("identity create", { name: "bob" }),
    ])
    await befriend(left, right)
    for (const { who, calls } of sides())
      await who.call("file auto", { contact: calls, below: "1GiB" })
  })
  afterAll(async () => {
    await Promise.all([a?.stop(), b?.stop()])
    await bridge?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  const messages = (who: AlliumProcess) => who.call<Message[]>("message list", { limit: 1_000 })
  const files = (who: AlliumProcess) => who.call<Transfer[]>("file list")

  /** Everything both sides send in one round: texts and a file each. */
  async function sendAll(fileBytes: number): Promise<{ texts: string[]; path: string }> {
    const texts = Array.from({ length: MESSAGES }, (_, number) => `${round}.${number}`)
    const path = join(folder, `file-${round}.bin`)
    const chance = seededChance(SEED + round)
    await writeFile(
      path,
      Buffer.alloc(fileBytes).map(() => chance() * 256),
    )
    for (const { who, calls } of sides()) {
      await who.call("file send", { contact: calls, path })
      for (const text of texts) await who.call("message send", { contact: calls, text })
    }
    return { texts, path }
  }

  /** What a side says was delivered must be at the other side by then. */
  async function liesOf({
    who,
    other,
  }: {
    who: AlliumProcess
    other: AlliumProcess
  }): Promise<string[]> {
    const said = (await messages(who)).filter((one) => one.state === "delivered")
    const sent = (await files(who)).filter((one) => one.direction === "out" && one.state === "done")
    const there = new Set((await messages(other)).map(({ id }) => id))
    const whole = (await files(other)).filter(({ state }) => state === "done")
    const done = new Set(whole.map(({ id }) => id))
    const texts = said.filter(({ id }) => !there.has(id)).map(({ text }) => `text ${text}`)
    return [...texts, ...sent.filter(({ id }) => !done.has(id)).map(({ id }) => `file ${id}`)]
  }

  /** Whether nothing is under way any more; looks for lies each time. */
  async function isQuiet(): Promise<boolean> {
    for (const side of sides()) expect(await liesOf(side)).toEqual([])
    const outgoing = await Promise.all(
      sides().map(async ({ who }) => [
        ...(await messages(who)).filter(({ direction }) => direction === "out"),
        ...(await files(who)).filter(({ direction }) => direction === "out"),
      ]),
    )
    const ends = outgoing.flat().map(({ state }) => state)
    expect(ends.filter((state) => state === "failed" || state === "cancelled")).toEqual([])
    return ends.every((state) => state === "delivered" || state === "done")
  }

  async function expectAllOnce({ texts, path }: { texts: string[]; path: string }): Promise<void> {
    const sum = await hashOf(path)
    for (const { who } of sides()) {
      const received = (await messages(who)).filter(({ direction }) => direction === "in")
      const ofRound = received
        .map(({ text }) => text)
        .filter((text) => text.startsWith(`${round}.`))
      expect(ofRound).toEqual(texts) // in order, each once
      const arrived = (await files(who)).filter(({ direction }) => direction === "in")
      expect(arrived).toHaveLength(round)
      expect(await hashOf(arrived.at(-1)?.path ?? "")).toBe(sum)
    }
  }

  /** Tells one round with the knobs turned, then turns them back. */
  async function tell(
    knobs: Partial<Knobs>,
    meanwhile?: Meanwhile,
    fileBytes = FILE_BYTES,
  ): Promise<void> {
    round++
    Object.assign(bridge.knobs, defaultKnobs(knobs))
    const sent = await sendAll(fileBytes)
    await Promise.race([meanwhile?.(bridge), sleep(PATIENCE_MS)])
    await eventually(isQuiet, (quiet) => quiet, PATIENCE_MS)
    await expectAllOnce(sent)
    Object.assign(bridge.knobs, defaultKnobs())
  }

  const cutting =
    (how: (faults: EmbeddedBridge["faults"]) => unknown): Meanwhile =>
    async ({ faults, stats }) => {
      const before = stats.streamsCut
      for (let time = 0; time < 8; time++) {
        how(faults)
        await sleep(150)
      }
      expect(stats.streamsCut).toBeGreaterThan(before)
    }
  const cutAll = cutting((faults) => faults.cutStreams())
  const faults = (...names: Fault[]) => ({ faults: new Set(names) })

  it.each<{ fault: string; knobs: Partial<Knobs>; meanwhile?: Meanwhile }>([
    { fault: "nothing wrong", knobs: {} },
    {
      fault: "what is queued lost when streams are cut",
      knobs: { ...faults("tailLoss", "noBackpressure"), ...SLOW },
      meanwhile: cutAll,
    },
    {
      fault: "half of the streams dropped, again and again",
      knobs: SLOW,
      meanwhile: cutting((faults) => faults.dropStreams(0.5)),
    },
    { fault: "every stream cut after about 700 kB", knobs: { cutAfterBytes: 700_000 } },
    {
      fault: "OK from peers that are away",
      knobs: { ...faults("lateOk", "staleLeaseSet"), ...SLOW },
      meanwhile: cutAll,
    },
    { fault: "no back-pressure on a slow line", knobs: { ...faults("noBackpressure"), ...SLOW } },
    {
      fault: "half of all connects refused",
      knobs: { ...faults("refuse"), refuseChance: 0.5, ...SLOW },
      meanwhile: cutAll,
    },
    {
      fault: "replies in single bytes",
      knobs: { ...faults("splitReplies", "pipelineDrop"), ...SLOW },
      meanwhile: cutAll,
    },
  ])("brings everything over once with $fault", ({ knobs, meanwhile }) => tell(knobs, meanwhile))

  describe("when a session was killed and came back as a zombie", () => {
    let address = ""
    /** How often A's destination was opened. */
    const openings = () =>
      bridge.record.filter(({ destinationB32 }) => destinationB32 === address).length

    it("brings everything over once with all that was measured on i2pd 2.45.1", async () => {
      address = (await a.call<{ address: string }>("identity show")).address
      await tell(faults(...MEASURED_FAULTS["i2pd-2.45.1"]), async () => {
        expect(bridge.faults.killSession(address)).toBe(1)
        await eventually(
          () => Promise.resolve(openings()),
          (count) => count === 2,
          PATIENCE_MS,
        )
      })
    })

    it("brings everything over once with 300 ms of latency, while it dies", () =>
      tell({ latencyMs: 300 }, undefined, 2 ** 20))

    it("finds out, and opens it anew", async () => {
      await eventually(
        () => Promise.resolve(openings()),
        (count) => count === 3,
        PATIENCE_MS,
      )
      const reach = () => Promise.all(sides().map(isReachable))
      await eventually(reach, (both) => both.every(Boolean), PATIENCE_MS)
    })

    it("brings everything over once with 5 % lost and sent again", () =>
      tell({ loss: 0.05, latencyMs: 20 }))
  })
})

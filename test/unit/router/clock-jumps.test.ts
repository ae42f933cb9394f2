/** Somebody sets the clock, or the machine slept: nothing is lost, doubled, or done in a storm. */
import { afterEach, describe, expect, it, vi } from "vitest"
import { messages } from "../../../plugins/messages/index.ts"
import {
  listOffer as listMessages,
  type MessageDocument,
  sendOffer as sendMessage,
} from "../../../plugins/messages/offers.ts"
import { silentLog } from "../../../src/base/log.ts"
import { seededChance, systemRandom } from "../../../src/base/random.ts"
import { Scope } from "../../../src/base/scope.ts"
import { Slots } from "../../../src/base/turns.ts"
import type { Link } from "../../../src/link/link.ts"
import { Touch } from "../../../src/router/keep-in-touch.ts"
import { openKeyMemory } from "../../../src/router/key-memory.ts"
import { openSessions, type Sessions } from "../../../src/router/sessions.ts"
import { COOL_DOWN_MS, openKeyGuard } from "../../../src/sam/key-guard.ts"
import type { Session } from "../../../src/sam/session.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import { FakeFiles, sha256Of } from "../../support/fake-files.ts"
import { FakePair, type FakePeer } from "../../support/fake-plugin-context.ts"
import { FakeWorld } from "../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../support/memory-store.ts"
import { openScriptedBridge, type ScriptedBridge } from "../../support/scripted-bridge.ts"

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const JUMPS = [
  { jump: "one hour ahead", ms: HOUR_MS },
  { jump: "one hour back", ms: -HOUR_MS },
  { jump: "thirty days ahead", ms: 30 * DAY_MS },
  { jump: "ten years back", ms: -3_652 * DAY_MS },
]
/** A clock that stands where ours does: the year 2026, so that ten years back is not before 1970. */
const openClock = () => new FakeClock(Date.UTC(2026, 0, 1))
const room = () => new MemoryLife(new MemoryDisk(), new FakeWorld(), () => {}).room("/")

describe("a session, when the clock jumps", () => {
  const open: AsyncDisposable[] = []
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]()
  })

  async function openOne(
    clock: FakeClock,
  ): Promise<{ sessions: Sessions; bridge: ScriptedBridge }> {
    const bridge = await openScriptedBridge()
    const states: string[] = []
    const sessions = openSessions({
      bridge: async () => bridge.address,
      store: room(),
      guard: openKeyGuard({ clock }),
      coolDownMs: 0,
      clock,
      chance: seededChance(1),
      random: systemRandom,
      log: silentLog,
      onState: ({ state }) => states.push(state.name),
    })
    open.push(bridge, sessions)
    const owner = { kind: "tunnel", name: "web" } as const
    const session = await sessions.openOwn(owner, "transient", new Scope())
    await session.ready({ signal: new AbortController().signal })
    return { sessions, bridge }
  }

  it.each(JUMPS)(
    "$jump: stays up, is asked every 30 s, and tells its age truly",
    async ({ ms }) => {
      const clock = openClock()
      const { sessions, bridge } = await openOne(clock)
      const beats = () => bridge.seen("NAMING LOOKUP NAME=ME").length
      for (let beat = 1; beat <= 20; beat++) {
        if (beat % 5 === 0) clock.jump(beat % 10 === 0 ? -ms : ms)
        await clock.pass(30_000)
        await expect.poll(beats, { interval: 1 }).toBe(beat)
      }
      const [report] = sessions.list()
      expect(report).toMatchObject({ state: { name: "up" }, forMs: 20 * 30_000 })
      expect(bridge.seen("SESSION CREATE")).toHaveLength(1)
    },
  )

  it.each(JUMPS)("$jump: keys rest no longer than they must after a restart", async ({ ms }) => {
    const clock = openClock()
    const memory = openKeyMemory(room())
    const { signal } = new AbortController()
    const before = await openKeyGuard({ clock, memory }).hold("aaaa.b32.i2p", { signal })
    await before.release()
    clock.jump(ms)
    const slept = vi.spyOn(clock, "sleep")
    const holding = openKeyGuard({ clock, memory }).hold("aaaa.b32.i2p", { signal })
    await expect.poll(() => slept.mock.calls.length + Number(ms > 0), { interval: 1 }).toBe(1)
    expect(clock.sleeping().every((left) => left <= COOL_DOWN_MS)).toBe(true)
    await clock.pass(COOL_DOWN_MS)
    await expect(holding).resolves.toBeDefined()
  })
})

describe("keeping in touch, when the clock jumps", () => {
  async function dialsInOneDay(jump: (clock: FakeClock, hour: number) => void): Promise<number> {
    const clock = openClock()
    const abort = new AbortController()
    const session = { ready: async () => {}, watch: () => () => {} } as unknown as Session
    let count = 0
    const link = async (): Promise<Link> => {
      count++
      throw new Error("away")
    }
    const { signal } = abort
    const dials = new Slots(1)
    const touch = new Touch({ session, dials, recent: () => [], clock, chance: () => 0, signal })
    touch.keep("bob", link)
    for (let hour = 0; hour < 24; hour++) {
      jump(clock, hour)
      await clock.pass(HOUR_MS)
    }
    abort.abort()
    return count
  }

  it.each(JUMPS)("$jump: dials as often as without", async ({ ms }) => {
    const calm = await dialsInOneDay(() => {})
    const jumpy = await dialsInOneDay((clock, hour) => clock.jump(hour % 2 === 0 ? ms : -ms))
    expect(jumpy).toBe(calm)
  })
})

describe("messages, when the clock jumps", () => {
  const send = (who: FakePeer, text: string) =>
    who.run(sendMessage, { contact: who.other.name, text })
  const texts = async (who: FakePeer, direction: string) =>
    ((await who.run(listMessages, {})) as MessageDocument[])
      .filter((one) => one.direction === direction)
      .map(({ text }) => text)

  /** Writes while the contact is away and while it is there; counts how often anybody slept. */
  async function tell(
    jump: (world: FakeWorld) => void,
  ): Promise<{ pair: FakePair; sleeps: number }> {
    const pair = new FakePair()
    const sleeps = vi.spyOn(pair.world.clock, "sleep")
    await Promise.all([pair.left.start(messages), pair.right.start(messages)])
    for (const text of ["1", "2", "3"]) {
      await send(pair.left, text)
      jump(pair.world)
      await pair.world.pass(HOUR_MS)
    }
    pair.connect()
    await pair.world.until(() => pair.left.told("delivered").length === 3)
    for (const text of ["4", "5"]) {
      jump(pair.world)
      await Promise.all([send(pair.left, text), send(pair.right, text)])
      await pair.world.pass(60_000)
    }
    await pair.world.until(() => pair.left.told("delivered").length === 5)
    return { pair, sleeps: sleeps.mock.calls.length }
  }

  it.each(JUMPS)(
    "$jump: come once, in order, and with about as many tries as without",
    async ({ ms }) => {
      const calm = await tell(() => {})
      let ahead = false
      const { pair, sleeps } = await tell((world) => {
        ahead = !ahead
        world.jump(ahead ? ms : -ms)
      })
      expect(await texts(pair.left, "out")).toEqual(["1", "2", "3", "4", "5"])
      expect(await texts(pair.right, "in")).toEqual(["1", "2", "3", "4", "5"])
      expect(await texts(pair.left, "in")).toEqual(["4", "5"])
      expect(pair.right.told("received")).toHaveLength(5)
      expect(sleeps).toBeLessThanOrEqual(calm.sleeps * 1.5) // back-offs are drawn by chance
    },
  )
})

describe("files, when the clock jumps", () => {
  it.each(JUMPS)("$jump: come over whole, cuts included", async ({ ms }) => {
    await using story = new FakeFiles()
    await story.start()
    await story.welcome()
    story.pair.connect()
    const path = story.file("film.mkv", 3 * 2 ** 20)
    const { id } = await story.send(path)
    for (const step of [ms, -ms, ms]) {
      await story.eventually(() => story.ann.events.length > 0)
      story.jump(step)
      story.pair.cut()
      story.pair.connect()
    }
    await story.eventually(() => story.bob.told("done").length === 1)
    await story.eventually(() => story.ann.told("done").length === 1)
    const [arrived] = story.bob.told("done") as { id: string; path: string }[]
    expect(arrived?.id).toBe(id)
    expect(sha256Of(arrived?.path ?? "")).toBe(sha256Of(path))
  })
})

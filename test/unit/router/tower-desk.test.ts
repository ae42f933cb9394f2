import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { AlliumError } from "../../../src/base/errors.ts"
import { silentLog } from "../../../src/base/log.ts"
import { systemRandom } from "../../../src/base/random.ts"
import { openTowerEngine, type TowerEngine } from "../../../src/mail/mailbox/tower/engine.ts"
import { openMove, sealMove } from "../../../src/mail/post/move.ts"
import type { Place } from "../../../src/mail/post/post.ts"
import { openTowerDesk, type TowerDesk } from "../../../src/router/tower-desk.ts"
import { LEFT_DEAD_MS, LEFT_GRACE_MS } from "../../../src/router/tower-keeper.ts"
import { formatTowerUri } from "../../../src/router/tower-uri.ts"
import { FakeWorld } from "../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../support/memory-store.ts"

const call = { signal: new AbortController().signal }
const peerOf = (letter: string) => `${letter.repeat(43)}.0`

/** RFC 8032's first two public keys: any sound ones. */
const KEYS = [
  "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
  "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
]

describe("TowerDesk", () => {
  let world: FakeWorld
  let engines: Map<string, TowerEngine>
  let away: Set<string>
  let lives: AbortController[]
  let peers: string[]
  let taken: string[]
  let changes: number
  let desk: TowerDesk
  let life: MemoryLife

  const addressOf = (key: string) => `${"a".repeat(50)}${KEYS.indexOf(key) ? "b" : "c"}a.b32.i2p`
  const uriOf = async (key: string, count = 100) => {
    const invitation = await engines.get(key)!.makeInvitation(count)
    return formatTowerUri({ key, address: addressOf(key), invitation })
  }
  const open = async () => {
    desk = await openTowerDesk({
      room: life.room("/book/"),
      line: {
        async reach({ key }) {
          await world.hop()
          if (away.has(key)) throw new AlliumError("PEER_UNREACHABLE", "Cannot reach tower")
          const abort = new AbortController()
          lives.push(abort)
          return { mailbox: engines.get(key)!, lost: abort.signal }
        },
        async [Symbol.asyncDispose]() {},
      },
      tokenKey: ({ key }) => engines.get(key)!.tokenKey(call),
      sealMove: (moveKey, place) => sealMove(moveKey, place, systemRandom),
      peers: () => peers,
      take: async (peer, envelope) => void taken.push(`${peer[0]} ${envelope[0]}`),
      placesChanged: () => void changes++,
      onChange: () => {},
      ...{ clock: world.clock, chance: () => 0.5, random: systemRandom, log: silentLog },
    })
    await desk.start()
  }
  const place = (peer: string, at = 0) => desk.places(peer)[at] as Extract<Place, { kind: "tower" }>
  const put = (key: string, { sendId }: { sendId: Uint8Array }, first: number) => {
    const envelope = new Uint8Array(4_096).fill(first)
    return engines.get(key)!.put({ sendId, id: systemRandom(16), envelope }, call)
  }

  beforeEach(async () => {
    world = new FakeWorld()
    life = new MemoryLife(new MemoryDisk(), world, () => {})
    engines = new Map()
    for (const [index, key] of KEYS.entries()) {
      const store = life.room(`/tower${index}/`)
      const { clock } = world
      engines.set(key, await openTowerEngine({ store, clock, random: systemRandom }))
    }
    ;[away, lives, peers, taken, changes] = [new Set(), [], [peerOf("A"), peerOf("B")], [], 0]
    await open()
  })
  afterEach(async () => {
    await desk[Symbol.asyncDispose]()
    for (const engine of engines.values()) await engine[Symbol.asyncDispose]()
  })

  it("makes a queue for each correspondent, and tells once", async () => {
    await desk.use(await uriOf(KEYS[0]!))
    await world.settle()
    expect(desk.list()).toMatchObject([
      { name: "tower", use: "used", state: "up", queueCount: 2, missingCount: 0 },
    ])
    expect(changes).toBe(1)
    expect(place(peerOf("A")).sendId).not.toEqual(place(peerOf("B")).sendId)
    expect(desk.places(peerOf("C"))).toEqual([])
  })

  it("takes what is put, acknowledges it, and goes on after a restart", async () => {
    await desk.use(await uriOf(KEYS[0]!))
    await world.settle()
    const queue = place(peerOf("A"))
    await put(KEYS[0]!, queue, 7)
    await world.settle()
    expect(taken).toEqual(["A 7"])
    expect(engines.get(KEYS[0]!)!.report().envelopes).toBe(0)
    await desk[Symbol.asyncDispose]()
    await put(KEYS[0]!, queue, 8)
    await open()
    await world.settle()
    expect(taken).toEqual(["A 7", "A 8"])
    expect(place(peerOf("A"))).toEqual(queue)
  })

  it("comes back when the link is lost", async () => {
    await desk.use(await uriOf(KEYS[0]!))
    await world.settle()
    lives.at(-1)?.abort()
    await world.settle()
    expect(desk.list()).toMatchObject([{ state: "away", reason: "LINK_LOST" }])
    await put(KEYS[0]!, place(peerOf("B")), 9)
    await world.pass(10_000)
    expect(taken).toEqual(["B 9"])
    expect(desk.list()).toMatchObject([{ state: "up" }])
  })

  it("removes the queue of who is no contact any more, and makes one for a new contact", async () => {
    await desk.use(await uriOf(KEYS[0]!))
    await world.settle()
    peers = [peerOf("B"), peerOf("C")]
    await desk.peersChanged()
    await world.settle()
    expect(desk.places(peerOf("A"))).toEqual([])
    expect(desk.places(peerOf("C"))).toHaveLength(1)
    expect(engines.get(KEYS[0]!)!.report().queues).toBe(2)
  })

  it("makes another queue when the tower has forgotten one", async () => {
    await desk.use(await uriOf(KEYS[0]!))
    await world.settle()
    const before = place(peerOf("A"))
    away.add(KEYS[0]!)
    lives.at(-1)?.abort()
    await world.pass(31 * 86_400_000)
    expect(engines.get(KEYS[0]!)!.report().queues).toBe(0)
    away.clear()
    await world.pass(600_000)
    expect(place(peerOf("A")).sendId).not.toEqual(before.sendId)
    expect(await put(KEYS[0]!, place(peerOf("A")), 1)).toEqual({ kind: "ok" })
    expect(changes).toBeGreaterThan(1)
  })

  it("says when the invitation is used up, and goes on with a new one", async () => {
    peers = ["A", "B", "C"].map(peerOf)
    await desk.use(await uriOf(KEYS[0]!, 1))
    await world.settle()
    expect(desk.list()).toMatchObject([{ reason: "BAD_TOKEN", queueCount: 1, missingCount: 2 }])
    await desk.use(await uriOf(KEYS[0]!, 10))
    await world.settle()
    expect(desk.list()).toMatchObject([{ queueCount: 3, missingCount: 0 }])
    expect(desk.list()[0]?.reason).toBeUndefined()
  })

  it("leaves a note at each queue when it moves, takes what lies there, and forgets the tower", async () => {
    await desk.use(await uriOf(KEYS[0]!))
    await world.settle()
    const old = place(peerOf("A"))
    const report = await desk.move(await uriOf(KEYS[1]!), {})
    expect(report).toMatchObject({ name: "tower-2", use: "used" })
    await put(KEYS[0]!, old, 5)
    await world.pass(60_000)
    expect(taken).toEqual(["A 5"])
    expect(desk.list()).toMatchObject([{ name: "tower-2", queueCount: 2 }])
    const answer = await put(KEYS[0]!, old, 6)
    expect(answer.kind).toBe("gone")
    if (answer.kind !== "gone" || answer.moved === undefined) throw new Error("No note")
    expect(openMove(old.moveKey, answer.moved)).toEqual(place(peerOf("A")))
  })

  it("keeps telling the old place until the new queue is made", async () => {
    await desk.use(await uriOf(KEYS[0]!))
    await world.settle()
    away.add(KEYS[1]!)
    await desk.move(await uriOf(KEYS[1]!), {})
    await world.pass(60_000)
    expect(desk.places(peerOf("A")).map((one) => one.kind === "tower" && one.key)).toEqual([
      KEYS[0],
    ])
    away.clear()
    await world.pass(600_000)
    expect(desk.places(peerOf("A")).map((one) => one.kind === "tower" && one.key)).toEqual([
      KEYS[1],
    ])
  })

  it("asks a tower that was left for no other for a week, then removes the queues", async () => {
    await desk.use(await uriOf(KEYS[0]!))
    await world.settle()
    const old = place(peerOf("A"))
    await desk.leave("tower")
    expect(desk.places(peerOf("A"))).toEqual([])
    await put(KEYS[0]!, old, 3)
    await world.pass(LEFT_GRACE_MS + 1_200_000)
    expect(taken).toEqual(["A 3"])
    expect(desk.list()).toEqual([])
    expect(engines.get(KEYS[0]!)!.report().queues).toBe(0)
  }, 60_000)

  it("gives up a dead tower that was left, after a month", async () => {
    await desk.use(await uriOf(KEYS[0]!))
    await world.settle()
    away.add(KEYS[0]!)
    lives.at(-1)?.abort()
    await desk.leave("tower")
    await world.pass(LEFT_DEAD_MS - 86_400_000)
    expect(desk.list()).toMatchObject([{ use: "leaving", state: "away" }])
    await world.pass(2 * 86_400_000)
    expect(desk.list()).toEqual([])
  }, 60_000)

  it("refuses a fourth tower, a name twice, and a tower nobody uses", async () => {
    await desk.use(await uriOf(KEYS[0]!), "home")
    const second = await uriOf(KEYS[1]!)
    await expect(desk.use(second, "home")).rejects.toMatchObject({ code: "ALREADY_EXISTS" })
    await expect(desk.leave("away")).rejects.toMatchObject({ code: "NO_TOWER" })
    await expect(desk.use("allium:x")).rejects.toMatchObject({ code: "BAD_TOWER_URI" })
    await desk.use(second)
    await expect(desk.move(await uriOf(KEYS[0]!), {})).rejects.toMatchObject({ code: "BAD_INPUT" })
  })
})

import { setTimeout as pause } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { SwarmRegistry, Throttle } from "../../plugins/files/swarm/index.ts"
import { systemClock } from "../../src/base/clock.ts"
import { seededChance } from "../../src/base/random.ts"
import { Scope } from "../../src/base/scope.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { openSupervisedSession, type SamStream, type Session } from "../../src/sam/index.ts"
import {
  makeTorrent,
  openPerson,
  type Person,
  type PersonOptions,
} from "../support/swarm-people.ts"

const SIZE = 8_000_000
/** What the seeder gives a second: so everybody needs this long at least. Twenty peers need ten seconds of one core meanwhile. */
const SEEDER_RATE = 160_000
const BOUND_MS = (SIZE / SEEDER_RATE) * 1_000
/** So little that nobody finishes by what liars give. */
const LIAR_RATE = 12_000
const patience = () => ({ signal: AbortSignal.timeout(60_000) })
/** 245 pieces: torrents have more, so that two who choose by chance seldom choose the same. */
const torrent = makeTorrent(SIZE, { pieceBytes: 32_768 })
const chance = seededChance(20)

/** Somebody in the swarm, with a destination of their own. */
interface Node {
  readonly person: Person
  readonly session: Session
  readonly streams: Set<SamStream>
  finishedAt: number | undefined
  isGone: boolean
  leave(): Promise<void>
}

async function openNode(bridge: EmbeddedBridge, options: PersonOptions = {}): Promise<Node> {
  const { host, port } = bridge.address
  const session = openSupervisedSession({ bridge: { host, port }, keys: "transient" })
  await session.ready(patience())
  const person = openPerson(torrent, { chance: seededChance(port + chance() * 1e6), ...options })
  const registry = new SwarmRegistry(systemClock)
  registry.add(person.swarm)
  const node: Node = {
    person,
    session,
    streams: new Set(),
    finishedAt: undefined,
    isGone: false,
    async leave() {
      if (node.isGone) return
      node.isGone = true
      await person[Symbol.asyncDispose]()
      await session[Symbol.asyncDispose]()
    },
  }
  void person.heard("finished").then(() => {
    node.finishedAt = performance.now()
  })
  void accept(node, registry)
  return node
}

async function accept({ session, streams }: Node, registry: SwarmRegistry): Promise<void> {
  for await (const stream of session.incoming) {
    streams.add(stream)
    void registry.admit(stream, { name: stream.peer.b32 }).finally(() => streams.delete(stream))
  }
}

/** Dials, and dials again when the stream breaks, until one of them is gone or bans the other. */
async function keepUp(from: Node, to: Node): Promise<void> {
  while (!from.isGone && !to.isGone) {
    const { b32, base64 } = to.session.destination
    const stream = await from.session.connect(base64, patience()).catch(() => undefined)
    if (stream !== undefined) {
      from.streams.add(stream)
      const why = await from.person.swarm.join(stream, { name: b32, outgoing: true })
      from.streams.delete(stream)
      if (why === "banned" || why === "done") return
    }
    await pause(500 + chance() * 500)
  }
}

/** Gives wrong bytes, sometimes. */
function lying(share: number): PersonOptions {
  const honest = openPerson(torrent, { isSeeder: true }).store
  const { read } = honest
  honest.read = async (block, into) => {
    await read.call(honest, block, into)
    if (chance() < share) into[0]! ^= 1
  }
  const up = [new Throttle(systemClock, { bytesPerSecond: LIAR_RATE })]
  return { isSeeder: true, store: honest, up }
}

describe("a swarm of 20 on the embedded network", () => {
  it("has 1 seeder, 17 who fetch, 2 who lie, loses a tenth and breaks: all honest have the right bytes within 1.5 of the bound", async () => {
    await using scope = new Scope()
    const bridge = scope.use(
      await openEmbeddedBridge({ chance: seededChance(7), knobs: { sessionCreateMs: 0 } }),
    )
    bridge.knobs.latencyMs = 20
    bridge.knobs.loss = 0.1
    const nodes: Node[] = []
    const enter = async (options?: PersonOptions): Promise<Node> => {
      const node = await openNode(bridge, options)
      for (const other of nodes) void keepUp(node, other)
      nodes.push(node)
      scope.defer(() => node.leave())
      return node
    }
    await enter({
      isSeeder: true,
      up: [new Throttle(systemClock, { bytesPerSecond: SEEDER_RATE })],
    })
    await enter(lying(1))
    await enter(lying(0.3))
    const honest = await Promise.all(Array.from({ length: 16 }, () => enter()))
    const startedAt = performance.now()

    const churn = async () => {
      for (let step = 1; step <= 12; step++) {
        await pause(BOUND_MS / 16)
        if (step % 4 === 0) await honest[step / 4 - 1]!.leave()
        if (step === 5) honest.push(await enter())
        const { streams } = nodes[Math.floor(chance() * nodes.length)]!
        for (const stream of streams) if (chance() < 0.3) stream.destroy()
      }
    }
    await churn()
    const staying = honest.filter(({ isGone }) => !isGone)
    expect(staying).toHaveLength(14)
    await Promise.all(staying.map(({ person }) => person.heard("finished")))
    for (const { person } of staying)
      expect(Buffer.from(person.store.bytes).equals(torrent.bytes)).toBe(true)
    const tookMs = Math.max(...staying.map(({ finishedAt }) => finishedAt!)) - startedAt
    expect(tookMs / BOUND_MS).toBeLessThan(1.5)
    // Whoever met the one who always lies knows it.
    const liar = nodes[1]!.session.destination.b32
    const bans = staying.flatMap(({ person }) =>
      person.events.filter(({ kind }) => kind === "banned"),
    )
    expect(bans).toContainEqual({ kind: "banned", name: liar })
    const innocent = new Set([nodes[0]!, ...honest].map(({ session }) => session.destination.b32))
    expect(bans.filter((event) => "name" in event && innocent.has(event.name))).toEqual([])
  })
})

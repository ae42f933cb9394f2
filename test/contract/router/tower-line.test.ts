import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { systemClock } from "../../../src/base/clock.ts"
import { silentLog } from "../../../src/base/log.ts"
import { systemRandom } from "../../../src/base/random.ts"
import type { Scope } from "../../../src/base/scope.ts"
import { openMailboxClient } from "../../../src/mail/mailbox/client.ts"
import { serveMailbox } from "../../../src/mail/mailbox/server.ts"
import { openTowerEngine, type TowerEngine } from "../../../src/mail/mailbox/tower/engine.ts"
import { MAILBOX_PROTOCOL } from "../../../src/mail/mailbox/wire.ts"
import { type Listener, openListener, type Visit } from "../../../src/router/plugin-listen.ts"
import { openTowerLine, type TowerLine } from "../../../src/router/tower-line.ts"
import type { TowerAddress } from "../../../src/router/tower-uri.ts"
import type { Session } from "../../../src/sam/session.ts"
import { openEmbeddedNetwork } from "../../support/embedded-network.ts"
import { FakeWorld } from "../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../support/memory-store.ts"
import { eventually } from "../../support/story.ts"

const call = { signal: new AbortController().signal }
const tools = { clock: systemClock, random: systemRandom, log: silentLog }

describe("a line to a plugin that listens", () => {
  let network: Awaited<ReturnType<typeof openEmbeddedNetwork>>
  let engine: TowerEngine
  let session: Session
  let listener: Listener
  let tower: TowerAddress
  const visits: Visit[] = []
  const opened: Session[] = []

  beforeAll(async () => {
    network = await openEmbeddedNetwork()
    const store = new MemoryLife(new MemoryDisk(), new FakeWorld(), () => {}).room("/")
    engine = await openTowerEngine({ store, clock: systemClock, random: systemRandom })
    session = network.open()
    listener = openListener({
      ...tools,
      session,
      seed: new Uint8Array(32).fill(7),
      protocol: MAILBOX_PROTOCOL,
      async handle(visit) {
        visits.push(visit)
        await serveMailbox(visit.channel, engine, { ...call, clock: systemClock })
      },
    })
    tower = { key: listener.key, address: session.destination.b32 }
  })
  afterAll(async () => {
    await listener[Symbol.asyncDispose]()
    await session[Symbol.asyncDispose]()
    await engine[Symbol.asyncDispose]()
    await network[Symbol.asyncDispose]()
  })

  const open = (idleMs?: number): TowerLine =>
    openTowerLine({
      ...tools,
      openSession: async (scope: Scope) => {
        const mine = scope.use(network.open())
        opened.push(mine)
        return mine
      },
      openClient: openMailboxClient,
      ...(idleMs !== undefined && { idleMs }),
    })

  it("reaches its mailbox, and keeps the link for the next call", async () => {
    await using line = open()
    const first = await line.reach(tower, call)
    expect(await first.mailbox.tokenKey(call)).toEqual(await engine.tokenKey(call))
    const second = await line.reach(tower, call)
    expect(second).toBe(first)
    expect(visits).toHaveLength(1)
    expect(listener.visitorCount).toBe(1)
  })

  it("comes with another key and from another address each time it is opened", async () => {
    for (let count = 0; count < 2; count++) {
      await using line = open()
      await (await line.reach(tower, call)).mailbox.tokenKey(call)
    }
    expect(new Set(visits.map(({ key }) => key)).size).toBe(visits.length)
    expect(new Set(opened.map(({ destination }) => destination.b32)).size).toBe(opened.length)
  })

  it("tells when the link is lost, and finds a new one", async () => {
    await using line = open()
    const { lost, mailbox } = await line.reach(tower, call)
    await mailbox.tokenKey(call)
    visits.at(-1)?.channel.destroy()
    await eventually(async () => lost.aborted, Boolean, 5_000)
    const again = await line.reach(tower, call)
    expect(again.lost.aborted).toBe(false)
    await again.mailbox.tokenKey(call)
  })

  it("takes nobody for the tower who has another key", async () => {
    await using line = open()
    const key = Buffer.from(new Uint8Array(32).fill(9)).toString("base64url")
    const wrong = line.reach({ ...tower, key }, call)
    await expect(wrong).rejects.toMatchObject({
      code: expect.stringMatching(/^(PEER_MISMATCH|LINK_REFUSED|BAD_KEY)$/),
    })
  })

  it("cannot be reached any more when it was closed", async () => {
    const line = open()
    await line.reach(tower, call)
    await line[Symbol.asyncDispose]()
    await expect(line.reach(tower, call)).rejects.toMatchObject({ code: "SESSION_CLOSED" })
  })
})

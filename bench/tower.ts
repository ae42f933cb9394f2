/**
 * A tower on a real disk: how fast it takes envelopes, what one costs, and how soon it is back.
 *
 * Every PUT is on disk before it is answered, so each round also commits the same bytes to a bare table of the same store.
 * `TOWER_QUEUES=1000` is the size a tower is made for: 256,000 envelopes, 1 GiB, some minutes.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { setMaxListeners } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { z } from "zod"
import { systemClock } from "../src/base/clock.ts"
import { silentLog } from "../src/base/log.ts"
import { systemRandom } from "../src/base/random.ts"
import { Scope } from "../src/base/scope.ts"
import { blindTokens, unblindTokens } from "../src/mail/mailbox/tokens.ts"
import { openTowerEngine, type TowerEngine } from "../src/mail/mailbox/tower/engine.ts"
import { QUEUE_ENVELOPES_MAX } from "../src/mail/mailbox/tower/limits.ts"
import { openStore } from "../src/store/open-store.ts"
import type { Store } from "../src/store/store.ts"
import { alternate, type Bench, type Figure, figure, ratios } from "./figure.ts"

const QUEUES = Number(process.env.TOWER_QUEUES ?? 20)
/** PUTs under way at once: as many as one client may have. */
const AT_ONCE = 64
const ROUNDS = 5
const CALL = { signal: new AbortController().signal }
setMaxListeners(0, CALL.signal)

export const bench: Bench = {
  title: `a tower with ${QUEUES} queues and ${QUEUES * QUEUE_ENVELOPES_MAX} envelopes`,
  run: measureTower,
}

interface Living {
  readonly store: Store
  readonly tower: TowerEngine
  readonly storeMs: number
  readonly towerMs: number
  /** Of all cores, for both. */
  readonly cpuMs: number
}

async function measureTower(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), "allium-bench-"))
  await using scope = new Scope()
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  const first = await open(folder)
  const queues = await makeQueues(first.tower, QUEUES)
  const perRound = Math.min(20, Math.ceil(2_000 / QUEUES))
  const lastRounds = 1 + ROUNDS * perRound
  const filled = await timed(() => fill(first.tower, queues, QUEUE_ENVELOPES_MAX - lastRounds))
  const measured = await measurePuts(first, queues, perRound)
  await close(first)
  const again = await open(folder)
  const cold = await timed(() => fill(again.tower, queues, 1))
  const { envelopes } = again.tower.report()
  await close(again)
  return [
    figure("envelopes there at the end", [envelopes], ""),
    figure("PUT while it fills", [filled.perSecond], "/s"),
    figure("CPU of a PUT while it fills", [filled.cpuMs], "ms", { most: 5 }),
    ...measured,
    figure("CPU of a queue's first PUT after a restart", [cold.cpuMs], "ms", { most: 5 }),
    figure("restart: the store looks at its files and opens", [again.storeMs], "ms"),
    figure("restart: the tower reads its heads", [again.towerMs], "ms"),
    figure("restart", [again.storeMs + again.towerMs], "ms", { most: 2_000 }),
    figure("processor time of a restart", [again.cpuMs], "ms", { most: 2_000 }),
    figure("memory (RSS)", [process.memoryUsage().rss / 1_048_576], "MiB"),
  ]
}

/** PUTs, and bare commits of the same bytes, in turn. */
async function measurePuts(
  { store, tower }: Living,
  queues: readonly Uint8Array[],
  perRound: number,
): Promise<Figure[]> {
  const bare = store.room("bare").table("bare", z.instanceof(Uint8Array))
  const count = queues.length * perRound
  let written = 0
  const commit = () => store.commit([bare.put(String(written++), randomBytes(4_096))])
  const { put, raw } = await alternate(ROUNDS, {
    put: () => timed(() => fill(tower, queues, perRound)),
    raw: () => timed(() => atOnce(count, commit)),
  })
  const speeds = put.map(({ perSecond }) => perSecond)
  const rawSpeeds = raw.map(({ perSecond }) => perSecond)
  return [
    figure("PUT when it is full", speeds, "/s"),
    figure("bare commits of 4,096 bytes", rawSpeeds, "/s"),
    figure("PUT, in times of bare commits", ratios(speeds, rawSpeeds), ""),
    figure(
      "CPU of a PUT when it is full",
      put.map(({ cpuMs }) => cpuMs),
      "ms",
      { most: 5 },
    ),
    figure(
      "CPU of a bare commit",
      raw.map(({ cpuMs }) => cpuMs),
      "ms",
    ),
  ]
}

async function open(folder: string): Promise<Living> {
  const key = new Uint8Array(32).fill(7)
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  const store = await openStore({ folder, key, clock: systemClock, log: silentLog })
  const storeMs = performance.now() - startMs
  const options = { store: store.room("tower"), clock: systemClock, random: systemRandom }
  const limits = { capBytes: 2 ** 32 }
  const tower = await openTowerEngine({ ...options, limits })
  const towerMs = performance.now() - startMs - storeMs
  const { user, system } = process.cpuUsage(cpu)
  return { store, tower, storeMs, towerMs, cpuMs: (user + system) / 1_000 }
}

async function close({ store, tower }: Living): Promise<void> {
  await tower[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
}

/** @returns The send ids. */
async function makeQueues(tower: TowerEngine, count: number): Promise<Uint8Array[]> {
  const invitation = await tower.makeInvitation(count)
  const sendIds: Uint8Array[] = []
  while (sendIds.length < count) {
    const pending = blindTokens(Math.min(64, count - sendIds.length), systemRandom)
    const blinded = pending.map((one) => one.blinded)
    const issued = await tower.issueTokens({ invitation, blinded }, CALL)
    const tokens = unblindTokens(pending, issued, await tower.tokenKey(CALL))
    for (const token of tokens)
      sendIds.push((await tower.make({ kind: "queue", token }, CALL)).sendId)
  }
  return sendIds
}

/** Puts so many envelopes into each queue, all queues in turn. */
function fill(tower: TowerEngine, sendIds: readonly Uint8Array[], each: number): Promise<number> {
  return atOnce(sendIds.length * each, async (index) => {
    const item = { sendId: sendIds[index % sendIds.length]!, id: randomBytes(16) }
    const { kind } = await tower.put({ ...item, envelope: randomBytes(4_096) }, CALL)
    if (kind !== "ok") throw new Error(`Cannot fill: ${kind}`)
  })
}

/** @returns How many there were. */
async function atOnce(count: number, deed: (index: number) => Promise<void>): Promise<number> {
  let next = 0
  const worker = async () => {
    while (next < count) await deed(next++)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return count
}

/** Speed, and milliseconds of all cores for each. */
async function timed(run: () => Promise<number>): Promise<{ perSecond: number; cpuMs: number }> {
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  const count = await run()
  const { user, system } = process.cpuUsage(cpu)
  return {
    perSecond: (1_000 * count) / (performance.now() - startMs),
    cpuMs: (user + system) / 1_000 / count,
  }
}

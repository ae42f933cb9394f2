/**
 * Posts with real envelopes on a real disk: what a message to 31 others costs its sender, and what it takes to get rid of
 * 1,000 messages that waited. No network: envelopes are handed over in this process.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { systemClock } from "../src/base/clock.ts"
import { AlliumError } from "../src/base/errors.ts"
import { silentLog } from "../src/base/log.ts"
import { systemRandom } from "../src/base/random.ts"
import { Scope } from "../src/base/scope.ts"
import { unlockIdentity } from "../src/identity/unlocked.ts"
import { createEnvelopeCrypto } from "../src/mail/envelope/envelope-crypto.ts"
import { openPost } from "../src/mail/post/open-post.ts"
import type { Place, Post } from "../src/mail/post/post.ts"
import { openStore } from "../src/store/open-store.ts"
import { type Bench, type Figure, figure } from "./figure.ts"

/** As long as a text of a line in a group, with what stands around it. */
const LETTER_BYTES = 400
const SELF: Place = { kind: "self" }

/** How much is measured. */
export interface PostsSize {
  readonly members: number
  readonly queued: number
  readonly rounds: number
}

export const bench: Bench = {
  title: "a message to a group, and many messages that waited",
  run: () => measurePosts({ members: 32, queued: 1_000, rounds: 5 }),
}

/** Measures both. */
export async function measurePosts({ members, queued, rounds }: PostsSize): Promise<Figure[]> {
  await using town = await openTown(members)
  await town.greet()
  const texts = await repeat(rounds, () => measure(town, () => town.toAll()))
  const drains = await repeat(rounds, () => measureDrain(town, queued))
  const of = <T>(runs: readonly T[], value: (run: T) => number) => runs.map(value)
  return [
    figure(
      `${members} members: envelopes of a message`,
      of(texts, (run) => run.envelopes),
      "",
    ),
    figure(
      `${members} members: until all have it`,
      of(texts, (run) => run.wallMs),
      "ms",
    ),
    figure(
      `${members} members: processor time, all of them`,
      of(texts, (run) => run.cpuMs),
      "ms",
    ),
    figure(
      `${queued} that waited: envelopes`,
      of(drains, (run) => run.envelopes),
      "",
    ),
    figure(
      `${queued} that waited: until all are acknowledged`,
      of(drains, (run) => run.wallMs),
      "ms",
    ),
    figure(
      `${queued} that waited: processor time of both sides, each`,
      of(drains, (run) => run.cpuMs / queued),
      "ms",
    ),
    figure(
      `${queued} that waited: more memory (RSS)`,
      of(drains, (run) => run.rssMiB),
      "MiB",
    ),
  ]
}

interface Cost {
  readonly wallMs: number
  readonly cpuMs: number
  readonly rssMiB: number
  /** Put by anybody. */
  readonly envelopes: number
}

async function measureDrain(town: Town, count: number): Promise<Cost> {
  town.isOpen = false
  for (let number = 0; number < count; number++) await town.toFirst()
  return measure(town, async () => {
    town.isOpen = true
    await town.drain()
  })
}

async function measure(town: Town, deed: () => Promise<void>): Promise<Cost> {
  await sleep(2_500) // acknowledgements of what was before
  const before = town.envelopes
  const rss = process.memoryUsage.rss()
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  await deed()
  const wallMs = performance.now() - startMs
  const { user, system } = process.cpuUsage(cpu)
  const rssMiB = Math.max(0, process.memoryUsage.rss() - rss) / 1_048_576
  return { wallMs, cpuMs: (user + system) / 1_000, rssMiB, envelopes: town.envelopes - before }
}

async function repeat<T>(rounds: number, deed: () => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (let round = 0; round < rounds; round++) results.push(await deed())
  return results
}

/** One who writes and the others, each with a post on a disk of its own. */
interface Town extends AsyncDisposable {
  /** Whether envelopes can be put. */
  isOpen: boolean
  readonly envelopes: number
  /** Everybody knows the writer, and has answered once. */
  greet(): Promise<void>
  /** A letter to everybody; resolves when all have it. */
  toAll(): Promise<void>
  /** A letter to one. */
  toFirst(): Promise<void>
  /** Resolves when nothing waits for that one. */
  drain(): Promise<void>
}

async function openTown(members: number): Promise<Town> {
  await using opening = new Scope()
  const folder = await mkdtemp(join(tmpdir(), "allium-bench-"))
  opening.defer(() => rm(folder, { recursive: true, force: true }))
  const town = new OpenTown(opening)
  for (let index = 0; index < members; index++) await town.add(join(folder, String(index)))
  const owned = opening.move()
  town.end = () => owned.close()
  return town
}

class OpenTown implements Town {
  isOpen = true
  envelopes = 0
  end: () => Promise<void> = async () => {}
  readonly #scope: Scope
  readonly #posts: Post[] = []
  readonly #names: string[] = []
  #came = 0
  #sent = 0
  #delivered = 0

  constructor(scope: Scope) {
    this.#scope = scope
  }

  async add(folder: string): Promise<void> {
    const index = this.#posts.length
    const self = unlockIdentity(systemRandom(64), { name: "x", index: 0 })
    const tools = { clock: systemClock, random: systemRandom, log: silentLog }
    const key = new Uint8Array(32).fill(7)
    const store = this.#scope.use(await openStore({ ...tools, folder, key }))
    const post = await openPost({
      ...{ ...tools, chance: Math.random, self, store: store.room("post") },
      crypto: createEnvelopeCrypto({ random: systemRandom }),
      ownPlaces: async () => [SELF],
      reach: async (peer) => this.#reach(index, peer),
      deliver: async () => {
        this.#came++
        return { changes: [] }
      },
      report: async (_, __, ___, { kind }) => {
        if (kind === "delivered") this.#delivered++
        return { changes: [] }
      },
    })
    this.#scope.use(post)
    this.#posts.push(post)
    this.#names.push(`${self.key}.0`)
  }

  #reach(from: number, peer: string) {
    if (!this.isOpen) throw new AlliumError("PEER_UNREACHABLE", "Cannot reach: the bench says so")
    const to = this.#posts[this.#names.indexOf(peer)]!
    return {
      put: async ({ envelope }: { envelope: Uint8Array }) => {
        if (!this.isOpen) throw new AlliumError("CHANNEL_RESET", "Cannot put: the bench says so")
        this.envelopes++
        await to.take(this.#names[from]!, envelope)
        return { kind: "ok" } as const
      },
      async [Symbol.asyncDispose]() {},
    }
  }

  async greet(): Promise<void> {
    const [ann, ...others] = this.#posts
    for (const [index, other] of others.entries())
      await ann!.meet(this.#names[index + 1]!, await other.introduce(this.#names[0]!))
    await this.toAll()
  }

  async toAll(): Promise<void> {
    const wanted = this.#came + this.#posts.length - 1
    for (const name of this.#names.slice(1)) await this.#send(name)
    while (this.#came < wanted) await sleep(1)
  }

  toFirst(): Promise<void> {
    return this.#send(this.#names[1]!)
  }

  async drain(): Promise<void> {
    this.#posts[0]!.wake(this.#names[1]!)
    while (this.#delivered < this.#sent) await sleep(5)
  }

  #send(peer: string): Promise<void> {
    const content = systemRandom(LETTER_BYTES)
    return this.#posts[0]!.send(peer, { topic: "bench", content, name: `letter ${++this.#sent}` })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }
}

/**
 * Posts that exchange envelopes through mailboxes in memory, on disks that survive crashes.
 */

import { z } from "zod"
import { AlliumError } from "../../src/base/errors.ts"
import { silentLog } from "../../src/base/log.ts"
import { type RandomBytes, seededChance } from "../../src/base/random.ts"
import type { EnvelopeCrypto, MailSelf } from "../../src/mail/envelope/crypto.ts"
import type { PutAnswer } from "../../src/mail/mailbox/mailbox.ts"
import { sealMove } from "../../src/mail/post/move.ts"
import { openPost } from "../../src/mail/post/open-post.ts"
import type { PostNews, PostOptions, Putting } from "../../src/mail/post/options.ts"
import type { LetterState, Place, Post } from "../../src/mail/post/post.ts"
import { createFakeCrypto, makeFakeSelf } from "./fake-envelope-crypto.ts"
import { FakeWorld } from "./fake-world.ts"
import { MemoryDisk, MemoryLife } from "./memory-store.ts"

/** A tower's queue. */
export class FakeQueue {
  readonly place: Extract<Place, { kind: "tower" }>
  readonly envelopes = new Map<string, Uint8Array>()
  /** Beyond: FULL. */
  room = 256
  /** What everybody hears instead. */
  gone: { moved?: Uint8Array } | undefined
  isUp = true

  constructor(random: RandomBytes) {
    this.place = {
      ...{ kind: "tower", key: Buffer.from(random(32)).toString("base64url") },
      address: `${"a".repeat(52)}.b32.i2p`,
      ...{ sendId: random(32), moveKey: random(32) },
    }
  }

  put(id: Uint8Array, envelope: Uint8Array): PutAnswer {
    const key = Buffer.from(id).toString("hex")
    if (this.gone) return { kind: "gone", ...this.gone }
    if (this.envelopes.has(key)) return { kind: "duplicate" }
    if (this.envelopes.size >= this.room) return { kind: "full" }
    this.envelopes.set(key, envelope)
    return { kind: "ok" }
  }
}

/** What befalls an envelope on its way; gives back what arrives, one after the other. */
export type Fate = (envelope: Uint8Array) => Uint8Array[]

/** One identity with its post, over several lives. */
export class FakePostPeer {
  readonly name: string
  readonly self: MailSelf
  readonly peer: string
  queue: FakeQueue
  disk = new MemoryDisk()
  life: MemoryLife | undefined
  post: Post | undefined
  /** Where the other may put. */
  places: Place[]
  /** Whether its own mailbox can be reached. */
  isUp = true
  /** What arrives of an envelope put into its own mailbox or pulled from its queue. */
  fate: Fate = (envelope) => [envelope]
  /** Thrown by its plugin in place of taking a letter. */
  fault: unknown
  readonly news: PostNews[] = []
  readonly flashes: string[] = []
  putCount = 0
  /** Disks it lost. */
  readonly lostDisks: MemoryDisk[] = []
  /** Letters whose sending was promised, by name: their content. */
  readonly promised = new Map<string, string>()
  /** Letters in the order in which they were asked to be sent; a list for each disk. */
  readonly asked: string[][] = [[]]
  /** Whether others may ask it for its introduction. */
  greets = true
  readonly world: FakePostWorld

  constructor(world: FakePostWorld, name: string) {
    this.world = world
    this.name = name
    this.self = world.makeSelf()
    this.peer = `${Buffer.from(this.self.publicKey).toString("base64url")}.0`
    this.queue = new FakeQueue(world.random)
    this.places = [{ kind: "self" }, this.queue.place]
  }

  get other(): FakePostPeer {
    return this.world.left === this ? this.world.right : this.world.left
  }

  /** Starts on what is on disk; never resolves when it crashes on the way. */
  async start(options: Partial<PostOptions> = {}): Promise<void> {
    let crashed = () => {}
    const crash = new Promise<undefined>((resolve) => {
      crashed = () => resolve(undefined)
    })
    const life = new MemoryLife(this.disk, this.world.time, () => crashed())
    this.life = life
    this.post = undefined
    const opened = await this.world.time.track(
      Promise.race([openPost({ ...this.#options(life), ...options }), crash]),
    )
    if (!life.dead) this.post = opened
  }

  /** Stops in good order. */
  async stop(): Promise<void> {
    await this.post?.[Symbol.asyncDispose]()
    this.life?.crash()
    this.post = undefined
  }

  /** Kill -9. */
  crash(): void {
    this.life?.crash()
    this.post = undefined
  }

  /** Whether its post runs. */
  get lives(): boolean {
    return this.post !== undefined && this.life?.dead === false
  }

  /** On its disk: letters its plugin took, in order. */
  get taken(): string[] {
    return takenOn(this.disk)
  }

  /** On its disk: what was reported of a letter, in order. */
  statesOf(name: string): LetterState[] {
    const found = this.disk.values.get(`plugin/states/${name}`) as LetterState[] | undefined
    return found ?? []
  }

  send(name: string, content: string = name): Promise<void> {
    if (!this.post) throw new Error(`${this.name} does not run`)
    const bytes = new Uint8Array(Buffer.from(content))
    const { disk } = this
    this.asked.at(-1)!.push(content)
    const sent = this.post.send(this.other.peer, { topic: "test", name, content: bytes })
    return sent.then(() => {
      if (disk === this.disk) this.promised.set(name, content)
    })
  }

  /** Loses everything but its keys. */
  lose(): void {
    this.crash()
    this.lostDisks.push(this.disk)
    this.asked.push([])
    this.disk = new MemoryDisk()
    this.promised.clear()
  }

  /** Whether its plugin ever had this letter on a disk. */
  everTook(content: string): boolean {
    return [this.disk, ...this.lostDisks].some((disk) => takenOn(disk).includes(content))
  }

  /** Whether the last thing said of every promised letter is that it was delivered. */
  get isDone(): boolean {
    if (this.post?.hasWaiting(this.other.peer) !== false) return false
    return [...this.promised.keys()].every(
      (name) => this.statesOf(name).at(-1)?.kind === "delivered",
    )
  }

  /** Takes what arrived, in its running life. */
  take(envelope: Uint8Array): Promise<string> {
    return this.ask((post) => post.take(this.other.peer, envelope))
  }

  /** Does something with its running post; rejects when it dies on the way. */
  async ask<T>(deed: (post: Post) => Promise<T>): Promise<T> {
    const { life, post } = this
    if (!post || !life || life.dead) throw unreachable()
    const died = new Promise<never>((_, reject) => this.#onDeath(life, () => reject(unreachable())))
    died.catch(() => {})
    return this.world.time.track(Promise.race([deed(post), died]))
  }

  #onDeath(life: MemoryLife, died: () => void): void {
    const before = life.onCrash
    ;(life as { onCrash: () => void }).onCrash = () => {
      before()
      died()
    }
  }

  /** Takes everything out of its queue at the tower, as far as it lives. */
  async pull(order: (ids: string[]) => string[] = (ids) => ids): Promise<void> {
    for (const id of order([...this.queue.envelopes.keys()])) {
      const envelope = this.queue.envelopes.get(id)
      if (envelope === undefined || !this.lives || !this.queue.isUp) return
      try {
        for (const arrived of this.fate(envelope)) await this.take(arrived)
      } catch {
        return
      }
      this.queue.envelopes.delete(id)
    }
  }

  /** Goes to another queue, and leaves a note at the old one. */
  async move(): Promise<void> {
    const { random, queues } = this.world
    const next = new FakeQueue(random)
    queues.push(next)
    this.queue.gone = { moved: sealMove(this.queue.place.moveKey, next.place, random) }
    for (const [id, envelope] of this.queue.envelopes) next.envelopes.set(id, envelope)
    this.queue = next
    this.places = [...this.places.filter(({ kind }) => kind === "self"), next.place]
    await this.ask((post) => post.placesChanged()).catch(() => {})
  }

  #options(life: MemoryLife): PostOptions {
    const { world } = this
    const store = life.room("")
    const plugin = store.room("plugin")
    const states = plugin.table("states", z.array(z.custom<LetterState>()))
    return {
      ...{ self: this.self, crypto: world.crypto, store: store.room("post") },
      ...{ clock: world.time.clock, chance: world.chance, random: world.random, log: silentLog },
      ownPlaces: async () => this.places,
      reach: async (_, place) => {
        await life.alive()
        return this.#reach(life, place)
      },
      greet: async () => {
        await life.alive()
        if (!this.other.lives || !this.other.isUp || !this.other.greets) throw unreachable()
        return this.other.ask((post) => post.introduce(this.peer))
      },
      deliver: async (_, { content }) => {
        await life.alive()
        if (this.fault) throw this.fault
        const append = plugin.journal("taken", z.string()).append(Buffer.from(content).toString())
        return { changes: [append] }
      },
      deliverFlash: async (_, { content }) => {
        this.flashes.push(Buffer.from(content).toString())
        return { changes: [] }
      },
      report: async (_, name, __, state) => {
        await life.alive()
        this.#check(name, state)
        const before = (await states.get(name)) ?? []
        return { changes: [states.put(name, [...before, state])] }
      },
      told: (_, news) => void this.news.push(news),
    }
  }

  /** What is said must be true at that moment. */
  #check(name: string, { kind }: LetterState): void {
    const content = this.promised.get(name)
    if (kind === "delivered" && content !== undefined && !this.other.everTook(content))
      this.world.faults.push(`${name} is not delivered`)
  }

  #reach(life: MemoryLife, place: Place): Putting {
    const { other } = this
    if (place.kind === "self" && !(other.isUp && other.lives)) throw unreachable()
    const queue = place.kind === "tower" ? this.world.queueOf(place) : undefined
    if (queue?.isUp === false) throw unreachable()
    const put: Putting["put"] = async ({ id, envelope }) => {
      await life.alive()
      this.putCount++
      if (queue !== undefined) return queue.put(id, envelope)
      if (!other.isUp || !other.lives) throw unreachable()
      for (const arrived of other.fate(envelope)) await other.take(arrived)
      await life.alive()
      return { kind: "ok" }
    }
    return { put, [Symbol.asyncDispose]: async () => {} }
  }
}

/** Letters a plugin took on this disk, in order. */
function takenOn(disk: MemoryDisk): string[] {
  return disk
    .below("plugin/taken/")
    .sort(([left], [right]) => Number(left) - Number(right))
    .map(([, value]) => value as string)
}

function unreachable(): AlliumError {
  return new AlliumError("PEER_UNREACHABLE", "Cannot reach: not now")
}

/** See the module. */
export class FakePostWorld {
  readonly time = new FakeWorld()
  readonly chance
  readonly random: RandomBytes
  readonly crypto: EnvelopeCrypto
  readonly left: FakePostPeer
  readonly right: FakePostPeer
  readonly queues: FakeQueue[] = []
  /** What was said and is not true. */
  readonly faults: string[] = []
  readonly makeSelf: () => MailSelf

  constructor(
    options: {
      seed?: number
      crypto?: (random: RandomBytes) => EnvelopeCrypto
      makeSelf?: (random: RandomBytes) => MailSelf
    } = {},
  ) {
    this.chance = seededChance(options.seed ?? 1)
    this.random = (byteCount) =>
      Uint8Array.from({ length: byteCount }, () => Math.floor(this.chance() * 256))
    this.crypto = options.crypto?.(this.random) ?? createFakeCrypto({ random: this.random })
    this.makeSelf = () => options.makeSelf?.(this.random) ?? makeFakeSelf(this.random(32))
    this.left = new FakePostPeer(this, "left")
    this.right = new FakePostPeer(this, "right")
    this.queues.push(this.left.queue, this.right.queue)
  }

  queueOf(place: Place): FakeQueue {
    const queue = this.queues.find((one) => place.kind === "tower" && one.place.key === place.key)
    if (queue === undefined) throw unreachable()
    return queue
  }

  /** Both run and know each other. */
  async start(): Promise<void> {
    await this.left.start()
    await this.right.start()
    await this.introduce()
  }

  /** Restarts who died, lets everything arrive, until all that was promised is delivered. */
  async finish(mostMs = 3 * 86_400_000): Promise<void> {
    for (const one of [this.left, this.right]) {
      Object.assign(one, {
        isUp: true,
        fault: undefined,
        fate: (envelope: Uint8Array) => [envelope],
      })
      one.disk.crashAt = undefined
    }
    for (const queue of this.queues) Object.assign(queue, { isUp: true, room: 256 })
    await this.time.until(async () => {
      for (const one of [this.left, this.right]) {
        if (!one.lives) await one.start()
        await one.pull()
      }
      await this.time.settle()
      return this.left.isDone && this.right.isDone
    }, mostMs)
  }

  /** Throws unless every letter is where it belongs, once, in order, and nothing false was said. */
  verify(): void {
    if (this.faults.length > 0) throw new Error(this.faults.join(", "))
    for (const one of [this.left, this.right]) {
      for (const content of one.promised.values())
        if (!one.other.everTook(content)) throw new Error(`Lost: ${content.slice(0, 20)}`)
      for (const asked of one.other.asked) requireOrder(one.taken, asked)
      for (const name of one.promised.keys()) requireStates(one.statesOf(name))
    }
  }

  /** As over a link. */
  async introduce(): Promise<void> {
    const { left, right } = this
    await left.post!.meet(right.peer, await right.post!.introduce(left.peer))
    await right.post!.meet(left.peer, await left.post!.introduce(right.peer))
  }
}

/** Each at most once, in the order of sending. */
function requireOrder(taken: readonly string[], asked: readonly string[]): void {
  const numbers = taken.map((content) => asked.indexOf(content)).filter((number) => number >= 0)
  numbers.forEach((number, index) => {
    if (index > 0 && number <= numbers[index - 1]!)
      throw new Error(`Out of order or twice: number ${number} after ${numbers[index - 1]}`)
  })
}

/** Facts never go back. */
function requireStates(states: readonly LetterState[]): void {
  const kinds = states.map(({ kind }) => kind).join(" ")
  if (!/^(stored )?(delivered|failed)$/.test(kinds)) throw new Error(`Bad states: ${kinds}`)
}

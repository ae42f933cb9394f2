/**
 * Posts that exchange envelopes through mailboxes in memory, on disks that survive crashes.
 */

import { z } from "zod"
import { AlliumError } from "../../src/base/errors.ts"
import { silentLog } from "../../src/base/log.ts"
import { type RandomBytes, seededChance } from "../../src/base/random.ts"
import type { EnvelopeCrypto, MailSelf } from "../../src/mail/envelope/crypto.ts"
import type { PutAnswer } from "../../src/mail/mailbox/mailbox.ts"
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
  readonly queue: FakeQueue
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
    return this.#below("plugin/taken/").map((value) => value as string)
  }

  /** On its disk: what was reported of a letter, in order. */
  statesOf(name: string): LetterState[] {
    const found = this.disk.values.get(`plugin/states/${name}`) as LetterState[] | undefined
    return found ?? []
  }

  #below(prefix: string): unknown[] {
    return this.disk
      .below(prefix)
      .sort(([left], [right]) => Number(left) - Number(right))
      .map(([, value]) => value)
  }

  send(name: string, content: string = name): Promise<void> {
    if (!this.post) throw new Error(`${this.name} does not run`)
    const bytes = new Uint8Array(Buffer.from(content))
    return this.post.send(this.other.peer, { topic: "test", name, content: bytes })
  }

  /** Takes what arrived, in its running life. */
  async take(envelope: Uint8Array): Promise<string> {
    const { life, post } = this
    if (!post || !life || life.dead) throw unreachable()
    const died = new Promise<never>((_, reject) => this.#onDeath(life, () => reject(unreachable())))
    died.catch(() => {})
    const taking = Promise.race([post.take(this.other.peer, envelope), died])
    return this.world.time.track(taking)
  }

  #onDeath(life: MemoryLife, died: () => void): void {
    const before = life.onCrash
    ;(life as { onCrash: () => void }).onCrash = () => {
      before()
      died()
    }
  }

  /** Takes everything out of its queue at the tower. */
  async pull(): Promise<void> {
    for (const [id, envelope] of [...this.queue.envelopes]) {
      for (const arrived of this.fate(envelope)) await this.take(arrived)
      this.queue.envelopes.delete(id)
    }
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
        return world.time.track(this.other.post!.introduce(this.peer))
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
        const before = (await states.get(name)) ?? []
        return { changes: [states.put(name, [...before, state])] }
      },
      told: (_, news) => void this.news.push(news),
    }
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

  /** As over a link. */
  async introduce(): Promise<void> {
    const { left, right } = this
    await left.post!.meet(right.peer, await right.post!.introduce(left.peer))
    await right.post!.meet(left.peer, await left.post!.introduce(right.peer))
  }
}

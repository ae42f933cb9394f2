/** Two people who can only meet at a door: each on a disk of their own that survives when the process dies, and one tower. */

import { z } from "zod"
import { AlliumError } from "../../src/base/errors.ts"
import { silentLog } from "../../src/base/log.ts"
import { systemRandom } from "../../src/base/random.ts"
import { makeCard } from "../../src/identity/card.ts"
import { openContactBook } from "../../src/identity/contact-book.ts"
import { formatContactUri } from "../../src/identity/contact-uri.ts"
import type { Contact, ContactBook } from "../../src/identity/contacts.ts"
import { openDoorBook } from "../../src/identity/doors.ts"
import type { IdentityBook } from "../../src/identity/identity.ts"
import { unlockIdentity } from "../../src/identity/unlocked.ts"
import { createEnvelopeCrypto } from "../../src/mail/envelope/envelope-crypto.ts"
import { openTowerEngine, type TowerEngine } from "../../src/mail/mailbox/tower/engine.ts"
import type { Introduction, Post } from "../../src/mail/post/post.ts"
import { type ContactDesk, openContactDesk } from "../../src/router/contact-desk.ts"
import { type DoorArrival, type DoorDesk, openDoorDesk } from "../../src/router/door-desk.ts"
import type { Links } from "../../src/router/links.ts"
import type { TowerLine } from "../../src/router/tower-line.ts"
import { FakeWorld } from "./fake-world.ts"
import { MemoryDisk, MemoryLife } from "./memory-store.ts"

const signal = new AbortController().signal
/** RFC 8032's first public key: any sound one. */
export const TOWER = {
  key: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
  address: `${"b".repeat(51)}a.b32.i2p`,
}

export class DoorWorld {
  readonly world = new FakeWorld()
  readonly tower: TowerEngine
  /** Whether the tower answers. */
  isUp = true

  private constructor(world: FakeWorld, tower: TowerEngine) {
    this.world = world
    this.tower = tower
  }

  static async open(): Promise<DoorWorld> {
    const world = new FakeWorld()
    const store = new MemoryLife(new MemoryDisk(), world, () => {}).room("/tower/")
    const limits = { workBitsMin: 0, workBitsMax: 1 }
    const { clock } = world
    const tower = await openTowerEngine({ store, clock, random: systemRandom, limits })
    return new DoorWorld(world, tower)
  }

  /** Lets time pass until it is so; work is done beside the clock. */
  async until(done: () => boolean | Promise<boolean>): Promise<void> {
    for (let turn = 0; turn < 400; turn++) {
      if (await done()) return
      await this.world.pass(2_000)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    throw new Error("Still not so")
  }
}

/** One person; dead between a crash and {@linkcode start}. */
export class DoorPerson {
  readonly disk = new MemoryDisk()
  readonly identity
  readonly #at: DoorWorld
  /** In use. */
  towers: readonly (typeof TOWER)[] = [TOWER]
  life!: MemoryLife
  contacts!: ContactBook
  desk!: ContactDesk
  doors!: DoorDesk
  cards!: Awaited<ReturnType<typeof openDoorBook>>

  constructor(at: DoorWorld, fill: number) {
    this.#at = at
    this.identity = unlockIdentity(new Uint8Array(64).fill(fill), { name: "one", index: 0 })
  }

  get key(): string {
    return this.identity.key
  }

  get lives(): boolean {
    return !this.life.dead
  }

  /** Letters in the outbox, by the key of whom they are for. */
  get letters(): string[] {
    return this.disk.below("/post/letters/").map(([, value]) => value as string)
  }

  /** Whom the post knows. */
  get met(): string[] {
    return this.disk.below("/post/met/").map(([key]) => key)
  }

  async start(): Promise<void> {
    const { clock } = this.#at.world
    this.life = new MemoryLife(this.disk, this.#at.world, () => void this.#close())
    const tools = { clock, chance: () => 0.5, random: systemRandom, log: silentLog }
    const { identity } = this
    const room = this.life.room("/")
    const store = room.room("identity")
    this.contacts = await openContactBook({ store, clock, self: identity })
    this.cards = await openDoorBook({ store: room.room("identity"), clock, random: systemRandom })
    const card: IdentityBook["card"] = (_, { name, door, version = 0 } = {}) => {
      const { key, privateKey, nextKeyHash } = identity.cardKeys(version)
      return makeCard(
        {
          revision: 1,
          key,
          destination: identity.destination.b32,
          nextKeyHash,
          ...(name !== undefined && { name }),
          ...(door !== undefined && { door }),
        },
        { privateKey, nowMs: clock.now() },
      )
    }
    let enter: (arrival: DoorArrival) => Promise<string | undefined> = async () => undefined
    this.doors = await openDoorDesk({
      ...tools,
      identity,
      room: room.room("doors"),
      crypto: createEnvelopeCrypto({ random: systemRandom }),
      contacts: this.contacts,
      cards: this.cards,
      card: (what) => card(identity, what),
      towers: { used: () => this.towers, spend: (_, __, deed) => this.#spend(deed) },
      post: () => this.#post(room),
      isReachable: () => false,
      openDoorLine: () => this.#line(),
      putLine: this.#line(),
      onRequest: (arrival) => enter(arrival),
      onDoors: () => {},
      onAsk: () => {},
    })
    const identities = {
      list: () => [identity],
      contacts: () => this.contacts,
      doors: () => this.cards,
      card,
    } as unknown as IdentityBook
    this.desk = await openContactDesk({
      onTold: () => {},
      ...tools,
      identities,
      links: {
        serveAnyone: () => () => {},
        onReachable: () => () => {},
        onRotated: () => () => {},
        contactChanged: () => this.doors.changed(),
        openToAnyone: () => Promise.reject(new AlliumError("PEER_UNREACHABLE", "Nobody is there")),
      } as unknown as Links,
      letters: { send: async () => {}, receive() {}, onReport() {} },
      askByFirst: async () => {},
      doorOf: async () => undefined,
      doors: {
        of: () => this.doors,
        onRequest: (handler) => {
          enter = handler
        },
      },
      store: room.room("contacts"),
      emit: () => {},
    })
    this.doors.start()
  }

  /** Ends as a process ends that is asked to. */
  async stop(): Promise<void> {
    await this.#close()
  }

  /** The address of a card, when it can be given away. */
  async uri(label = "plain"): Promise<string> {
    const door = this.cards.find(label)
    await this.#at.until(() => this.doors.own.placeOf(door) !== undefined)
    return formatContactUri(this.doors.own.placeOf(door)!)
  }

  standing(other: DoorPerson): Contact["state"] | undefined {
    return this.contacts.byKey(other.key)?.state
  }

  async #close(): Promise<void> {
    await this.desk?.[Symbol.asyncDispose]()
    await this.doors?.[Symbol.asyncDispose]()
  }

  async #spend<T>(deed: (token: Uint8Array) => Promise<T>): Promise<T> {
    const { tower } = this.#at
    const invitation = await tower.makeInvitation(1)
    const { blindTokens, unblindTokens } = await import("../../src/mail/mailbox/tokens.ts")
    const pending = blindTokens(1, systemRandom)
    const blinded = pending.map((one) => one.blinded)
    const issued = await tower.issueTokens({ invitation, blinded }, { signal })
    const [token] = unblindTokens(pending, issued, await tower.tokenKey({ signal }))
    return deed(token!)
  }

  #line(): TowerLine {
    const { life } = this
    return {
      reach: async () => {
        await life.alive()
        if (!this.#at.isUp) throw new AlliumError("PEER_UNREACHABLE", "Cannot reach tower")
        return { mailbox: this.#at.tower, lost: new AbortController().signal }
      },
      async [Symbol.asyncDispose]() {},
    }
  }

  /** Keeps what it is told, and brings nothing. */
  #post(
    room: ReturnType<MemoryLife["room"]>,
  ): Pick<Post, "introduce" | "meet" | "send" | "knows" | "beginAnew"> {
    const post = room.room("post")
    const [letters, met, own] = ["letters", "met", "own"].map((name) => post.table(name, z.any()))
    return {
      introduce: async (peer): Promise<Introduction> => {
        const bundle =
          (await own!.get(peer)) ??
          createEnvelopeCrypto({ random: systemRandom }).makePrekeys(this.identity).bundle
        await post.commit([own!.put(peer, bundle)])
        const sendId = new Uint8Array(32).fill(5)
        const place = { kind: "tower", ...TOWER, sendId, moveKey: new Uint8Array(32) } as const
        return { bundle, places: [place] }
      },
      meet: (peer) => post.commit([met!.put(peer, true)]),
      send: (peer, { name }, also = []) => post.commit([letters!.put(name, peer), ...also]),
      knows: () => false,
      beginAnew: async () => {},
    }
  }
}

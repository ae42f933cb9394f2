/**
 * What is kept of one group on disk; what one step changed is written in one commit.
 *
 * @module
 */
import { AlliumError, type Change, type StoreRoom, z } from "allium/plugin"
import { bytesOf, bytesUpTo, HASH_BYTES, hex, keyTextShape } from "./bytes.ts"
import type { Chain, Early } from "./chain.ts"
import { readEntry, signedShape } from "./entry.ts"
import { factsShape } from "./facts.ts"
import { beginLog, type GroupLog, restoreLog } from "./log.ts"
import { ERA_BYTES, POST_BYTES_MAX, readPost, writePost } from "./records.ts"
import type { GroupState } from "./state.ts"

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
const hash = bytesOf(HASH_BYTES)
const asked = z.object({ atMs: z.number(), times: z.int(), upto: z.int() })
const headShape = z.object({
  own: z.object({
    era: bytesOf(ERA_BYTES),
    sequence: z.int(),
    hash: hash.optional(),
    steps: z.array(z.object({ number: z.int(), first: z.int() })),
  }),
  agreements: z.array(z.object({ key: keyTextShape, agreement: hash })),
  forkedAt: z.int().optional(),
  unsure: z.boolean(),
  leavingMs: z.number().optional(),
  logAsked: asked.extend({ of: z.string() }).optional(),
  told: z.object({ atMs: z.number(), number: z.int(), sequence: z.int() }),
})
const chainShape = z.object({
  author: z.string(),
  era: bytesOf(ERA_BYTES),
  next: z.int().optional(),
  previous: hash.optional(),
  tail: z.int(),
  asked: asked.optional(),
})
const earlyShape = z.object({
  chain: z.string(),
  hash,
  post: bytesUpTo(POST_BYTES_MAX),
})
/** A letter that is to be sent. */
const dueShape = z.object({ hop: z.string(), name: z.string(), content: bytes })
export type Due = z.output<typeof dueShape>
/** A post that is to be put into the conversation. */
const arrivalShape = z.object({ author: z.string(), body: bytes })
export type Arrival = z.output<typeof arrivalShape>

/** See the module. */
export class Ledger {
  readonly room: StoreRoom
  readonly due
  readonly arrivals
  /** Our own posts, by number. */
  readonly posts
  /** What became of our texts, by number of the post. */
  readonly facts
  readonly #heads
  readonly #entries
  readonly #chains
  readonly #early

  /** @param room - Of this group alone. */
  constructor(room: StoreRoom) {
    this.room = room
    this.due = room.journal("due", dueShape)
    this.arrivals = room.journal("arrivals", arrivalShape)
    this.posts = room.table("posts", bytesUpTo(POST_BYTES_MAX))
    this.facts = room.table("facts", factsShape)
    this.#heads = room.table("head", headShape)
    this.#entries = room.journal("log", signedShape)
    this.#chains = room.table("chains", chainShape)
    this.#early = room.table("early", earlyShape)
  }

  /** @throws {AlliumError} `STORE_DAMAGED`. */
  async load(): Promise<GroupState> {
    const head = await this.#heads.get("head")
    if (head === undefined)
      throw new AlliumError("STORE_DAMAGED", "Cannot open group: it has no head")
    return {
      log: await this.#loadLog(),
      own: { ...head.own, hash: head.own.hash },
      chains: await this.#loadChains(),
      agreements: new Map(head.agreements.map(({ key, agreement }) => [key, agreement])),
      ...{ forkedAt: head.forkedAt, unsure: head.unsure, leavingMs: head.leavingMs },
      ...{ logAsked: head.logAsked, told: head.told, budgets: new Map() },
    }
  }

  /** What makes the disk say `after` where it says `before`. */
  changes(before: GroupState | undefined, after: GroupState): Change[] {
    return [
      ...after.log.entries
        .slice(before?.log.entries.length ?? 0)
        .map(({ signed }) => this.#entries.append(signed)),
      ...this.#chainChanges(before?.chains ?? new Map(), after.chains),
      this.#heads.put("head", {
        own: { ...after.own, steps: [...after.own.steps] },
        agreements: [...after.agreements].map(([key, agreement]) => ({ key, agreement })),
        ...{ forkedAt: after.forkedAt, unsure: after.unsure, leavingMs: after.leavingMs },
        ...{ logAsked: after.logAsked, told: after.told },
      }),
    ]
  }

  async #loadLog(): Promise<GroupLog> {
    let log: GroupLog | undefined
    for await (const [, signed] of this.#entries.read()) {
      const entry = readEntry(signed, "disk")
      log = log === undefined ? beginLog(entry) : restoreLog(log, entry)
    }
    if (log === undefined)
      throw new AlliumError("STORE_DAMAGED", "Cannot open group: it has no log")
    return log
  }

  async #loadChains(): Promise<Map<string, Chain>> {
    const early = new Map<string, Map<number, Early>>()
    for await (const [, { chain, hash, post }] of this.#early.entries()) {
      const read = readPost(post)
      const found = early.get(chain) ?? new Map<number, Early>()
      early.set(chain, found.set(read.sequence, { hash, post: read }))
    }
    const chains = new Map<string, Chain>()
    for await (const [key, { next, previous, asked, ...chain }] of this.#chains.entries())
      chains.set(key, { ...chain, next, previous, asked, early: early.get(key) ?? new Map() })
    return chains
  }

  #chainChanges(before: ReadonlyMap<string, Chain>, after: ReadonlyMap<string, Chain>): Change[] {
    const changes: Change[] = []
    for (const [key, chain] of before) {
      if (after.has(key)) continue
      changes.push(this.#chains.remove(key), ...this.#earlyChanges(key, chain.early, new Map()))
    }
    for (const [key, chain] of after) {
      if (before.get(key) === chain) continue
      const { early, ...rest } = chain
      changes.push(this.#chains.put(key, rest))
      changes.push(...this.#earlyChanges(key, before.get(key)?.early ?? new Map(), early))
    }
    return changes
  }

  #earlyChanges(
    chain: string,
    before: ReadonlyMap<number, Early>,
    after: ReadonlyMap<number, Early>,
  ): Change[] {
    const gone = [...before.keys()].filter((sequence) => !after.has(sequence))
    const fresh = [...after].filter(([sequence]) => !before.has(sequence))
    return [
      ...gone.map((sequence) => this.#early.remove(`${chain}/${sequence}`)),
      ...fresh.map(([sequence, { hash, post }]) =>
        this.#early.put(`${chain}/${sequence}`, { chain, hash, post: writePost(post) }),
      ),
    ]
  }
}

/** Where a group stands in the store. */
export function groupRoom(store: StoreRoom, identity: string, group: Uint8Array): StoreRoom {
  return store.room("group").room(identity).room(hex(group))
}

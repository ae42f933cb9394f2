/**
 * What an identity keeps about its towers: which it uses, its queues there, tokens not yet spent.
 *
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import type { Change, StoreRoom, Table } from "../store/store.ts"

/** A contact is given as many places; each costs a link of one's own. */
export const TOWERS_MAX = 3

const bytes = (length: number) => z.instanceof(Uint8Array).refine((id) => id.length === length)

const towerShape = z.object({
  id: z.string(),
  /** Chosen by the user, unique within the identity. */
  name: z.string(),
  key: z.string(),
  address: z.string(),
  invitation: bytes(32),
  /** `used`: contacts are told of it. `left`: it is emptied. */
  state: z.enum(["used", "left"]),
  /** Since when, in milliseconds since 1970. */
  sinceMs: z.number(),
  /** Of a tower that was left: where its queues moved to. */
  successor: z.string().optional(),
})
/** A tower of an identity. */
export type TowerRecord = z.output<typeof towerShape>

const queueShape = z.object({
  tower: z.string(),
  /** The correspondent who may put into it. */
  peer: z.string(),
  receiveId: bytes(32),
  sendId: bytes(32),
  moveKey: bytes(32),
  /** `open`: contacts may put. `moved`: they hear where to. `ended`: to be removed from the tower. */
  state: z.enum(["open", "moved", "ended"]),
})
/** A queue of an identity at a tower. Ids are rights: they go nowhere but to that tower and that contact. */
export type QueueRecord = z.output<typeof queueShape>

/** Where a tower is, in what was kept. */
export const towerAddressShape = z.strictObject({
  key: z.string().regex(/^[\w-]{43}$/),
  address: z.string().regex(/^[a-z2-7]{51}[aq]\.b32\.i2p$/),
})

/** What a backup holds of towers. */
export const towersKeptShape: z.ZodType<TowersKept> = z.strictObject({
  towers: z.array(towerShape).max(16),
  queues: z.array(queueShape).max(200_000),
})
/** See {@linkcode towersKeptShape}. */
export interface TowersKept {
  readonly towers: TowerRecord[]
  readonly queues: QueueRecord[]
}

/** All of it is in memory; what a call changes is on disk when it resolves. */
export interface TowerBook {
  towers(): readonly TowerRecord[]
  /** @throws {AlliumError} `NO_TOWER`. */
  find(name: string): TowerRecord
  putTower(tower: TowerRecord): Promise<void>
  /** Forgets a tower with its queues and tokens. */
  removeTower(id: string): Promise<void>
  queues(tower: string): readonly QueueRecord[]
  queue(tower: string, peer: string): QueueRecord | undefined
  putQueue(queue: QueueRecord): Promise<void>
  removeQueue(queue: QueueRecord): Promise<void>
  tokenCount(tower: string): number
  addTokens(tower: string, tokens: readonly Uint8Array[]): Promise<void>
  /** Takes a token out, for good: spent or not, it is not tried twice. */
  takeToken(tower: string): Promise<Uint8Array | undefined>
}

/** Reads the book of one identity. */
export async function openTowerBook(room: StoreRoom): Promise<TowerBook> {
  const towers = await openRows(room, "towers", towerShape)
  const queues = await openRows(room, "queues", queueShape)
  const tokens = await openRows(room, "tokens", z.array(z.instanceof(Uint8Array)))
  /** Shows only what is on disk. */
  const make = async (...edits: readonly Edit[]) => {
    await room.commit(edits.map(({ change }) => change))
    for (const { apply } of edits) apply()
  }
  const tokensOf = (tower: string) => tokens.rows.get(tower) ?? []
  const queuesOf = (tower: string) =>
    [...queues.rows.values()].filter((queue) => queue.tower === tower)
  return {
    towers: () => [...towers.rows.values()].sort((one, two) => one.sinceMs - two.sinceMs),
    find(name) {
      const found = [...towers.rows.values()].find((tower) => tower.name === name)
      if (found !== undefined) return found
      throw new AlliumError("NO_TOWER", "Cannot find tower: the identity uses none of that name")
    },
    putTower: (tower) => make(towers.put(tower.id, tower)),
    removeTower: (id) =>
      make(
        towers.remove(id),
        tokens.remove(id),
        ...queuesOf(id).map((queue) => queues.remove(nameOf(queue))),
      ),
    queues: queuesOf,
    queue: (tower, peer) => queues.rows.get(nameOf({ tower, peer })),
    putQueue: (queue) => make(queues.put(nameOf(queue), queue)),
    removeQueue: (queue) => make(queues.remove(nameOf(queue))),
    tokenCount: (tower) => tokensOf(tower).length,
    addTokens: (tower, more) => make(tokens.put(tower, [...tokensOf(tower), ...more.map(copy)])),
    async takeToken(tower) {
      const [first, ...rest] = tokensOf(tower)
      if (first !== undefined) await make(tokens.put(tower, rest))
      return first
    },
  }
}

function nameOf({ tower, peer }: Pick<QueueRecord, "tower" | "peer">): string {
  return `${tower}/${peer}`
}

function copy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}

/** A change of the disk, and the same in memory. */
interface Edit {
  readonly change: Change
  readonly apply: () => void
}

interface Rows<T> {
  readonly rows: ReadonlyMap<string, T>
  put(key: string, value: T): Edit
  remove(key: string): Edit
}

async function openRows<T>(room: StoreRoom, name: string, shape: z.ZodType<T>): Promise<Rows<T>> {
  const table: Table<T> = room.table(name, shape)
  const rows = new Map<string, T>()
  for await (const [key, value] of table.entries()) rows.set(key, value)
  return {
    rows,
    put: (key, value) => ({ change: table.put(key, value), apply: () => rows.set(key, value) }),
    remove: (key) => ({ change: table.remove(key), apply: () => rows.delete(key) }),
  }
}

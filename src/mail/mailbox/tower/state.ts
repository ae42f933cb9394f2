/**
 * What a tower holds in memory: a head for each queue, sums, and the indexes that were used lately.
 *
 * @module
 */
import type { Change, StoreRoom } from "../../../store/store.ts"
import { ENVELOPE_BYTES } from "../../envelope/crypto.ts"
import { DraftTable } from "./draft.ts"
import { BLOCK_COUNT, QueueIndex } from "./index-block.ts"
import { CACHED_QUEUES_MAX, type TowerLimits } from "./limits.ts"
import type { BlobRow, Block, Head, InvitationRow, KeysRow, TowerTables } from "./rows.ts"
import type { Group } from "./writer.ts"

/** What a queue costs beside its envelopes. */
const QUEUE_BYTES = 4_096

/** Everything a tower counts. */
export interface Sums {
  queues: number
  envelopes: number
  /** As the cap counts them. */
  bytes: number
}

/** See the module. What is here is on disk. */
export class TowerState {
  readonly store: StoreRoom
  readonly tables: TowerTables
  readonly limits: TowerLimits
  readonly heads = new Map<string, Head>()
  /** Hash of the receive id by hash of the send id. */
  readonly bySend = new Map<string, string>()
  readonly sums: Sums = { queues: 0, envelopes: 0, bytes: 0 }
  /** Called for each queue that has something new. */
  grown: (key: string) => void = () => {}
  /** Used last stands last. */
  readonly #indexes = new Map<string, QueueIndex>()
  #publishCount = 0

  constructor(store: StoreRoom, tables: TowerTables, limits: TowerLimits) {
    this.store = store
    this.tables = tables
    this.limits = limits
  }

  /** Reads the heads; nothing else of the queues. */
  async load(): Promise<void> {
    for await (const [key, head] of this.tables.heads.entries()) this.#setHead(key, head)
    for await (const [, blob] of this.tables.blobs.entries()) this.sums.bytes += blob.size
  }

  #setHead(key: string, head: Head | undefined): void {
    const before = this.heads.get(key)
    addTo(this.sums, before, -1)
    addTo(this.sums, head, 1)
    if (head === undefined) this.heads.delete(key)
    else this.heads.set(key, head)
    if (head !== undefined) this.bySend.set(head.send, key)
    else if (before !== undefined) this.bySend.delete(before.send)
    if (head !== undefined && head.next > (before?.next ?? 1)) this.grown(key)
  }

  /** The index of a queue, from memory or from disk. What changed while it was read is not kept in memory. */
  async index(key: string): Promise<QueueIndex> {
    const known = this.#indexes.get(key)
    const before = this.#publishCount
    const index = known ?? (await this.#readIndex(key))
    if (before === this.#publishCount) this.#keepIndex(key, index)
    return index
  }

  /** Something new is on disk. */
  publish(draft: {
    indexes: ReadonlyMap<string, QueueIndex | undefined>
    heads: ReadonlyMap<string, Head | undefined>
    blobBytes: number
  }): void {
    this.#publishCount++
    this.sums.bytes += draft.blobBytes
    for (const [key, index] of draft.indexes) this.#keepIndex(key, index)
    for (const [key, head] of draft.heads) this.#setHead(key, head)
  }

  #keepIndex(key: string, index: QueueIndex | undefined): void {
    this.#indexes.delete(key)
    if (index !== undefined) this.#indexes.set(key, index)
    const [oldest] = this.#indexes.keys()
    if (this.#indexes.size > CACHED_QUEUES_MAX && oldest !== undefined) this.#indexes.delete(oldest)
  }

  async #readIndex(key: string): Promise<QueueIndex> {
    const rows = Array.from({ length: BLOCK_COUNT }, (_, row) =>
      this.tables.blocks.get(`${key}/${row}`),
    )
    return new QueueIndex(await Promise.all(rows))
  }
}

/** A group of changes to a tower. */
export class TowerDraft implements Group {
  readonly state: TowerState
  readonly heads: DraftTable<Head>
  readonly blocks: DraftTable<Block>
  readonly greetings: DraftTable<Uint8Array>
  readonly tickets: DraftTable<Uint8Array[]>
  readonly blobs: DraftTable<BlobRow>
  readonly pieces: DraftTable<Uint8Array>
  readonly invitations: DraftTable<InvitationRow>
  readonly spent: DraftTable<number>
  readonly keys: DraftTable<KeysRow>
  /** Changes of the journal. */
  readonly changes: Change[] = []
  /** Sums as they will be. */
  readonly sums: Sums
  readonly #indexes = new Map<string, QueueIndex | undefined>()
  #blobBytes = 0

  constructor(state: TowerState) {
    const { tables } = state
    this.state = state
    this.sums = { ...state.sums }
    this.heads = new DraftTable(tables.heads, async (key) => state.heads.get(key))
    this.blocks = new DraftTable(tables.blocks)
    this.greetings = new DraftTable(tables.greetings)
    this.tickets = new DraftTable(tables.tickets)
    this.blobs = new DraftTable(tables.blobs)
    this.pieces = new DraftTable(tables.pieces)
    this.invitations = new DraftTable(tables.invitations)
    this.spent = new DraftTable(tables.spent)
    this.keys = new DraftTable(tables.keys)
  }

  /** Whether so many bytes more stay below the cap. */
  hasRoom(bytes: number): boolean {
    return this.sums.bytes + bytes <= this.state.limits.capBytes
  }

  async index(key: string): Promise<QueueIndex> {
    return this.#indexes.get(key) ?? this.state.index(key)
  }

  setIndex(key: string, index: QueueIndex | undefined): void {
    this.#indexes.set(key, index)
  }

  async setHead(key: string, head: Head | undefined): Promise<void> {
    addTo(this.sums, await this.heads.get(key), -1)
    addTo(this.sums, head, 1)
    if (head === undefined) this.heads.remove(key)
    else this.heads.put(key, head)
  }

  addBlobBytes(bytes: number): void {
    this.sums.bytes += bytes
    this.#blobBytes += bytes
  }

  async commit(): Promise<void> {
    const { heads, blocks, greetings, tickets, blobs, pieces, invitations, spent, keys } = this
    const drafts = [heads, blocks, greetings, tickets, blobs, pieces, invitations, spent, keys]
    const changes = [...this.changes, ...drafts.flatMap((draft) => [...draft.changes()])]
    if (changes.length === 0) return
    await this.state.store.commit(changes)
    this.state.publish({
      indexes: this.#indexes,
      heads: heads.changed(),
      blobBytes: this.#blobBytes,
    })
  }
}

/** What a queue is in the sums. */
function addTo(sums: Sums, head: Head | undefined, sign: 1 | -1): void {
  if (head === undefined) return
  const envelopes = head.next - head.first
  sums.queues += sign
  sums.envelopes += sign * envelopes
  sums.bytes += sign * (QUEUE_BYTES + envelopes * ENVELOPE_BYTES + head.greetingBytes)
}

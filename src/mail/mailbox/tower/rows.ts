/**
 * What a tower keeps on disk.
 *
 * @see docs/protocol/mailbox.md#what-a-tower-keeps
 * @module
 */
import { z } from "zod"
import type { Journal, StoreRoom, Table } from "../../../store/store.ts"

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
const count = z.int().nonnegative()
const seconds = z.int().nonnegative()

const headShape = z.object({
  kind: z.enum(["queue", "door"]),
  /** Hash of the send id. */
  send: z.string().length(43),
  /** Number of the oldest envelope that is there; `next` when there is none. */
  first: z.int().positive(),
  /** Number the next envelope gets. */
  next: z.int().positive(),
  /** When the oldest envelope came; 0 when there is none. */
  oldestS: seconds,
  heardS: seconds,
  greetingBytes: count,
  moved: z.object({ sealed: bytes, atS: seconds }).optional(),
  /** Its owner deleted it after moving: only `moved` is left. */
  ended: z.boolean().optional(),
})
/** One queue or door, by the hash of its receive id. */
export type Head = Readonly<z.infer<typeof headShape>>

const blockShape = z.object({ block: count, entries: bytes })
/** Part of a queue's index: see index-block.ts. */
export type Block = Readonly<z.infer<typeof blockShape>>

const blobShape = z.object({
  write: bytes,
  size: count,
  /** 0 or 1: where its pieces stand; the next put goes to the other one. */
  side: z.int().min(0).max(1),
  putS: seconds,
})
/** One blob, by the hash of its id. */
export type BlobRow = Readonly<z.infer<typeof blobShape>>

const invitationShape = z.object({
  left: count,
  count: z.int().positive(),
  label: z.string().max(200).optional(),
  madeS: seconds,
  /** Hash of the request that was answered last: it may be asked again for nothing. */
  last: bytes.optional(),
})
/** One invitation, by the hash of its secret. */
export type InvitationRow = Readonly<z.infer<typeof invitationShape>>

const keysShape = z.object({
  epoch: z.int().positive(),
  /** Secret keys for tokens: this epoch's, and the one before. */
  current: bytes,
  previous: bytes.optional(),
  /** Tokens signed in this epoch. */
  issued: count,
  /** Makes challenges, 32 bytes. */
  door: bytes,
})
/** The tower's own secrets; one row, `keys`. */
export type KeysRow = Readonly<z.infer<typeof keysShape>>

/** Everything a tower keeps. */
export interface TowerTables {
  readonly heads: Table<Head>
  /** By hash of the receive id, a slash, and the block's number modulo 9. */
  readonly blocks: Table<Block>
  readonly envelopes: Journal<Uint8Array>
  readonly greetings: Table<Uint8Array>
  /** Hashes of tickets, by hash of the receive id. */
  readonly tickets: Table<Uint8Array[]>
  readonly blobs: Table<BlobRow>
  /** By hash of the blob id, side and number, joined by slashes. */
  readonly pieces: Table<Uint8Array>
  readonly invitations: Table<InvitationRow>
  /** Epoch by the hash of a spent token. */
  readonly spent: Table<number>
  readonly keys: Table<KeysRow>
}

/** The tables in their room. */
export function openTables(store: StoreRoom): TowerTables {
  return {
    heads: store.table("heads", headShape),
    blocks: store.table("blocks", blockShape),
    envelopes: store.journal("envelopes", bytes),
    greetings: store.table("greetings", bytes),
    tickets: store.table("tickets", z.array(bytes)),
    blobs: store.table("blobs", blobShape),
    pieces: store.table("pieces", bytes),
    invitations: store.table("invitations", invitationShape),
    spent: store.table("spent", count),
    keys: store.table("keys", keysShape),
  }
}

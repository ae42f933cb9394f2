/**
 * Where a conversation lives in the store.
 *
 * @module
 */
import { type Journal, type StoreRoom, type Table, z } from "allium/plugin"
import { type Entry, entryShape, type Head, headShape } from "./entry.ts"
import type { MessageRecord } from "./wire.ts"

/** A message that will disappear. */
export interface Expiry {
  readonly key: string
  readonly number: number
  /** Milliseconds since 1970. */
  readonly at: number
}
/** What can be about a message we do not have yet. */
export type EarlyRecord = Extract<MessageRecord, { kind: "edit" | "delete" | "react" }>

/** Where one conversation lives. */
export interface Shelves {
  readonly heads: Table<Head>
  readonly expiries: Table<Expiry>
  readonly history: Journal<Entry>
  /** Parts of long texts, by number and part. */
  readonly parts: Table<Uint8Array>
  /** By id in hex: number in the history, or 0 when it is gone. */
  readonly ids: Table<number>
  /** Ids in hex of what is gone, in order of going. */
  readonly gone: Journal<string>
  readonly early: Table<{ by: string; record: EarlyRecord }>
}

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)

/** The shelves of one conversation in the plugin's part of the store. */
export function openShelves(store: StoreRoom, { identity, contact }: Head): Shelves {
  const room = store.room("conversation").room(identity).room(contact)
  return {
    ...openCommonShelves(store),
    history: room.journal("history", entryShape),
    parts: room.table("parts", bytes),
    ids: room.table("seen", z.int()),
    gone: room.journal("gone", z.string()),
    early: room.table("early", z.object({ by: z.string(), record: z.custom<EarlyRecord>() })),
  }
}

/** The shelves all conversations share. */
export function openCommonShelves(store: StoreRoom): Pick<Shelves, "heads" | "expiries"> {
  const expiryShape = z.object({ key: z.string(), number: z.int(), at: z.int() })
  return {
    heads: store.table("conversations", headShape),
    expiries: store.table("expiries", expiryShape),
  }
}

/** The whole text of an entry. */
export async function textOf(shelves: Shelves, number: number, entry: Entry): Promise<string> {
  if (entry.parts === undefined) return entry.text
  const parts: Uint8Array[] = []
  for (let part = 0; part < entry.parts; part++)
    parts.push((await shelves.parts.get(`${number}/${part}`)) ?? new Uint8Array())
  return Buffer.concat(parts).toString()
}

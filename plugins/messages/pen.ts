/**
 * Writes into one conversation: everything a pen has written goes to disk in one commit, or nothing does.
 *
 * @module
 */
import type { Change } from "allium/plugin"
import { type Entry, type Head, keyOf } from "./entry.ts"
import { type EarlyRecord, type Expiry, type Shelves, textOf } from "./shelves.ts"
import { toHex } from "./wire.ts"

export type { EarlyRecord, Expiry } from "./shelves.ts"

/** Longest text that stands inside its entry; a longer one stands in parts beside it. */
const INLINE_BYTES_MAX = 262_144
/** Bytes of one such part: two of them fill what the store takes as one value. */
const PART_BYTES = 524_288
/** Messages that are gone and whose names are still known, so that nothing brings them back. */
const GONE_MAX = 1_000
/** Things about messages we do not have, kept until those come. Beyond, the oldest are dropped. */
const EARLY_MAX = 64
/** Longest edit of a message we do not have that is kept. */
const EARLY_BYTES_MAX = 65_536
/** Stands for the number of a message that is gone. */
export const GONE = 0

/** What happened to a message; the names of events. */
export type Happening = Entry["state"] | "read" | "edited" | "deleted" | "expired" | "reacted"
/** Something to be told once it is on disk. */
export interface Note {
  readonly what: Happening
  readonly number: number
  readonly entry: Entry
}
/** See the module. One at a time for each conversation. */
export class Pen {
  readonly #shelves: Shelves
  readonly #old: Head
  readonly #changes: Change[] = []
  readonly #entries = new Map<number, Entry | undefined>()
  readonly #ids = new Map<string, number>()
  /** To be changed freely. */
  readonly head: Head
  readonly notes: Note[] = []
  readonly expiries: Expiry[] = []

  constructor(shelves: Shelves, head: Head) {
    this.#shelves = shelves
    this.#old = head
    this.head = { ...head, early: [...head.early] }
  }

  /** All that was written; empty when nothing was. */
  changes(): Change[] {
    if (this.#changes.length === 0 && JSON.stringify(this.head) === JSON.stringify(this.#old))
      return []
    return [...this.#changes, this.#shelves.heads.put(keyOf(this.head), this.head)]
  }

  /** Lets a change of somebody else's go along. */
  also(...changes: readonly Change[]): void {
    this.#changes.push(...changes)
  }

  /** A message, as this pen left it. */
  async entry(number: number): Promise<Entry | undefined> {
    if (this.#entries.has(number)) return this.#entries.get(number)
    return this.#shelves.history.get(number)
  }

  /** Number of a message; {@linkcode GONE} when it was here once. */
  async find(id: Uint8Array): Promise<number | undefined> {
    const hex = toHex(id)
    return this.#ids.get(hex) ?? (await this.#shelves.ids.get(hex))
  }

  /** Whole text of a message that this pen did not change. */
  text(number: number, entry: Entry): Promise<string> {
    return textOf(this.#shelves, number, entry)
  }

  /** Appends a message. */
  add(entry: Entry): number {
    const kept = trim(entry)
    const append = this.#shelves.history.append(kept)
    this.#entries.set(append.sequence, kept)
    this.#changes.push(append)
    this.#putParts(append.sequence, entry.text, kept.parts ?? 0, 0)
    this.#name(entry.id, append.sequence)
    this.head.lastAt = entry.storedAt
    return append.sequence
  }

  /** Puts a message whose text is `entry.text` now. */
  write(number: number, entry: Entry): Entry {
    const kept = trim(entry)
    this.put(number, kept)
    this.#putParts(number, entry.text, kept.parts ?? 0, entry.parts ?? 0)
    return kept
  }

  /** Puts a message whose text stays as it is. */
  put(number: number, entry: Entry): void {
    this.#entries.set(number, entry)
    this.#changes.push(this.#shelves.history.put(number, entry))
  }

  /** Takes a message out of the store; only its name is kept for a while. */
  async remove(number: number, entry: Entry): Promise<void> {
    this.#entries.set(number, undefined)
    this.#changes.push(this.#shelves.history.remove(number))
    for (let part = 0; part < (entry.parts ?? 0); part++)
      this.#changes.push(this.#shelves.parts.remove(`${number}/${part}`))
    if (entry.expiresAt !== undefined)
      this.#changes.push(this.#shelves.expiries.remove(`${keyOf(this.head)}/${number}`))
    if (entry.state === "received" && number > this.head.readTo) this.head.unread--
    await this.forget(entry.id)
  }

  /** Makes sure that a message of this name is never shown. */
  async forget(id: Uint8Array): Promise<void> {
    this.#name(id, GONE)
    const { gone, ids } = this.#shelves
    const append = gone.append(toHex(id))
    this.#changes.push(append)
    const oldest = append.sequence - GONE_MAX
    const hex = oldest > 0 ? await gone.get(oldest) : undefined
    if (hex !== undefined) this.#changes.push(gone.remove(oldest), ids.remove(hex))
  }

  /** The entry as it disappears at `at`. */
  expire(number: number, entry: Entry, at: number): Entry {
    const expiry = { key: keyOf(this.head), number, at }
    this.#changes.push(this.#shelves.expiries.put(`${expiry.key}/${number}`, expiry))
    this.expiries.push(expiry)
    return { ...entry, expiresAt: at }
  }

  /** Keeps what is about a message we do not have; the newest of its kind and author. */
  keepEarly(by: string, record: EarlyRecord): void {
    if (record.kind === "edit" && Buffer.byteLength(record.text) > EARLY_BYTES_MAX) return
    const key = `${toHex(record.target)}/${record.kind}/${by}`
    const others = this.head.early.filter((other) => other !== key)
    for (const oldest of others.splice(0, Math.max(0, others.length - EARLY_MAX + 1)))
      this.#changes.push(this.#shelves.early.remove(oldest))
    this.#changes.push(this.#shelves.early.put(key, { by, record }))
    this.head.early = [...others, key]
  }

  /** What came early about a message, in order of coming; it is not kept any more. */
  async takeEarly(id: Uint8Array): Promise<{ by: string; record: EarlyRecord }[]> {
    const keys = this.head.early.filter((key) => key.startsWith(`${toHex(id)}/`))
    if (keys.length === 0) return []
    const found = await Promise.all(keys.map((key) => this.#shelves.early.get(key)))
    this.#changes.push(...keys.map((key) => this.#shelves.early.remove(key)))
    this.head.early = this.head.early.filter((key) => !keys.includes(key))
    return found.filter((one) => one !== undefined)
  }

  /** Something to be told when it is on disk. */
  note(what: Happening, number: number, entry: Entry): void {
    this.notes.push({ what, number, entry })
  }

  #name(id: Uint8Array, number: number): void {
    this.#ids.set(toHex(id), number)
    this.#changes.push(this.#shelves.ids.put(toHex(id), number))
  }

  #putParts(number: number, text: string, count: number, oldCount: number): void {
    if (count + oldCount === 0) return
    const { parts } = this.#shelves
    const content = Buffer.from(text)
    for (let part = 0; part < Math.max(count, oldCount); part++) {
      const piece = content.subarray(part * PART_BYTES, (part + 1) * PART_BYTES)
      const key = `${number}/${part}`
      this.#changes.push(part < count ? parts.put(key, new Uint8Array(piece)) : parts.remove(key))
    }
  }
}

/** The entry without a text that is too long to stand in it. */
function trim({ parts: _, ...entry }: Entry): Entry {
  const byteCount = Buffer.byteLength(entry.text)
  if (byteCount <= INLINE_BYTES_MAX) return entry
  return { ...entry, text: "", parts: Math.ceil(byteCount / PART_BYTES) }
}

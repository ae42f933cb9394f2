/**
 * What feeds told us, by name and by address.
 *
 * @module
 */
import { z } from "zod"
import type { Change, StoreRoom, Table } from "../../store/store.ts"
import type { NameRecord } from "../names.ts"
import type { NameLayer } from "../resolver.ts"
import { readAddress, shortAddress } from "./address.ts"
import type { Conflicts } from "./conflicts.ts"
import { findDisputes, type Told } from "./feed-disputes.ts"
import { type FeedRecord, feedRecordShape, type Judge, judgeLine } from "./feed-rules.ts"
import { type HostLine, parseHostLine } from "./host-line.ts"
import { canonicalName } from "./host-name.ts"

/** Names of all feeds together; more are not believed. */
const FEED_NAMES_MAX = 50_000
/** Names of one address that can be found by it. */
const NAMES_OF_ADDRESS_MAX = 256
/** Changes of one commit: so much is lost when the machine stops. */
const BATCH = 500
/** Lines may stand in any order: those that fit nothing yet are looked at again so often. */
const PASSES_MAX = 4

/** What the lines of a feed came to. */
export interface FeedCounts {
  readonly added: number
  readonly same: number
  readonly changed: number
  readonly removed: number
  readonly conflicts: number
  readonly rejected: number
}

/** The layer of feeds. */
export class FeedNames implements NameLayer {
  readonly #store: StoreRoom
  readonly #table: Table<FeedRecord>
  readonly #byAddress: Table<string[]>
  readonly #conflicts: Conflicts
  readonly #pinned: NameLayer
  readonly #known: Set<string>
  /** What was judged and is not committed yet. */
  readonly #pending = new Map<string, FeedRecord>()

  constructor({ store, conflicts, pinned }: FeedNamesParts, tables: Tables) {
    this.#store = store
    this.#conflicts = conflicts
    this.#pinned = pinned
    this.#table = tables.names
    this.#byAddress = tables.byAddress
    this.#known = tables.known
  }

  async find(text: string): Promise<NameRecord | undefined> {
    const name = canonicalName(text)
    const record = name === undefined ? undefined : await this.#get(name)
    return record === undefined || record.removed ? undefined : shown(record)
  }

  async *list(): AsyncIterable<NameRecord> {
    for await (const [, record] of this.#table.entries()) if (!record.removed) yield shown(record)
  }

  /** How many names came from a feed. */
  async countOf(feed: string): Promise<number> {
    let count = 0
    for await (const [, record] of this.#table.entries())
      if (record.feed === feed && !record.removed) count++
    return count
  }

  /** Judges every line of a feed and keeps what is believed. One feed at a time. */
  async apply(feed: string, text: string, nowMs: number): Promise<FeedCounts> {
    const judge: Judge = {
      ...{ feed, nowMs },
      find: (name) => this.#get(name),
      namesOf: (short) => this.#namesOf(short),
    }
    const counts = { added: 0, same: 0, changed: 0, removed: 0, conflicts: 0, rejected: 0 }
    const names = new Set<string>()
    let lines = text.split("\n").map(parseHostLine)
    for (const line of lines) if (line.kind === "name") names.add(line.name)
    for (let pass = 1; ; pass++) {
      const { disputed, moved } = await this.#pass(lines, judge, counts)
      lines = disputed.map(({ line }) => line)
      if (lines.length > 0 && moved && pass < PASSES_MAX) continue
      const claims = disputed.map(({ ruling }) => ruling)
      return { ...counts, conflicts: await this.#dispute({ claims, names }, judge) }
    }
  }

  async #pass(lines: readonly HostLine[], judge: Judge, counts: Record<keyof FeedCounts, number>) {
    const disputed: { line: HostLine; ruling: Told["claims"][number] }[] = []
    let moved = false
    for (const line of lines) {
      const ruling = await judgeLine(line, judge)
      if (ruling.kind === "conflict") disputed.push({ line, ruling })
      else if (ruling.kind !== "nothing") counts[ruling.kind]++
      if (!("records" in ruling)) continue
      moved ||= ruling.kind !== "added" && ruling.records.length > 0
      this.#take(ruling.records)
      if (this.#pending.size >= BATCH) await this.#flush()
    }
    await this.#flush()
    return { disputed, moved }
  }

  async #dispute(told: Told, judge: Judge): Promise<number> {
    return this.#conflicts.note(await findDisputes(told, judge, this.#pinned))
  }

  /** Forgets what came from a feed. */
  async forget(feed: string): Promise<void> {
    let changes: Change[] = []
    for await (const [name, record] of this.#table.entries()) {
      if (record.feed !== feed) continue
      changes.push(this.#table.remove(name), ...(await this.#unlink(record)))
      this.#known.delete(name)
      if (changes.length < BATCH) continue
      await this.#store.commit(changes)
      changes = []
    }
    await this.#store.commit(changes)
  }

  async #get(name: string): Promise<FeedRecord | undefined> {
    const pending = this.#pending.get(name)
    if (pending !== undefined || !this.#known.has(name)) return pending
    return this.#table.get(name)
  }

  #take(records: readonly FeedRecord[]): void {
    for (const record of records) {
      if (!this.#known.has(record.name) && this.#known.size >= FEED_NAMES_MAX) continue
      this.#known.add(record.name)
      this.#pending.set(record.name, record)
    }
  }

  async #flush(): Promise<void> {
    const changes: Change[] = []
    const linked = new Map<string, Set<string>>()
    for (const [name, record] of this.#pending) {
      changes.push(this.#table.put(name, record))
      const short = shortAddress(record.address)
      const names = linked.get(short) ?? new Set(await this.#byAddress.get(short))
      linked.set(short, names)
      if (names.size < NAMES_OF_ADDRESS_MAX) names.add(name)
    }
    for (const [short, names] of linked) changes.push(this.#byAddress.put(short, [...names]))
    if (changes.length > 0) await this.#store.commit(changes)
    this.#pending.clear()
  }

  /** Names that ever led there; who asks looks where they lead now. */
  async #namesOf(short: string): Promise<readonly string[]> {
    const pending = [...this.#pending.values()].filter(
      ({ address }) => shortAddress(address) === short,
    )
    const names = new Set(await this.#byAddress.get(short))
    for (const { name } of pending) names.add(name)
    return [...names]
  }

  async #unlink({ name, address }: FeedRecord): Promise<Change[]> {
    const short = shortAddress(address)
    const names = (await this.#byAddress.get(short)) ?? []
    const others = names.filter((one) => one !== name && this.#known.has(one))
    if (others.length === 0) return [this.#byAddress.remove(short)]
    return [this.#byAddress.put(short, others)]
  }
}

/** What the layer stands on. */
export interface FeedNamesParts {
  readonly store: StoreRoom
  readonly conflicts: Conflicts
  /** Names the user pinned: they hold, whatever feeds say, and who says otherwise is noted. */
  readonly pinned: NameLayer
}

interface Tables {
  readonly names: Table<FeedRecord>
  readonly byAddress: Table<string[]>
  readonly known: Set<string>
}

/** Opens what is kept in `store`. */
export async function openFeedNames(parts: FeedNamesParts): Promise<FeedNames> {
  const { store } = parts
  const names: Table<FeedRecord> = store.table("feed-names", feedRecordShape)
  const byAddress: Table<string[]> = store.table("feed-addresses", z.array(z.string()))
  const known = new Set<string>()
  for await (const [name] of names.entries()) known.add(name)
  return new FeedNames(parts, { names, byAddress, known })
}

function shown({ name, address, feed, signature }: FeedRecord): NameRecord {
  const signed = signature === "valid" ? { signed: true as const } : {}
  return { name, address: readAddress(address) ?? address, source: "feed", feed, ...signed }
}

/**
 * Whom each identity was in touch with last, over restarts: they are dialled first.
 *
 * @module
 */
import { z } from "zod"
import { toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import { keyOf } from "./mail-devices.ts"

/** Names remembered of each identity: as many as are dialled at once when its session comes up. */
const RECENT_MAX = 32

/** Names of links, newest first. */
export interface RecentPeers {
  /** @param identityKey - Of ours. */
  of(identityKey: string): readonly string[]
  /** A link stands. */
  met(identityKey: string, name: string): void
  /** They are no contact any more, with all their devices. */
  forget(identityKey: string, contactKey: string): void
  /** Resolves when everything is on disk that can be. */
  settled(): Promise<void>
}

/** Reads what is kept. */
export async function openRecentPeers(store: StoreRoom, log: Log): Promise<RecentPeers> {
  const table: Table<readonly string[]> = store.table("recent", z.array(z.string()).readonly())
  const lists = new Map<string, readonly string[]>()
  for await (const [key, names] of table.entries()) lists.set(key, names)
  return new Memory({ store, table, lists, log })
}

interface MemoryParts {
  readonly store: StoreRoom
  readonly table: Table<readonly string[]>
  readonly lists: Map<string, readonly string[]>
  readonly log: Log
}

class Memory implements RecentPeers {
  readonly #parts: MemoryParts
  /** Identities whose list differs from the disk. */
  readonly #changed = new Set<string>()
  #writing: Promise<void> | undefined

  constructor(parts: MemoryParts) {
    this.#parts = parts
  }

  of(identityKey: string): readonly string[] {
    return this.#parts.lists.get(identityKey) ?? []
  }

  met(identityKey: string, name: string): void {
    const names = this.of(identityKey)
    if (names[0] === name) return
    const others = names.filter((one) => one !== name)
    this.#change(identityKey, [name, ...others].slice(0, RECENT_MAX))
  }

  forget(identityKey: string, contactKey: string): void {
    const names = this.of(identityKey)
    const left = names.filter((name) => keyOf(name) !== contactKey)
    if (left.length < names.length) this.#change(identityKey, left)
  }

  async settled(): Promise<void> {
    await this.#writing
  }

  #change(identityKey: string, names: readonly string[]): void {
    this.#parts.lists.set(identityKey, names)
    this.#changed.add(identityKey)
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined))
  }

  /** Changes that come while one write runs share the next. Only an order is lost when the disk is full. */
  async #write(): Promise<void> {
    const { store, table, log } = this.#parts
    while (this.#changed.size > 0) {
      const changes = [...this.#changed].map((key) => table.put(key, this.of(key)))
      this.#changed.clear()
      await store
        .commit(changes)
        .catch((error: unknown) => log.debug("recent-peers", { code: toAlliumError(error).code }))
    }
  }
}

/**
 * How far each identity has come back, on disk.
 *
 * @module
 */
import { z } from "zod"
import type { Clock } from "../base/clock.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import { towerAddressShape } from "./tower-book.ts"
import type { TowerAddress } from "./tower-uri.ts"

/** Whoever was away when we came back has this long to hand us their keepsake. */
const ASKING_MS = 30 * 86_400_000

const progressShape = z.object({
  /** Milliseconds since 1970. */
  sinceMs: z.number(),
  /** That may have our backup. */
  towers: z.array(towerAddressShape),
  /** When the backup was made that was loaded, in milliseconds since 1970. */
  backupMs: z.number().optional(),
  /** By contact: when the keepsake was made that brought them. */
  brought: z.record(z.string(), z.number()),
})
/** How far one identity has come. */
export type Progress = z.output<typeof progressShape>

interface Owner {
  /** Identity key, base64url. */
  readonly key: string
}

/** Progress of every identity that was restored in this home. */
export class RestoreProgress {
  readonly #store: StoreRoom
  readonly #clock: Clock
  readonly #table: Table<Progress>
  readonly #rows = new Map<string, Progress>()

  constructor(store: StoreRoom, clock: Clock) {
    this.#store = store
    this.#clock = clock
    this.#table = store.table("restoring", progressShape)
  }

  async load(): Promise<void> {
    for await (const [key, progress] of this.#table.entries()) this.#rows.set(key, progress)
  }

  /** `undefined`: it was never lost. */
  of({ key }: Owner): Progress | undefined {
    return this.#rows.get(key)
  }

  /** The same, as long as contacts are still asked. */
  running(owner: Owner): Progress | undefined {
    const progress = this.of(owner)
    const isOver = progress && this.#clock.now() - progress.sinceMs > ASKING_MS
    return isOver ? undefined : progress
  }

  begin(owner: Owner, towers: readonly TowerAddress[]): Promise<void> {
    const addresses = towers.map(({ key, address }) => ({ key, address }))
    return this.save(owner, { sinceMs: this.#clock.now(), towers: addresses, brought: {} })
  }

  async save({ key }: Owner, progress: Progress): Promise<void> {
    await this.#store.commit([this.#table.put(key, progress)])
    this.#rows.set(key, progress)
  }
}

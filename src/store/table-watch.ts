/**
 * Looks at the tables of an open database: at new ones soon after they are written, at all of them once a day.
 *
 * So the next opening knows nearly all of them, and damage that comes while the store is open is told in the log, not
 * first at the next opening.
 *
 * @module
 */
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import type { Clock } from "../base/clock.ts"
import { toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { FileReader } from "./file-reader.ts"
import { isAlive } from "./inspect.ts"
import type { TableSums } from "./table-sums.ts"

/** How soon a new table is looked at: LevelDB merges many away within seconds. */
const ROUND_MS = 10_000
/** Between two tables, of which each takes some milliseconds. */
const PAUSE_MS = 50
/** How often each table is looked at while the store is open. */
const AGAIN_MS = 86_400_000

/** What a watch needs. */
export interface TableWatchOptions {
  /** The store's; the database is in `data/`. */
  readonly folder: string
  /** Of a database that was just inspected; also written here. */
  readonly sums: TableSums
  readonly clock: Clock
  readonly log: Log
}

/** One open database's watch; closing ends it, and writes the sums. */
export class TableWatch implements AsyncDisposable {
  readonly #options: TableWatchOptions
  readonly #data: string
  readonly #abort = new AbortController()
  readonly #reader = new FileReader()
  readonly #looked: Set<string>
  readonly #running: Promise<void>
  #sinceMs: number

  constructor(options: TableWatchOptions) {
    this.#options = options
    this.#data = join(options.folder, "data")
    this.#looked = new Set(options.sums.names)
    this.#sinceMs = options.clock.monotonicMs()
    this.#running = this.#run()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    await this.#running
    await this.#tell(() => this.#options.sums.write(this.#options.folder))
  }

  async #run(): Promise<void> {
    while (await this.#pause(ROUND_MS)) await this.#tell(() => this.#round())
  }

  async #round(): Promise<void> {
    const { sums, folder, clock } = this.#options
    if (clock.monotonicMs() - this.#sinceMs >= AGAIN_MS) this.#beginAgain()
    const names = new Set((await readdir(this.#data)).filter((name) => name.endsWith(".ldb")))
    sums.keepOnly(names)
    for (const name of this.#looked) if (!names.has(name)) this.#looked.delete(name)
    for (const name of names)
      if (!this.#looked.has(name) && (await this.#pause(PAUSE_MS)))
        await this.#tell(() => this.#look(name))
    await sums.write(folder)
  }

  #beginAgain(): void {
    this.#sinceMs = this.#options.clock.monotonicMs()
    this.#looked.clear()
  }

  /** A table that LevelDB is still writing is not alive yet: the next round looks again. */
  async #look(name: string): Promise<void> {
    const { sums, log } = this.#options
    const bytes = await this.#reader.read(join(this.#data, name))
    if (bytes === undefined) return
    const damageCount = sums.countDamage(name, bytes)
    if (damageCount > 0 && !(await isAlive(this.#data, name))) return
    this.#looked.add(name)
    if (damageCount > 0) log.error("table-damaged", { file: name, blocks: damageCount })
  }

  /** @returns `false` when the watch ends. */
  async #pause(ms: number): Promise<boolean> {
    const { signal } = this.#abort
    if (!signal.aborted) await this.#options.clock.sleep(ms, { signal }).catch(() => {})
    return !signal.aborted
  }

  /** A disk that is full or fails is told by commits too; watching goes on. */
  async #tell(run: () => Promise<void>): Promise<void> {
    try {
      await run()
    } catch (error) {
      this.#options.log.warn("tables-not-watched", { code: toAlliumError(error).code })
    }
  }
}

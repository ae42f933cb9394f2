/**
 * Open files, a bounded number for the whole plugin: those used last stay open.
 *
 * @module
 */
import type { FileHandle } from "node:fs/promises"

/** Systems allow a process 256 (macOS) to 1,024; streams and the store need some too. */
const OPEN_FILES_MAX = 128
/** At most so many may be used by one deed. */
export const FILES_AT_ONCE_MAX = 16

/** How a file is opened; `key` is the same for the same file and way. */
export interface Opening {
  readonly key: string
  open(): Promise<FileHandle>
}

interface Entry {
  readonly handle: Promise<FileHandle>
  users: number
  /** Closed as soon as nobody uses it. */
  isStale: boolean
}

/** See the module. */
export class OpenFiles implements AsyncDisposable {
  /** In the order of last use. */
  readonly #entries = new Map<string, Entry>()
  readonly #line: { count: number; go: () => void }[] = []
  readonly #max: number
  #free: number

  /** @param max - At least {@linkcode FILES_AT_ONCE_MAX}. */
  constructor(max = OPEN_FILES_MAX) {
    this.#max = max
    this.#free = max
  }

  /**
   * Opens what is not open, and keeps all open until `deed` has ended.
   *
   * @param openings - At most {@linkcode FILES_AT_ONCE_MAX}; a deed must not use others inside.
   */
  async use<T>(
    openings: readonly Opening[],
    deed: (handles: readonly FileHandle[]) => Promise<T>,
  ): Promise<T> {
    await this.#enter(openings.length)
    const entries = openings.map((opening) => this.#take(opening))
    try {
      return await deed(await allOf(entries.map(({ handle }) => handle)))
    } finally {
      for (const entry of entries) this.#give(entry)
      this.#leave(openings.length)
    }
  }

  /** Closes files with these keys, those in use as soon as they are free. */
  async forget(keys: Iterable<string>): Promise<void> {
    for (const key of keys) {
      const entry = this.#entries.get(key)
      if (entry !== undefined) await this.#drop(key, entry)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.forget([...this.#entries.keys()])
  }

  #take({ key, open }: Opening): Entry {
    const entry = this.#entries.get(key) ?? this.#make(key, open)
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    entry.users++
    return entry
  }

  #make(key: string, open: () => Promise<FileHandle>): Entry {
    const handle = this.#makeRoom().then(open)
    const entry: Entry = { handle, users: 0, isStale: false }
    handle.catch(() => this.#drop(key, entry))
    return entry
  }

  /** Closes the file that was unused longest when there are too many. */
  async #makeRoom(): Promise<void> {
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size < this.#max) return
      if (entry.users === 0) await this.#drop(key, entry)
    }
  }

  async #drop(key: string, entry: Entry): Promise<void> {
    if (this.#entries.get(key) === entry) this.#entries.delete(key)
    entry.isStale = true
    if (entry.users === 0) await close(entry)
  }

  #give(entry: Entry): void {
    if (--entry.users === 0 && entry.isStale) void close(entry)
  }

  async #enter(count: number): Promise<void> {
    if (count > FILES_AT_ONCE_MAX) throw new RangeError("Too many files for one deed")
    if (this.#line.length === 0 && this.#free >= count) this.#free -= count
    else await new Promise<void>((go) => this.#line.push({ count, go }))
  }

  #leave(count: number): void {
    this.#free += count
    for (let next = this.#line[0]; next && next.count <= this.#free; next = this.#line[0]) {
      this.#line.shift()
      this.#free -= next.count
      next.go()
    }
  }
}

/** All of them, or the first failure when none is under way any more. */
async function allOf(handles: readonly Promise<FileHandle>[]): Promise<FileHandle[]> {
  const settled = await Promise.allSettled(handles)
  return settled.map((one) => {
    if (one.status === "rejected") throw one.reason
    return one.value
  })
}

async function close(entry: Entry): Promise<void> {
  const handle = await entry.handle.catch(() => undefined)
  await handle?.close().catch(() => {})
}

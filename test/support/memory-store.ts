/**
 * A store in memory with the promises of the real one: all of a commit or none of it, in order; and with a
 * plug that can be pulled at any commit, before or after it reached the disk.
 */
import type { z } from "zod"
import { AlliumError } from "../../src/base/errors.ts"
import type { AppendedChange, Change, Journal, StoreRoom, Table } from "../../src/store/store.ts"
import type { FakeWorld } from "./fake-world.ts"

/** What survives a crash. */
export class MemoryDisk {
  /** By path: the value, as it was when it was committed. */
  readonly values = new Map<string, unknown>()
  /** By path of a journal: the last number that was given. */
  readonly numbers = new Map<string, number>()
  /** How many commits reached the disk or were to reach it. */
  commitCount = 0
  /** Pull the plug at this commit, counted like {@linkcode commitCount}. */
  crashAt: { commit: number; moment: "before" | "after" } | undefined
  /** Refuse commits with `STORE_FULL`. */
  full = false

  /** Every value below a path that ends with a slash, with its key. */
  below(prefix: string): [key: string, value: unknown][] {
    return [...this.values]
      .filter(([path]) => path.startsWith(prefix))
      .map(([path, value]) => [path.slice(prefix.length), value])
  }
}

interface MemoryChange extends Change {
  readonly path: string
  readonly value?: unknown
  /** Of what was appended: path of the journal, and the number. */
  readonly journal?: string
  readonly sequence?: number
}

/** One life of a process on a disk; after a crash nothing of it ever resolves again. */
export class MemoryLife {
  readonly disk: MemoryDisk
  readonly world: FakeWorld
  /** Called at the moment the plug is pulled. */
  readonly onCrash: () => void
  #dead = false
  #last: Promise<void> = Promise.resolve()

  constructor(disk: MemoryDisk, world: FakeWorld, onCrash: () => void) {
    this.disk = disk
    this.world = world
    this.onCrash = onCrash
  }

  get dead(): boolean {
    return this.#dead
  }

  crash(): void {
    if (this.#dead) return
    this.#dead = true
    this.onCrash()
  }

  /** Resolves a turn later, or never when the process is dead by then. */
  async alive(): Promise<void> {
    await this.world.hop()
    if (this.#dead) await new Promise(() => {})
  }

  commit(changes: readonly MemoryChange[]): Promise<void> {
    const frozen = structuredClone(changes) as MemoryChange[]
    const mine = this.#last.then(() => this.#commit(frozen))
    this.#last = mine.catch(() => {})
    return mine
  }

  async #commit(changes: readonly MemoryChange[]): Promise<void> {
    await this.alive()
    const { disk } = this
    if (disk.full) throw new AlliumError("STORE_FULL", "Cannot commit: the disk is full")
    disk.commitCount++
    const crash = disk.crashAt?.commit === disk.commitCount ? disk.crashAt.moment : undefined
    if (crash === "before") this.crash()
    else for (const change of changes) apply(disk, change)
    if (crash === "after") this.crash()
    await this.alive()
  }

  /** The room at a path that ends with a slash. */
  room(path: string): StoreRoom {
    return {
      room: (name) => this.room(`${path}${name}/`),
      table: (name, shape) => makeTable(this, `${path}${name}/`, shape),
      journal: (name, shape) => makeJournal(this, `${path}${name}/`, shape),
      commit: (changes) => this.commit(changes as readonly MemoryChange[]),
    }
  }
}

function apply(disk: MemoryDisk, change: MemoryChange): void {
  const { kind, path, value, journal, sequence = 0 } = change
  if (journal !== undefined)
    disk.numbers.set(journal, Math.max(sequence, disk.numbers.get(journal) ?? 0))
  if (kind === "put") disk.values.set(path, value)
  else disk.values.delete(path)
}

async function read<T>(
  life: MemoryLife,
  path: string,
  shape: z.ZodType<T>,
): Promise<T | undefined> {
  await life.alive()
  const value = life.disk.values.get(path)
  return value === undefined ? undefined : shape.parse(structuredClone(value))
}

function makeTable<T>(life: MemoryLife, path: string, shape: z.ZodType<T>): Table<T> {
  return {
    get: (key) => read(life, path + key, shape),
    async *entries() {
      await life.alive()
      for (const [key, value] of life.disk.below(path))
        yield [key, shape.parse(structuredClone(value))]
    },
    put: (key, value) => ({ kind: "put", path: path + key, value }) as Change,
    remove: (key) => ({ kind: "remove", path: path + key }) as Change,
  }
}

/** Journals whose numbers are in use, by life and path: two handles of one journal share its counter. */
const counters = new WeakMap<MemoryLife, Map<string, number>>()

function makeJournal<T>(life: MemoryLife, path: string, shape: z.ZodType<T>): Journal<T> {
  const numbers = () =>
    life.disk
      .below(path)
      .map(([key]) => Number(key))
      .sort((left, right) => left - right)
  const next = () => {
    const mine = counters.get(life) ?? new Map<string, number>()
    counters.set(life, mine)
    const onDisk = () => Math.max(numbers().at(-1) ?? 0, life.disk.numbers.get(path) ?? 0)
    const sequence = (mine.get(path) ?? onDisk()) + 1
    mine.set(path, sequence)
    return sequence
  }
  return {
    append(value) {
      const sequence = next()
      const place = { path: path + sequence, journal: path, sequence }
      return { kind: "put", value, ...place } as unknown as AppendedChange
    },
    get: (sequence) => read(life, path + sequence, shape),
    async *read({ after = 0, before = Infinity, limit = Infinity, reverse = false } = {}) {
      await life.alive()
      const found = numbers().filter((number) => number > after && number < before)
      for (const number of (reverse ? found.reverse() : found).slice(0, limit)) {
        const value = await read(life, path + number, shape)
        if (value !== undefined) yield [number, value]
      }
    },
    put: (sequence, value) => ({ kind: "put", path: path + sequence, value }) as Change,
    remove: (sequence) => ({ kind: "remove", path: path + sequence }) as Change,
  }
}

/**
 * Names the user gave or confirmed, each a table of its own. Nothing is overwritten.
 *
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import type { Change, StoreRoom, Table } from "../store/store.ts"
import { requireAddress } from "./names/address.ts"
import { canonicalName, type NameWarning, requireHostName } from "./names/host-name.ts"

/** Names in one table: as many as all of I2P has, several times over. */
const NAMES_MAX = 50_000

/** Who says where a name leads, in order of who is believed. */
export const NAME_SOURCES = ["address", "petname", "contact", "pinned", "feed", "router"] as const

/** Where a name leads, and who says so. */
export interface NameRecord {
  readonly name: string
  /** Destination in I2P base64, or a `.b32.i2p` name. */
  readonly address: string
  readonly source: (typeof NAME_SOURCES)[number]
  /** URL of the feed, with source `feed`. */
  readonly feed?: string
  /** The destination itself has signed that the name is its own, for all to see. */
  readonly signed?: true
  readonly warning?: NameWarning
}

const entryShape = z.object({ address: z.string().max(1_000), since: z.number() })
type Entry = z.output<typeof entryShape>

/** Names of one kind. */
export interface OwnNames {
  list(): AsyncIterable<NameRecord>
  /** @param name - In any spelling. */
  find(name: string): Promise<NameRecord | undefined>
  /** @throws {AlliumError} `ALREADY_EXISTS`, `BAD_NAME`, `BAD_DESTINATION`, `LIMIT_REACHED`. */
  add(name: string, address: string): Promise<NameRecord>
  /** Adds what is not there yet, all or nothing; names and addresses were checked. @throws {AlliumError} `LIMIT_REACHED`. */
  addAll(found: ReadonlyMap<string, string>): Promise<void>
  /** Puts `address` in place of what was there: a deed of the user. @throws {AlliumError} As {@linkcode OwnNames.add}. */
  replace(name: string, address: string): Promise<NameRecord>
  /** @throws {AlliumError} `NAME_NOT_FOUND`. */
  remove(name: string): Promise<void>
}

/** Opens the names of one kind kept in `store`. */
export async function openOwnNames(
  store: StoreRoom,
  kind: "petname" | "pinned",
  now: () => number,
): Promise<OwnNames> {
  const table: Table<Entry> = store.table(kind === "petname" ? "petnames" : kind, entryShape)
  const known = new Set<string>()
  for await (const [name] of table.entries()) known.add(name)
  return new NameTable({ store, kind, now, table, known })
}

interface TableParts {
  readonly store: StoreRoom
  readonly kind: "petname" | "pinned"
  readonly now: () => number
  readonly table: Table<Entry>
  /** Every name of the table. */
  readonly known: Set<string>
}

class NameTable implements OwnNames {
  readonly #parts: TableParts

  constructor(parts: TableParts) {
    this.#parts = parts
  }

  async *list(): AsyncIterable<NameRecord> {
    for await (const [name, { address }] of this.#parts.table.entries())
      yield { name, address, source: this.#parts.kind }
  }

  async find(text: string): Promise<NameRecord | undefined> {
    const { kind, known, table } = this.#parts
    const name = canonicalName(text)
    if (name === undefined || !known.has(name)) return undefined
    const entry = await table.get(name)
    return entry && { name, address: entry.address, source: kind }
  }

  async add(text: string, address: string): Promise<NameRecord> {
    if (this.#parts.known.has(requireHostName(text)))
      throw new AlliumError("ALREADY_EXISTS", "Cannot add name: it is taken, remove it first")
    return this.replace(text, address)
  }

  async replace(text: string, given: string): Promise<NameRecord> {
    const name = requireHostName(text)
    const address = requireAddress(given)
    await this.#put(new Map([[name, address]]))
    return { name, address, source: this.#parts.kind }
  }

  async addAll(found: ReadonlyMap<string, string>): Promise<void> {
    const fresh = [...found].filter(([name]) => !this.#parts.known.has(name))
    if (fresh.length > 0) await this.#put(new Map(fresh))
  }

  async remove(text: string): Promise<void> {
    const { known, store, table } = this.#parts
    const name = canonicalName(text)
    if (name === undefined || !known.has(name))
      throw new AlliumError("NAME_NOT_FOUND", "Cannot remove name: you gave none like it")
    await store.commit([table.remove(name)])
    known.delete(name)
  }

  async #put(found: ReadonlyMap<string, string>): Promise<void> {
    const { known, store, table, now } = this.#parts
    const fresh = [...found.keys()].filter((name) => !known.has(name))
    if (known.size + fresh.length > NAMES_MAX)
      throw new AlliumError("LIMIT_REACHED", `Cannot add name: there are ${NAMES_MAX} already`)
    const since = now()
    const put = ([name, address]: [string, string]): Change => table.put(name, { address, since })
    for (const name of fresh) known.add(name)
    try {
      await store.commit([...found].map(put))
    } catch (error) {
      for (const name of fresh) known.delete(name)
      throw error
    }
  }
}

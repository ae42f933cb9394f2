/**
 * Names: what the user calls a destination comes first, then contacts, then the router's own lookup.
 * Nothing is overwritten silently.
 *
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import { parseAddress, parseDestination } from "../sam/index.ts"
import type { StoreRoom, Table } from "../store/store.ts"

/** Longest name, in characters; DNS allows 253, i2pd's address book 67. */
const NAME_CHARACTERS_MAX = 67

/** A name a user or the network may use: labels of letters, digits and dashes, joined by dots. */
export const hostNameShape = z
  .string()
  .max(NAME_CHARACTERS_MAX)
  .transform((name) => name.toLowerCase())
  .pipe(
    z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/, {
      message: "expected letters, digits and dashes, in labels joined by dots",
    }),
  )

/** Where a name leads, and who says so. */
export interface NameRecord {
  readonly name: string
  /** Destination in I2P base64, or a `.b32.i2p` name. */
  readonly address: string
  readonly source: "petname" | "contact" | "router" | "address"
}

const entryShape = z.object({ address: z.string().max(1_000), since: z.number() })

/** The user's own names. */
export interface Petnames {
  list(): AsyncIterable<NameRecord>
  find(name: string): Promise<NameRecord | undefined>
  /** @throws {AlliumError} `ALREADY_EXISTS`, `BAD_NAME`, `BAD_DESTINATION`. */
  add(name: string, address: string): Promise<NameRecord>
  /** @throws {AlliumError} `NAME_NOT_FOUND`. */
  remove(name: string): Promise<void>
}

/** Opens the petnames kept in `store`. */
export function openPetnames(store: StoreRoom, now: () => number): Petnames {
  const table: Table<z.output<typeof entryShape>> = store.table("petnames", entryShape)
  const find = async (name: string): Promise<NameRecord | undefined> => {
    if (name.length > NAME_CHARACTERS_MAX) return undefined
    const entry = await table.get(name.toLowerCase())
    return entry && { name: name.toLowerCase(), address: entry.address, source: "petname" }
  }
  return {
    find,
    async *list() {
      for await (const [name, { address }] of table.entries())
        yield { name, address, source: "petname" }
    },
    async add(text, address) {
      const name = requireHostName(text)
      if (await find(name))
        throw new AlliumError("ALREADY_EXISTS", "Cannot add name: it is taken, remove it first")
      requireAddress(address)
      await store.commit([table.put(name, { address, since: now() })])
      return { name, address, source: "petname" }
    },
    async remove(name) {
      if (!(await find(name)))
        throw new AlliumError("NAME_NOT_FOUND", "Cannot remove name: it is not among the petnames")
      await store.commit([table.remove(name.toLowerCase())])
    },
  }
}

/** True for what a session can connect to without asking anybody for a name. */
export function isAddress(text: string): boolean {
  try {
    requireAddress(text)
    return true
  } catch {
    return false
  }
}

function requireAddress(text: string): void {
  if (text.endsWith(".b32.i2p")) parseAddress(text)
  else parseDestination(text)
}

function requireHostName(text: string): string {
  const parsed = hostNameShape.safeParse(text)
  if (parsed.data?.endsWith(".b32.i2p"))
    throw new AlliumError("BAD_NAME", "Cannot use name: it is an address, expected a name for one")
  if (parsed.success) return parsed.data
  throw new AlliumError("BAD_NAME", `Cannot use name: ${parsed.error.issues[0]?.message}`)
}

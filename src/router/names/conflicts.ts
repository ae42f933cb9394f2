/**
 * Two who say different things of one name: both are kept, and only the user decides.
 *
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../../base/errors.ts"
import type { StoreRoom, Table } from "../../store/store.ts"
import { shortAddress } from "./address.ts"
import { requireHostName } from "./host-name.ts"

/** Names in conflict; more are counted by who found them, and not kept. */
const CONFLICTS_MAX = 4_096
/** Claims on one name; the newest are kept. */
const CLAIMS_MAX = 8

/** One who says where a name leads. */
const claimShape = z.object({
  address: z.string(),
  /** URL of a feed, or `import`. */
  from: z.string(),
  /** Milliseconds since 1970. */
  at: z.number(),
  /** Why it was not believed. */
  reason: z.string(),
})
export type Claim = z.output<typeof claimShape>

const conflictShape = z.object({
  name: z.string(),
  /** What holds. */
  kept: z.object({ address: z.string(), from: z.string(), at: z.number() }),
  claims: z.array(claimShape),
})
/** A name, where it leads, and who says otherwise; newest last. */
export type Conflict = z.output<typeof conflictShape>

/** One claim against what holds. */
export interface Dispute {
  readonly name: string
  readonly kept: Conflict["kept"]
  readonly claim: Claim
}

/** The conflicts nobody decided yet. */
export class Conflicts {
  readonly #store: StoreRoom
  readonly #table: Table<Conflict>
  readonly #names: Set<string>

  constructor(store: StoreRoom, table: Table<Conflict>, names: Set<string>) {
    this.#store = store
    this.#table = table
    this.#names = names
  }

  async list(): Promise<Conflict[]> {
    const found: Conflict[] = []
    for await (const [, conflict] of this.#table.entries()) found.push(conflict)
    return found.sort((left, right) => (left.name < right.name ? -1 : 1))
  }

  /** Keeps claims, in one commit; the same one again only gets its time. */
  async note(found: readonly Dispute[]): Promise<void> {
    const noted = new Map<string, Conflict>()
    for (const { name, kept, claim } of found) {
      if (!this.#names.has(name) && this.#names.size + noted.size >= CONFLICTS_MAX) continue
      const known = noted.get(name) ?? (await this.#table.get(name))
      noted.set(name, { name, kept, claims: withClaim(known?.claims ?? [], claim) })
    }
    if (noted.size === 0) return
    await this.#store.commit([...noted].map(([name, one]) => this.#table.put(name, one)))
    for (const name of noted.keys()) this.#names.add(name)
  }

  /**
   * The user has decided, or the name is gone.
   * @throws {AlliumError} `NOT_FOUND`, `BAD_NAME`.
   */
  async settle(text: string): Promise<void> {
    const name = requireHostName(text)
    if (!this.#names.has(name))
      throw new AlliumError("NOT_FOUND", "Cannot settle conflict: nobody disagrees about the name")
    await this.#store.commit([this.#table.remove(name)])
    this.#names.delete(name)
  }

  /** As {@linkcode Conflicts.settle}, when there is one. */
  async forget(name: string): Promise<void> {
    if (this.#names.has(name)) await this.settle(name)
  }
}

function withClaim(known: readonly Claim[], claim: Claim): Claim[] {
  const isSame = (one: Claim) =>
    one.from === claim.from && shortAddress(one.address) === shortAddress(claim.address)
  return [...known.filter((one) => !isSame(one)), claim].slice(-CLAIMS_MAX)
}

/** Opens what is kept in `store`. */
export async function openConflicts(store: StoreRoom): Promise<Conflicts> {
  const table: Table<Conflict> = store.table("conflicts", conflictShape)
  const names = new Set<string>()
  for await (const [name] of table.entries()) names.add(name)
  return new Conflicts(store, table, names)
}

/**
 * Two who say different things of one name: both are kept, and only the user decides.
 *
 * @module
 */
import { z } from "zod"
import type { StoreRoom, Table } from "../../store/store.ts"
import { shortAddress } from "./address.ts"

/** Names in conflict; more are counted by who found them, and not kept. */
const CONFLICTS_MAX = 4_096
/** Claims on one name; the newest are kept. */
const CLAIMS_MAX = 8
/** Addresses of one name that the user decided about; the newest are kept. */
const DECIDED_MAX = 16

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
  /** Addresses the user has seen and decided about, in their short form: they are no news. */
  decided: z.array(z.string()).optional(),
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
    for await (const [, conflict] of this.#table.entries())
      if (conflict.claims.length > 0) found.push(conflict)
    return found.sort((left, right) => (left.name < right.name ? -1 : 1))
  }

  /**
   * Keeps claims, in one commit; the same one again only gets its time.
   * @returns How many of them the user has not decided about.
   */
  async note(found: readonly Dispute[]): Promise<number> {
    const noted = new Map<string, Conflict>()
    let open = 0
    for (const { name, kept, claim } of found) {
      const known = noted.get(name) ?? (await this.#get(name))
      if (known?.decided?.includes(shortAddress(claim.address))) continue
      open++
      if (known === undefined && this.#names.size + noted.size >= CONFLICTS_MAX) continue
      noted.set(name, { ...known, name, kept, claims: withClaim(known?.claims ?? [], claim) })
    }
    if (noted.size === 0) return open
    await this.#store.commit([...noted].map(([name, one]) => this.#table.put(name, one)))
    for (const name of noted.keys()) this.#names.add(name)
    return open
  }

  /** The user has decided: nobody is asked about these addresses again. */
  async decide(name: string): Promise<void> {
    const known = await this.#get(name)
    if (known === undefined) return
    const seen = [known.kept, ...known.claims].map(({ address }) => shortAddress(address))
    const decided = [...new Set([...(known.decided ?? []), ...seen])].slice(-DECIDED_MAX)
    await this.#store.commit([this.#table.put(name, { ...known, claims: [], decided })])
  }

  /** The user's name is gone, and with it what was decided. */
  async forget(name: string): Promise<void> {
    if (!this.#names.has(name)) return
    await this.#store.commit([this.#table.remove(name)])
    this.#names.delete(name)
  }

  async #get(name: string): Promise<Conflict | undefined> {
    return this.#names.has(name) ? this.#table.get(name) : undefined
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

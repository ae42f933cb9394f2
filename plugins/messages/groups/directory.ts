/**
 * Which groups there are, and what they are called here: names are unique within an identity, among groups and contacts.
 *
 * @module
 */
import { AlliumError, type Change, type Identity, type PluginContext, z } from "allium/plugin"

/** Groups an identity may belong to. */
export const GROUPS_MAX = 256
/** Groups one contact may make and add us to. */
export const GROUPS_BY_ONE_MAX = 32
/** Groups of an identity that are remembered, those it left among them. */
export const GROUPS_KEPT_MAX = 1_024

const listingShape = z.object({
  /** Identity key of ours. */
  identity: z.string(),
  /** Hex. */
  id: z.string(),
  /** What it is called here. */
  name: z.string(),
  /** What its owner calls it. */
  title: z.string(),
  /** Identity key of who made it. */
  creator: z.string(),
  isIn: z.boolean(),
  /** Nobody wants to see it, unless they are added again; what is signed is still kept, and a wish to leave still told. */
  isForgotten: z.boolean().optional(),
})
/** A group, as it is found. */
export type Listing = z.output<typeof listingShape>

/** See the module. */
export class Directory {
  readonly #context: PluginContext
  readonly #table
  readonly #listings = new Map<string, Listing>()

  constructor(context: PluginContext) {
    this.#context = context
    this.#table = context.store.table("groups", listingShape)
  }

  async load(): Promise<void> {
    for await (const [key, listing] of this.#table.entries()) this.#listings.set(key, listing)
  }

  all(): Listing[] {
    return [...this.#listings.values()]
  }

  /** In no particular order, without those that were forgotten. */
  list(identity: Identity): Listing[] {
    return this.#of(identity).filter(({ isForgotten }) => !isForgotten)
  }

  get(of: Pick<Listing, "identity" | "id">): Listing | undefined {
    return this.#listings.get(keyOf(of))
  }

  /** By name here, or by id: hex, 8 digits at least. */
  match(identity: Identity, nameOrId: string): Listing | undefined {
    const all = this.list(identity)
    const named = all.find(({ name }) => name === nameOrId)
    if (named !== undefined || !/^[0-9a-f]{8,64}$/.test(nameOrId)) return named
    const found = all.filter(({ id }) => id.startsWith(nameOrId))
    return found.length === 1 ? found[0] : undefined
  }

  /** @throws {AlliumError} `NO_GROUP`. */
  find(identity: Identity, nameOrId: string): Listing {
    const found = this.match(identity, nameOrId)
    if (found !== undefined) return found
    throw new AlliumError("NO_GROUP", "Cannot find group: there is none of this name or id")
  }

  /** Writes a listing by `commit`; it holds when that resolves. */
  async put(listing: Listing, commit: (change: Change) => Promise<unknown>): Promise<void> {
    await commit(this.#table.put(keyOf(listing), listing))
    this.#listings.set(keyOf(listing), listing)
  }

  /** @throws {AlliumError} `ALREADY_EXISTS`. */
  requireFree(identity: Identity, name: string): void {
    if (this.#isTaken(identity, name))
      throw new AlliumError("ALREADY_EXISTS", `Cannot create group: "${name}" is taken`)
  }

  /** The name, or the name with a number. */
  freeName(identity: Identity, wanted: string): string {
    let name = wanted
    for (let number = 2; this.#isTaken(identity, name); number++) name = `${wanted} ${number}`
    return name
  }

  /** Whether there is room for another group that `creator` adds us to. */
  hasRoom(identity: Identity, creator: string): boolean {
    const all = this.#of(identity)
    const by = all.filter((one) => one.creator === creator && creator !== identity.key)
    const active = all.filter(({ isIn }) => isIn)
    if (all.length >= GROUPS_KEPT_MAX || active.length >= GROUPS_MAX) return false
    return by.length < GROUPS_BY_ONE_MAX
  }

  /** @throws {AlliumError} `LIMIT_REACHED`. */
  requireRoom(identity: Identity): void {
    if (this.hasRoom(identity, identity.key)) return
    throw new AlliumError("LIMIT_REACHED", `Cannot create group: there are ${GROUPS_MAX} already`)
  }

  #of(identity: Identity): Listing[] {
    return this.all().filter((one) => one.identity === identity.key)
  }

  #isTaken(identity: Identity, name: string): boolean {
    const isIts = (one: { name: string }) => one.name === name
    return this.#context.contacts.list(identity).some(isIts) || this.list(identity).some(isIts)
  }
}

function keyOf({ identity, id }: Pick<Listing, "identity" | "id">): string {
  return `${identity}/${id}`
}

/**
 * Keepers of groups: opened when they are needed, one for each group.
 *
 * @module
 */
import { AlliumError, type Identity, type PluginContext } from "allium/plugin"
import type { Directory, Listing } from "./directory.ts"
import { GroupKeeper, type KeeperListener } from "./keeper.ts"
import { groupRoom, Ledger } from "./ledger.ts"
import type { GroupState } from "./state.ts"

/** Hears of keepers that were opened, too. */
export interface KeepersListener extends KeeperListener {
  opened(keeper: GroupKeeper): void
}

/** See the module. */
export class Keepers {
  readonly #context: PluginContext
  readonly #directory: Directory
  readonly #listener: KeepersListener
  readonly #open = new Map<string, Promise<GroupKeeper>>()

  constructor(context: PluginContext, directory: Directory, listener: KeepersListener) {
    this.#context = context
    this.#directory = directory
    this.#listener = listener
  }

  /** @throws {AlliumError} `STORE_DAMAGED`. */
  get({ identity, id }: Pick<Listing, "identity" | "id">): Promise<GroupKeeper> {
    const key = `${identity}/${id}`
    const known = this.#open.get(key)
    if (known !== undefined) return known
    return this.#keep(key, this.#reopen(identity, id))
  }

  #keep(key: string, opening: Promise<GroupKeeper>): Promise<GroupKeeper> {
    this.#open.set(key, opening)
    opening.catch(() => this.#open.delete(key)) // the next one tries again
    return opening
  }

  /** The first of a group; it and its listing are on disk when this resolves. */
  async begin(identity: Identity, state: GroupState): Promise<GroupKeeper> {
    const ledger = new Ledger(groupRoom(this.#context.store, identity.key, state.log.id))
    const keeper = new GroupKeeper(
      this.#context,
      { identity, ledger, state, isNew: true },
      this.#listener,
    )
    const listing: Listing = {
      ...{ identity: identity.key, id: keeper.id, title: state.log.name },
      ...{ name: this.#directory.freeName(identity, state.log.name), isIn: keeper.isIn },
      creator: state.log.entries[0]!.author,
    }
    const key = `${identity.key}/${keeper.id}`
    const put = this.#directory.put(listing, (change) => keeper.change(() => undefined, [change]))
    // Before anybody can find the listing, and open another.
    await this.#keep(
      key,
      put.then(() => keeper),
    )
    this.#listener.opened(keeper)
    this.#listener.news(keeper)
    return keeper
  }

  async #reopen(identityKey: string, id: string): Promise<GroupKeeper> {
    const identity = this.#context.identities.list().find(({ key }) => key === identityKey)
    if (identity === undefined)
      throw new AlliumError("NO_IDENTITY", "Cannot open group: its identity is gone")
    const room = groupRoom(this.#context.store, identityKey, Buffer.from(id, "hex"))
    const ledger = new Ledger(room)
    const state = await ledger.load()
    const keeper = new GroupKeeper(
      this.#context,
      { identity, ledger, state, isNew: false },
      this.#listener,
    )
    await keeper.load()
    this.#listener.opened(keeper)
    this.#listener.due(keeper)
    this.#listener.news(keeper)
    return keeper
  }
}

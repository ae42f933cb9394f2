/**
 * What groups and their members are called here.
 *
 * @module
 */
import type { PluginContext } from "allium/plugin"
import type { Head } from "../entry.ts"
import { memberKeyOf } from "./bytes.ts"
import type { Directory } from "./directory.ts"
import type { GroupKeeper } from "./keeper.ts"

/** See the module. */
export class GroupNames {
  readonly #context: PluginContext
  readonly #directory: Directory
  /** Groups that are open. */
  readonly #keepers = new Map<string, GroupKeeper>()

  constructor(context: PluginContext, directory: Directory) {
    this.#context = context
    this.#directory = directory
  }

  /** From now on its members have names in its conversation. */
  add(keeper: GroupKeeper): void {
    this.#keepers.set(`${keeper.identity.key}/${keeper.id}`, keeper)
  }

  /** What we call a member: the name of the contact, what the owner calls them, or the beginning of their key. */
  memberName(keeper: GroupKeeper, key: string): string {
    const { identity, state } = keeper
    if (key === identity.key) return identity.name
    const contact = this.#context.contacts.list(identity).find((one) => memberKeyOf(one) === key)
    return contact?.name ?? state.log.members.get(key)?.label ?? key.slice(0, 8)
  }

  /** What we call a member of the group of a conversation. */
  nameIn(head: Pick<Head, "identity" | "contact">, key: string): string {
    const keeper = this.#keepers.get(`${head.identity}/${head.contact}`)
    return keeper === undefined ? key : this.memberName(keeper, key)
  }

  /** What we call a group. */
  nameOf(keeper: GroupKeeper): string {
    const listing = this.#directory.get({ identity: keeper.identity.key, id: keeper.id })
    return listing?.name ?? keeper.state.log.name
  }
}

/**
 * Groups that come back after a restore: a backup names them, and members give their logs.
 *
 * @module
 */
import { randomUUID } from "node:crypto"
import { type Change, type Identity, type PluginContext, z } from "allium/plugin"
import { keyTextShape, memberKeyOf } from "./bytes.ts"
import type { Directory } from "./directory.ts"
import { MEMBERS_MAX } from "./log.ts"
import { askWhole } from "./meeting.ts"

/** A group in a backup. */
export const savedGroupShape = z.object({
  /** Hex. */
  id: z.string().regex(/^[0-9a-f]{64}$/),
  name: z.string(),
  /** Identity keys of the others. */
  members: z.array(keyTextShape).max(MEMBERS_MAX),
})
/** A group in a backup. */
export type SavedGroup = z.output<typeof savedGroupShape>

/** See the module. */
export class Comeback {
  readonly #context: PluginContext
  readonly #directory: Directory
  readonly #wanted

  constructor(context: PluginContext, directory: Directory) {
    this.#context = context
    this.#directory = directory
    const shape = savedGroupShape.extend({ identity: z.string() })
    this.#wanted = context.store.table("groups wanted", shape)
  }

  /** Remembers the groups, and asks for their logs. */
  async begin(identity: Identity, groups: readonly SavedGroup[]): Promise<void> {
    const of = { identity: identity.key }
    const fresh = groups.filter(({ id }) => this.#directory.get({ ...of, id }) === undefined)
    await this.#context.store.commit(
      fresh.map((group) => this.#wanted.put(`${identity.key}/${group.id}`, { ...group, ...of })),
    )
    for (const group of fresh) await this.#ask(identity, group)
  }

  /** Asks again for what has not come. */
  async askAgain(): Promise<void> {
    for await (const [, group] of this.#wanted.entries()) {
      const identity = this.#context.identities.list().find(({ key }) => key === group.identity)
      if (identity !== undefined && this.#directory.get(group) === undefined)
        await this.#ask(identity, group)
    }
  }

  /** When this group has just come back: what ends the waiting for it. */
  async end(of: { identity: string; id: string }): Promise<Change | undefined> {
    const key = `${of.identity}/${of.id}`
    return (await this.#wanted.get(key)) === undefined ? undefined : this.#wanted.remove(key)
  }

  async #ask(identity: Identity, { id, members }: SavedGroup): Promise<void> {
    const content = askWhole(new Uint8Array(Buffer.from(id, "hex")))
    for (const contact of this.#context.contacts.list(identity)) {
      if (contact.state !== "accepted" || !members.includes(memberKeyOf(contact))) continue
      const name = `g/${id.slice(0, 16)}/${randomUUID()}`
      await this.#context.mail.send({ identity, contact }, { content, name })
    }
  }
}

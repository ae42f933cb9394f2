/**
 * All conversations of this router, each of one identity with one contact or in one group; nothing is shared between two.
 * They are opened when they are needed: a start reads none of them.
 *
 * @module
 */
import type { Contact, Identity, PluginContext, Table } from "allium/plugin"
import { Conversation, type ConversationListener } from "./conversation.ts"
import { type Head, headShape, keyOf } from "./entry.ts"
import { openCommonShelves } from "./shelves.ts"

/** With whom a conversation is. */
export type With =
  | { readonly contact: Pick<Contact, "key" | "name"> }
  /** `id`: text of a group's own, never that of a contact's key. */
  | { readonly group: { readonly id: string; readonly name: string } }

/** The book; see the module. */
export class ConversationBook {
  readonly #context: PluginContext
  readonly #listener: ConversationListener
  readonly #heads: Table<Head>
  readonly #open = new Map<string, Promise<Conversation>>()

  constructor(context: PluginContext, listener: ConversationListener) {
    this.#context = context
    this.#listener = listener
    this.#heads = openCommonShelves(context.store).heads
  }

  /** The conversation of this identity with somebody. */
  of(identity: Identity, other: With): Promise<Conversation> {
    return this.#take(newHead(identity.key, other))
  }

  /** The conversation of these two, by their keys. */
  at(parties: { identity: string; contact: string }): Promise<Conversation> {
    const { identity, contact } = parties
    const name = this.contactOf(parties)?.name ?? contact
    return this.#take(newHead(identity, { contact: { key: contact, name } }))
  }

  /** The conversation of a head that was just read. */
  open(head: Head): Promise<Conversation> {
    // Heads change in open conversations alone, and those stay open: what was read is still so, or is not used.
    return this.#take(head, true)
  }

  /** Heads of the conversations that there are, in no particular order. */
  async *heads(identity?: Identity): AsyncGenerator<Head> {
    for await (const [, head] of this.#heads.entries())
      if (identity === undefined || head.identity === identity.key) yield head
  }

  /** Heads of one identity, the one with the newest message first. */
  async newestHeads(identity: Identity): Promise<Head[]> {
    const heads: Head[] = []
    for await (const head of this.heads(identity)) heads.push(head)
    return heads.sort((left, right) => right.lastAt - left.lastAt)
  }

  identityOf(head: Pick<Head, "identity">): Identity | undefined {
    return this.#context.identities.list().find(({ key }) => key === head.identity)
  }

  contactOf(head: Pick<Head, "identity" | "contact">): Contact | undefined {
    const identity = this.identityOf(head)
    if (identity === undefined) return undefined
    return this.#context.contacts.list(identity).find(({ key }) => key === head.contact)
  }

  #take(fresh: Head, isRead = false): Promise<Conversation> {
    const key = keyOf(fresh)
    const known = this.#open.get(key)
    if (known !== undefined) return known
    const opening = this.#load(fresh, isRead)
    this.#open.set(key, opening)
    opening.catch(() => this.#open.delete(key)) // the next one tries again
    return opening
  }

  async #load(fresh: Head, isRead: boolean): Promise<Conversation> {
    const head = isRead ? fresh : await this.#heads.get(keyOf(fresh))
    return new Conversation(this.#context.store, head ?? fresh, this.#listener)
  }
}

function newHead(identity: string, other: With): Head {
  const whom =
    "group" in other
      ? { kind: "group" as const, contact: other.group.id, name: other.group.name }
      : { kind: "contact" as const, contact: other.contact.key, name: other.contact.name }
  return headShape.parse({ identity, ...whom })
}

/**
 * Letters that go with changes of transfers: in one commit, so that what was said and what is so never differ.
 *
 * @module
 */
import {
  type Change,
  type Contact,
  type Identity,
  isAlliumError,
  type PluginContext,
} from "allium/plugin"
import type { Commit } from "./book.ts"
import { type PlainLetter, REASONS, writeLetter } from "./letters.ts"
import { idBytes, type Transfer, toOffer } from "./transfer.ts"

/** What is said of a transfer. */
export type Word = "offer" | "accept" | "decline" | "withdraw" | "done" | "stored"

/** Who is at the ends of a transfer. */
export interface Ends {
  readonly identity: Identity
  readonly contact: Contact
}

/** See the module. */
export class Post {
  readonly #context: PluginContext

  constructor(context: PluginContext) {
    this.#context = context
  }

  /** `undefined` when either is gone. */
  endsOf(parties: Pick<Transfer, "identity" | "contact">): Ends | undefined {
    const { identities, contacts } = this.#context
    const identity = identities.list().find(({ key }) => key === parties.identity)
    const contact = identity && contacts.list(identity).find(({ key }) => key === parties.contact)
    return identity && contact && { identity, contact }
  }

  /** Tells the contact that nothing is known of the transfer they ask for. */
  async forgotten(parties: Pick<Transfer, "identity" | "contact">, id: Uint8Array): Promise<void> {
    const ends = this.endsOf(parties)
    if (ends === undefined) return
    const content = writeLetter({ kind: "withdraw", id, reason: "UNKNOWN" })
    const name = `withdraw/${Buffer.from(id).toString("hex")}`
    await this.#context.mail.send(ends, { content, name }, []).catch((error: unknown) => {
      if (!isAlliumError(error, "CONTACT_STATE", "NO_CONTACT")) throw error
    })
  }

  /**
   * A commit that says `word` to the contact. Who is not to be written to any more is told nothing.
   *
   * @param also - Further changes for the same commit.
   */
  with(
    parties: Pick<Transfer, "identity" | "contact">,
    word: Word,
    also: readonly Change[] = [],
  ): Commit {
    return async (changes, transfer) => {
      const all = [...changes, ...also]
      const ends = this.endsOf(parties)
      const letter = toLetter(word, transfer)
      if (ends === undefined || letter === undefined) return this.#context.store.commit(all)
      const name = `${word}/${transfer.id}`
      try {
        await this.#context.mail.send(ends, { content: writeLetter(letter), name }, all)
      } catch (error) {
        if (word === "offer" || !isAlliumError(error, "CONTACT_STATE", "NO_CONTACT")) throw error
        await this.#context.store.commit(all)
      }
    }
  }
}

function toLetter(word: Word, transfer: Transfer): PlainLetter | undefined {
  const id = idBytes(transfer)
  if (word === "offer") return toOffer(transfer)
  if (word === "accept" || word === "done") return { kind: word, id }
  if (word === "stored") return toStored(id, transfer)
  const other = transfer.stage === "cancelled" ? "CANCELLED" : "UNKNOWN"
  return { kind: word, id, reason: REASONS.find((one) => one === transfer.reason) ?? other }
}

function toStored(id: Uint8Array, { tower }: Transfer): PlainLetter | undefined {
  if (tower === undefined) return undefined
  const { key, address, salt } = tower
  return { kind: "stored", id, salt, key, address }
}

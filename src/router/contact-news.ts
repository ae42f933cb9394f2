/**
 * What is learnt of contacts, for the plugins that want to hear it.
 *
 * @module
 */
import type { Contact } from "../identity/contacts.ts"
import type { Identity } from "../identity/identity.ts"
import type { Undo } from "./links.ts"

/** Something learnt of a contact, once. */
export interface ContactNews {
  readonly identity: Identity
  /** In state `accepted`. */
  readonly contact: Contact
  /** `restored`: they came back on a new device, by their words. */
  readonly what: "restored"
}

/** See the module. */
export class ContactNewsDesk {
  readonly #listeners = new Set<(news: ContactNews) => void>()

  /** Tells all who listen now. */
  tell(news: ContactNews): void {
    for (const listener of [...this.#listeners]) listener(news)
  }

  listen(listener: (news: ContactNews) => void): Undo {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

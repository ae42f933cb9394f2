/**
 * What the user lets contacts know: that messages were read, that something is being typed. Nothing by default.
 *
 * @module
 */
import { type Contact, type Identity, type StoreRoom, type Table, z } from "allium/plugin"

/** What can be switched on, for an identity or one contact of it. */
export const SWITCHES = ["receipts", "typing"] as const
type Switch = (typeof SWITCHES)[number]

type Keyed = Pick<Contact, "key">

const settingsShape = z.object({ receipts: z.boolean().optional(), typing: z.boolean().optional() })
type Chosen = z.output<typeof settingsShape>

/** See the module. */
export class Settings {
  readonly #store: StoreRoom
  readonly #table: Table<Chosen>

  constructor(store: StoreRoom) {
    this.#store = store
    this.#table = store.table("settings", settingsShape)
  }

  /** What holds for a contact, or for contacts about whom nothing was said. */
  async of(identity: Identity, contact?: Keyed): Promise<Record<Switch, boolean>> {
    const general = await this.chosen(identity)
    const special = contact === undefined ? {} : await this.chosen(identity, contact)
    const holds = (name: Switch) => special[name] ?? general[name] ?? false
    return { receipts: holds("receipts"), typing: holds("typing") }
  }

  /** What was chosen for exactly these. */
  async chosen(identity: Identity, contact?: Keyed): Promise<Chosen> {
    return (await this.#table.get(keyOf(identity, contact))) ?? {}
  }

  /** Chooses; what is not named stays. */
  async choose(chosen: Chosen, identity: Identity, contact?: Keyed): Promise<void> {
    const before = await this.chosen(identity, contact)
    const put = this.#table.put(keyOf(identity, contact), { ...before, ...chosen })
    await this.#store.commit([put])
  }
}

function keyOf(identity: Identity, contact?: Keyed): string {
  return contact === undefined ? identity.key : `${identity.key}/${contact.key}`
}

/**
 * One contact book on several devices: each tells the others what changed, and the newest change of a contact counts.
 *
 * @see docs/protocol/device.md
 * @module
 */
import { createHash } from "node:crypto"
import { z } from "zod"
import type { Clock } from "../base/clock.ts"
import type { ErrorCode } from "../base/error-codes.ts"
import { isAlliumError } from "../base/errors.ts"
import { packValue } from "../base/pack.ts"
import { Turns } from "../base/turns.ts"
import type { ContactRecord } from "../identity/contact-list.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import type { Change, StoreRoom, Table } from "../store/store.ts"
import type { ContactDesk } from "./contact-desk.ts"
import type { DeviceLetter } from "./device-letters.ts"

const knownShape = z.strictObject({
  /** Of the contact as the other devices know it; empty when it is gone. */
  hash: z.string(),
  /** When it was changed, by the clock of whoever did. */
  atMs: z.number(),
})
type Known = z.output<typeof knownShape>

/** What it stands on. */
export interface DeviceContactsOptions {
  readonly identities: IdentityBook
  readonly desk: () => ContactDesk
  readonly tellOwn: (
    identity: Identity,
    letter: DeviceLetter,
    also: readonly Change[],
  ) => Promise<void>
  readonly contactChanged: (identity: Identity, contactKey: string) => void
  readonly store: StoreRoom
  readonly clock: Clock
}

type Told = Extract<DeviceLetter, { kind: "contact" }>

/** See the module. */
export class DeviceContacts {
  readonly #options: DeviceContactsOptions
  readonly #known: Table<Known>
  readonly #turns = new Turns()

  constructor(options: DeviceContactsOptions) {
    this.#options = options
    this.#known = options.store.table("device-contacts", knownShape)
  }

  /** Tells the other devices of a contact, if they do not know. */
  changed(identity: Identity, key: string): Promise<void> {
    return this.#turns.take(async () => {
      const record = this.#record(identity, key)
      const before = await this.#known.get(placeOf(identity, key))
      const hash = hashOf(record)
      if (before?.hash === hash || (before === undefined && record === undefined)) return
      const atMs = Math.max(this.#options.clock.now(), (before?.atMs ?? 0) + 1)
      const letter: Told = { kind: "contact", contact: key, atMs, ...(record && { record }) }
      const put = this.#known.put(placeOf(identity, key), { hash, atMs })
      await this.#options.tellOwn(identity, letter, [put])
    })
  }

  /** Another device tells us. */
  hear(identity: Identity, { contact: key, atMs, record }: Told): Promise<void> {
    return this.#turns.take(async () => {
      if (identity.keysOf(key) !== undefined || (record && record.key !== key)) return
      const before = await this.#known.get(placeOf(identity, key))
      if (before !== undefined && before.atMs >= atMs) return
      // What cannot be done any more is no reason not to know what the other device knows.
      if (identity.device === 0)
        await this.#decide(identity, key, record).catch(unless("CONTACT_STATE", "NO_CONTACT"))
      const book = this.#options.identities.contacts(identity)
      const taken = record === undefined ? book.unmirror(key) : book.mirror(record)
      await taken.catch(unless("TOO_MANY_CONTACTS", "BAD_INPUT"))
      await this.#note(identity, key, { hash: hashOf(record), atMs })
      this.#options.contactChanged(identity, key)
    })
  }

  /** Everything came with the handover: nobody need be told. */
  async begin(identity: Identity, contacts: readonly ContactRecord[]): Promise<void> {
    const book = this.#options.identities.contacts(identity)
    for (const record of contacts) {
      await book.mirror(record)
      await this.#note(identity, record.key, { hash: hashOf(record), atMs: 0 })
    }
  }

  /** Only the first device speaks with whoever is asked or answered: what another decided, it does. */
  async #decide(identity: Identity, key: string, record: ContactRecord | undefined): Promise<void> {
    const desk = this.#options.desk()
    const before = this.#record(identity, key)?.state
    if (before === undefined || before === record?.state) return
    if (before === "asking" && record === undefined) await desk.refuse(identity, key)
    else if (record === undefined) await desk.remove(identity, key)
    else if (before === "asking" && record.state === "accepted") await desk.accept(identity, key)
    else if (before === "introduced" && record.state === "requested")
      await desk.accept(identity, key)
    else if (record.state === "blocked") await desk.block(identity, key)
  }

  #record(identity: Identity, key: string): ContactRecord | undefined {
    const all = this.#options.identities.contacts(identity).keep()
    return all.find((one) => one.key === key)
  }

  #note(identity: Identity, key: string, known: Known): Promise<void> {
    return this.#options.store.commit([this.#known.put(placeOf(identity, key), known)])
  }
}

function unless(...codes: readonly ErrorCode[]): (error: unknown) => undefined {
  return (error) => {
    if (isAlliumError(error, ...codes)) return undefined
    throw error
  }
}

function placeOf(identity: Identity, key: string): string {
  return `${identity.key}/${key}`
}

/** Their devices are told by themselves. */
function hashOf(record: ContactRecord | undefined): string {
  if (record === undefined) return ""
  const { devices: _, ...said } = record
  const sorted = Object.entries(said)
    .filter(([, value]) => value !== undefined)
    .sort(([one], [other]) => (one < other ? -1 : 1))
  return createHash("sha256").update(packValue(sorted)).digest("base64url")
}

/**
 * Contacts of one identity: the table of states, and everything on disk before it counts.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import { Turns } from "../base/turns.ts"
import type { Change, StoreRoom, Table } from "../store/store.ts"
import {
  ContactList,
  type ContactRecord,
  cutGreeting,
  recordShape,
  toContact,
} from "./contact-list.ts"
import { type ContactEvent, contactOutcome } from "./contact-states.ts"
import type {
  Contact,
  ContactBook,
  ContactRequest,
  ContactState,
  HeldIntroduction,
} from "./contacts.ts"
import type { DeviceList } from "./device-list.ts"
import { keyFromText, keyToText } from "./keys.ts"
import { readRotation } from "./rotation.ts"
import { isSafetyNumber, safetyNumber } from "./safety-number.ts"

interface BookOptions {
  /** A room of the identity's own. */
  readonly store: StoreRoom
  readonly clock: Clock
  /** Our identity key, 32 bytes. */
  readonly ownKey: Uint8Array
}

/** Opens the contacts of one identity. @throws {AlliumError} `STORE_DAMAGED`. */
export async function openContactBook(options: BookOptions): Promise<ContactBook> {
  const book = new StoredContacts(options)
  await book.load()
  return book
}

type Changes = readonly Change[]

class StoredContacts implements ContactBook {
  readonly #options: BookOptions
  readonly #table: Table<ContactRecord>
  readonly #list = new ContactList()
  /** One after another: each sees what the one before it left. */
  readonly #turns = new Turns()

  constructor(options: BookOptions) {
    this.#options = options
    this.#table = options.store.table("contacts", recordShape)
  }

  async load(): Promise<void> {
    const records: ContactRecord[] = []
    for await (const [, record] of this.#table.entries()) records.push(record)
    records.sort((one, other) => one.since - other.since || (one.key < other.key ? -1 : 1))
    for (const record of records) this.#list.set(record)
  }

  list(): readonly Contact[] {
    return this.#list.all().map(toContact)
  }

  byKey(key: string): Contact | undefined {
    const record = this.#list.byKey(key)
    return record && toContact(record)
  }

  find(nameOrKey: string): Contact {
    return toContact(this.#list.find(nameOrKey))
  }

  request(wanted: ContactRequest, also: Changes = []): Promise<Contact> {
    return this.#turns.take(async () => {
      const known = this.#list.byKey(wanted.key)
      const state = nextState(known, "we request")
      const base = known ?? this.#stranger(wanted, state)
      const name = this.#chosenName(wanted.name, known) ?? base.name
      return this.#save({ ...base, name, state, address: wanted.address }, also)
    })
  }

  receiveRequest(from: ContactRequest, also: Changes = []): Promise<Contact> {
    return this.#turns.take(async () => {
      const known = this.#list.byKey(from.key)
      if (known?.state === "blocked") return toContact(known)
      const state = nextState(known, "they request")
      const base = known ?? this.#stranger(from, state)
      const greeting = cutGreeting(from.greeting ?? "")
      const { address, card, introduction } = from
      const asked = { ...base, state, address, greeting, ...(card !== undefined && { card }) }
      return this.#save({ ...asked, ...heldAs(introduction), ...pinned(base, from) }, also)
    })
  }

  receiveIntroduction(
    about: ContactRequest & { readonly introduction: HeldIntroduction },
    also: Changes = [],
  ): Promise<Contact> {
    return this.#turns.take(async () => {
      const known = this.#list.byKey(about.key)
      if (known?.state === "blocked") return toContact(known)
      const state = nextState(known, "they are introduced")
      const base = known ?? {
        ...this.#stranger(about, state),
        greeting: cutGreeting(about.greeting ?? ""),
      }
      return this.#save({ ...base, state, ...heldAs(about.introduction) }, also)
    })
  }

  introductionOf(nameOrKey: string): Uint8Array | undefined {
    return this.#list.find(nameOrKey).introduction
  }

  receiveAccept(from: ContactRequest, also: Changes = []): Promise<Contact | undefined> {
    return this.#turns.take(async () => {
      const known = this.#list.byKey(from.key)
      if (known === undefined) return undefined
      const state = nextState(known, "they accept")
      if (state !== "accepted") return toContact(known)
      return this.#save({ ...known, state, address: from.address, ...pinned(known, from) }, also)
    })
  }

  receiveRefusal(key: string, also: Changes = []): Promise<Contact | undefined> {
    return this.#turns.take(async () => {
      const known = this.#list.byKey(key)
      if (known === undefined) return undefined
      return this.#save({ ...known, state: nextState(known, "they refuse") }, also)
    })
  }

  accept(nameOrKey: string, also: Changes = []): Promise<Contact> {
    return this.#move(nameOrKey, "we accept", also)
  }

  block(nameOrKey: string, also: Changes = []): Promise<Contact> {
    return this.#move(nameOrKey, "we block", also)
  }

  unblock(nameOrKey: string, also: Changes = []): Promise<Contact> {
    return this.#move(nameOrKey, "we unblock", also)
  }

  refuse(nameOrKey: string, also: Changes = []): Promise<Contact> {
    return this.#drop(nameOrKey, "we refuse", also)
  }

  remove(nameOrKey: string, also: Changes = []): Promise<Contact> {
    return this.#drop(nameOrKey, "we remove", also)
  }

  rename(nameOrKey: string, name: string): Promise<Contact> {
    return this.#turns.take(async () => {
      const known = this.#list.find(nameOrKey)
      return this.#save({ ...known, name: this.#chosenName(name, known) ?? known.name }, [])
    })
  }

  receiveDevices(key: string, devices: DeviceList): Promise<Contact | undefined> {
    return this.#turns.take(async () => {
      const known = this.#list.byKey(key)
      if (known === undefined) return undefined
      if ((known.devices?.revision ?? 0) >= devices.revision) return toContact(known)
      return this.#save({ ...known, devices }, [])
    })
  }

  mirror(record: ContactRecord): Promise<Contact> {
    return this.#turns.take(async () => {
      const known = this.#list.byKey(record.key)
      if (known === undefined) this.#list.requireRoom(record.state)
      const isKept = known?.name === record.name
      const name = isKept ? record.name : this.#list.freeNameFor(record.name)
      const devices = newer(record.devices, known?.devices)
      return this.#save({ ...record, name, ...(devices && { devices }) }, [])
    })
  }

  unmirror(key: string): Promise<Contact | undefined> {
    return this.#turns.take(async () => {
      const known = this.#list.byKey(key)
      if (known === undefined) return undefined
      await this.#options.store.commit([this.#table.remove(key)])
      this.#list.delete(key)
      return toContact(known)
    })
  }

  keep(): readonly ContactRecord[] {
    return this.#list.all()
  }

  bring(kept: readonly ContactRecord[]): Promise<readonly Contact[]> {
    return this.#turns.take(async () => {
      const back = new ContactList()
      const keys = new Set(kept.map(({ key }) => key))
      for (const known of this.#list.all()) if (!keys.has(known.key)) back.set(known)
      const records = kept
        .filter(({ key }) => key !== keyToText(this.#options.ownKey))
        .map((record) => {
          const standing = this.#list.byKey(record.key)?.state
          const isAccepted = standing === "accepted" && record.state !== "blocked"
          const name = back.freeNameFor(record.name)
          const fresh = { ...record, name, ...(isAccepted && { state: standing }) }
          back.set(fresh)
          return fresh
        })
      await this.#options.store.commit(records.map((one) => this.#table.put(one.key, one)))
      for (const record of records) this.#list.delete(record.key)
      for (const record of records) this.#list.set(record)
      return records.map(toContact)
    })
  }

  safetyNumber(nameOrKey: string): Promise<string> {
    return safetyNumber(this.#options.ownKey, keyFromText(this.#list.find(nameOrKey).key))
  }

  async verify(nameOrKey: string, digits?: string): Promise<Contact> {
    const { key } = this.#list.find(nameOrKey)
    if (digits !== undefined && !isSafetyNumber(digits, await this.safetyNumber(key)))
      throw new AlliumError(
        "BAD_INPUT",
        "Cannot verify contact: the digits are others, do not trust",
      )
    return this.#turns.take(async () => {
      const { wasVerified: _, ...known } = this.#list.find(key)
      return this.#save({ ...known, verified: true }, [])
    })
  }

  rotate(key: string, rotation: Uint8Array, also: Changes = []): Promise<Contact> {
    return this.#turns.take(async () => {
      const known = this.#list.find(key)
      const { newKey, nextKeyHash } = readRotation(rotation, {
        key,
        nextKeyHash: known.nextKeyHash ?? "",
      })
      const isTaken = this.#list.byKey(newKey) !== undefined
      if (known.state === "blocked" || isTaken || newKey === keyToText(this.#options.ownKey))
        throw new AlliumError("CONTACT_STATE", "Cannot change key: the contact's state forbids it")
      const wasVerified = known.verified || known.wasVerified === true
      const record = { ...known, key: newKey, nextKeyHash, verified: false, wasVerified }
      const contact = await this.#save(record, [this.#table.remove(key), ...also])
      this.#list.delete(key)
      this.#list.set(record)
      return contact
    })
  }

  #move(nameOrKey: string, event: ContactEvent, also: Changes): Promise<Contact> {
    return this.#turns.take(async () => {
      const known = this.#list.find(nameOrKey)
      const state = nextState(known, event)
      const before = state === "blocked" ? (known.before ?? known.state) : undefined
      return this.#save({ ...known, state, before }, also)
    })
  }

  #drop(nameOrKey: string, event: ContactEvent, also: Changes): Promise<Contact> {
    return this.#turns.take(async () => {
      const known = this.#list.find(nameOrKey)
      requireAllowed(contactOutcome(known.state, event))
      await this.#options.store.commit([this.#table.remove(known.key), ...also])
      this.#list.delete(known.key)
      return toContact(known)
    })
  }

  /** Somebody we did not know until now. */
  #stranger({ key, address, name }: ContactRequest, state: ContactState): ContactRecord {
    if (key === keyToText(this.#options.ownKey))
      throw new AlliumError("BAD_INPUT", "Cannot add contact: that is this identity itself")
    keyFromText(key)
    this.#list.requireRoom(state)
    const fresh = { key, address, state, verified: false, greeting: "" }
    return { ...fresh, name: this.#list.freeNameFor(name), since: this.#options.clock.now() }
  }

  /** The user's word: taken as it is, or refused. */
  #chosenName(name: string | undefined, known: Contact | undefined): string | undefined {
    if (name === undefined || name === known?.name) return undefined
    return this.#list.requireFree(name)
  }

  async #save(record: ContactRecord, also: Changes): Promise<Contact> {
    if (!recordShape.safeParse(record).success)
      throw new AlliumError("BAD_INPUT", "Cannot keep contact: its address is no .b32.i2p name")
    await this.#options.store.commit([this.#table.put(record.key, record), ...also])
    this.#list.set(record)
    return toContact(record)
  }
}

function newer(one?: DeviceList, other?: DeviceList): DeviceList | undefined {
  return (one?.revision ?? 0) < (other?.revision ?? 0) ? other : one
}

function heldAs(introduction: HeldIntroduction | undefined): Partial<ContactRecord> {
  if (introduction === undefined) return {}
  return { introducer: introduction.introducer, introduction: introduction.bytes }
}

/** A thief of the key can sign a card that commits to another: the first commitment counts. */
function pinned(known: ContactRecord, { nextKeyHash }: ContactRequest): Partial<ContactRecord> {
  return known.nextKeyHash !== undefined || nextKeyHash === undefined ? {} : { nextKeyHash }
}

/** @throws {AlliumError} `CONTACT_STATE`. */
function nextState(known: ContactRecord | undefined, event: ContactEvent): ContactState {
  const outcome = requireAllowed(contactOutcome(known?.state ?? "unknown", event))
  if (outcome === "as before") return known?.before ?? "refused"
  return outcome
}

function requireAllowed<T extends string>(outcome: T): Exclude<T, "not allowed" | "unknown"> {
  if (outcome !== "not allowed") return outcome as Exclude<T, "not allowed" | "unknown">
  throw new AlliumError("CONTACT_STATE", "Cannot do that: the contact's state does not allow it")
}

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
import {
  type Contact,
  type ContactBook,
  type ContactRequest,
  type ContactState,
  type HeldIntroduction,
  presentKeyOf,
} from "./contacts.ts"
import type { DeviceList } from "./device-list.ts"
import type { Identity } from "./identity.ts"
import { keyFromText } from "./keys.ts"
import { type Rotation, rotationsFrom } from "./rotation.ts"
import { isSafetyNumber, safetyNumber } from "./safety-number.ts"

interface BookOptions {
  /** A room of the identity's own. */
  readonly store: StoreRoom
  readonly clock: Clock
  readonly self: Pick<Identity, "present" | "keysOf">
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

  byAnyKey(key: string): Contact | undefined {
    const record = this.#list.byAnyKey(key)
    return record && toContact(record)
  }

  request(wanted: ContactRequest, also: Changes = []): Promise<Contact> {
    return this.#turns.take(async () => {
      const known = this.#list.byAnyKey(wanted.key)
      const state = nextState(known, "we request")
      const base = known ?? this.#stranger(wanted, state)
      const name = this.#chosenName(wanted.name, known) ?? base.name
      return this.#save({ ...base, name, state, address: wanted.address }, also)
    })
  }

  receiveRequest(from: ContactRequest, also: Changes = []): Promise<Contact> {
    return this.#turns.take(async () => {
      const known = this.#list.byAnyKey(from.key)
      if (known?.state === "blocked") return toContact(known)
      const state = nextState(known, "they request")
      const base = known ?? this.#stranger(from, state)
      const greeting = cutGreeting(from.greeting ?? "")
      const { address, card, introduction } = from
      const asked = { ...base, state, address, greeting, ...(card !== undefined && { card }) }
      return this.#save({ ...asked, ...heldAs(introduction), ...this.#learnt(base, from) }, also)
    })
  }

  receiveIntroduction(
    about: ContactRequest & { readonly introduction: HeldIntroduction },
    also: Changes = [],
  ): Promise<Contact> {
    return this.#turns.take(async () => {
      const known = this.#list.byAnyKey(about.key)
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
      const known = this.#list.byAnyKey(from.key)
      if (known === undefined) return undefined
      const state = nextState(known, "they accept")
      if (state !== "accepted") return toContact(known)
      return this.#save(
        { ...known, state, address: from.address, ...this.#learnt(known, from) },
        also,
      )
    })
  }

  receiveRefusal(key: string, also: Changes = []): Promise<Contact | undefined> {
    return this.#turns.take(async () => {
      const known = this.#list.byAnyKey(key)
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
        .filter(({ key }) => this.#options.self.keysOf(key) === undefined)
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
    const their = presentKeyOf(this.#list.find(nameOrKey))
    return safetyNumber(this.#options.self.present.publicKey, keyFromText(their))
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

  rotate(key: string, rotations: readonly Rotation[], also: Changes = []): Promise<Contact> {
    return this.#turns.take(async () => {
      const known = this.#list.find(key)
      const before = presentKeyOf(known)
      const { nextKeyHash } = known
      const steps = rotationsFrom(rotations, { key: before, nextKeyHash })
      const last = steps.at(-1)
      if (last === undefined) return toContact(known)
      const fresh = steps.map(({ newKey }) => newKey)
      if (known.state === "blocked" || fresh.some((one) => this.#isTaken(one)))
        throw new AlliumError("CONTACT_STATE", "Cannot change key: the contact's state forbids it")
      const passed = [before, ...fresh.slice(0, -1)].filter((one) => one !== known.key)
      return this.#save(
        {
          ...known,
          ...{ presentKey: last.newKey, nextKeyHash: last.nextKeyHash, verified: false },
          retired: [...(known.retired ?? []), ...passed],
          wasVerified: known.verified || known.wasVerified === true,
          ...(known.devices && { devices: firstAlone(known.devices) }),
        },
        also,
      )
    })
  }

  commitmentOf(nameOrKey: string): string | undefined {
    return this.#list.find(nameOrKey).nextKeyHash
  }

  told(nameOrKey: string): number {
    return this.#list.find(nameOrKey).told ?? 0
  }

  setTold(nameOrKey: string, version: number, also: Changes = []): Promise<void> {
    return this.#turns.take(async () => {
      const known = this.#list.find(nameOrKey)
      if ((known.told ?? 0) < version) await this.#save({ ...known, told: version }, also)
    })
  }

  #isTaken(key: string): boolean {
    return this.#list.byAnyKey(key) !== undefined || this.#options.self.keysOf(key) !== undefined
  }

  /** What a card and rotations of theirs say beside the key. */
  #learnt(
    known: ContactRecord,
    { nextKeyHash, rotations }: ContactRequest,
  ): Partial<ContactRecord> {
    const firstKey = rotations?.[0]?.oldKey
    const isNews = firstKey !== undefined && firstKey !== known.key && !this.#isTaken(firstKey)
    // A thief of the key can sign a card that commits to another: the first commitment counts.
    const isPinned = known.nextKeyHash !== undefined || nextKeyHash === undefined
    return { ...(isNews && { firstKey }), ...(!isPinned && { nextKeyHash }) }
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
  #stranger({ key, address, name, ...more }: ContactRequest, state: ContactState): ContactRecord {
    const { self } = this.#options
    if (self.keysOf(key) !== undefined)
      throw new AlliumError("BAD_INPUT", "Cannot add contact: that is this identity itself")
    keyFromText(key)
    this.#list.requireRoom(state)
    const told = more.told ?? self.present.version
    const fresh = { key, address, state, verified: false, greeting: "", told }
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

/** Only who has one device can rotate: others they had are cast out, heard of it or not. */
function firstAlone({ revision, devices }: DeviceList): DeviceList {
  return { revision, devices: devices.slice(0, 1) }
}

function newer(one?: DeviceList, other?: DeviceList): DeviceList | undefined {
  return (one?.revision ?? 0) < (other?.revision ?? 0) ? other : one
}

function heldAs(introduction: HeldIntroduction | undefined): Partial<ContactRecord> {
  if (introduction === undefined) return {}
  return { introducer: introduction.introducer, introduction: introduction.bytes }
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

/**
 * Contacts in memory: found by name and by key, names unique, numbers bounded.
 *
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import type { Contact, ContactState } from "./contacts.ts"
import { DEVICE_NUMBER_MAX, DEVICES_MAX, type DeviceList } from "./device-list.ts"
import { INTRODUCTION_BYTES } from "./introduction.ts"
import { checkPersonName, freeName, nameShape, tameName } from "./names.ts"
import { ROTATIONS_MAX } from "./rotation.ts"

/** All in memory, about 1 kB each. */
const CONTACTS_MAX = 10_000
/** Strangers who wait for an answer: more is a flood. */
const ASKING_MAX = 256
/** Introduced by contacts, and nobody decided yet. */
const INTRODUCED_MAX = 64
/** In characters; `docs/protocol/contact.md`. */
const GREETING_LENGTH_MAX = 500
/** What a contact is called when nobody gave a name. */
const NAMELESS = "contact"

const stateShape = z.enum(["requested", "asking", "introduced", "accepted", "refused", "blocked"])

const addressShape = z.string().regex(/^[a-z2-7]{51}[aq]\.b32\.i2p$/)
/** A key or a hash as text. */
export const keyShape: z.ZodString = z.string().regex(/^[A-Za-z0-9_-]{43}$/)

/** A device list, after its signature was checked. */
export const deviceListShape: z.ZodType<DeviceList> = z.strictObject({
  revision: z.int().min(0),
  devices: z
    .array(z.strictObject({ number: z.int().min(0).max(DEVICE_NUMBER_MAX), address: addressShape }))
    .min(1)
    .max(DEVICES_MAX),
})

/** A contact as the store holds it. */
export const recordShape: z.ZodType<ContactRecord> = z.strictObject({
  name: nameShape,
  key: keyShape,
  address: addressShape,
  state: stateShape,
  verified: z.boolean(),
  greeting: z.string().max(2 * GREETING_LENGTH_MAX),
  since: z.number().nonnegative(),
  before: stateShape.optional(),
  card: nameShape.optional(),
  introducer: keyShape.optional(),
  wasVerified: z.boolean().optional(),
  devices: deviceListShape.optional(),
  nextKeyHash: keyShape.optional(),
  presentKey: keyShape.optional(),
  firstKey: keyShape.optional(),
  retired: z.array(keyShape).max(ROTATIONS_MAX).optional(),
  told: z.int().min(0).max(ROTATIONS_MAX).optional(),
  introduction: z
    .instanceof(Uint8Array)
    .refine((bytes) => bytes.length === INTRODUCTION_BYTES)
    .optional(),
})

/** See {@linkcode recordShape}. */
export interface ContactRecord extends Contact {
  /** What it was when it was blocked. */
  readonly before?: ContactState | undefined
  /** What their first card committed to, or their last rotation. */
  readonly nextKeyHash?: string | undefined
  /** Keys they had between the first we knew and the present one. */
  readonly retired?: readonly string[] | undefined
  /** Up to which version of our own key they know us; 0 when absent. */
  readonly told?: number | undefined
  /** What to show them when we ask: `introduction.ts`. */
  readonly introduction?: Uint8Array | undefined
}

/** What others get to see. */
export function toContact(record: ContactRecord): Contact {
  const {
    before: _1,
    introduction: _2,
    nextKeyHash: _3,
    retired: _4,
    told: _5,
    ...contact
  } = record
  return contact
}

/** As much of a greeting as is kept. */
export function cutGreeting(greeting: string): string {
  return [...greeting.slice(0, 2 * GREETING_LENGTH_MAX)].slice(0, GREETING_LENGTH_MAX).join("")
}

/** See the module; knows nothing of the store. */
export class ContactList {
  readonly #byKey = new Map<string, ContactRecord>()
  readonly #keyByName = new Map<string, string>()
  /** Every key that is or was theirs, to the one they are kept by. */
  readonly #keyByOther = new Map<string, string>()

  all(): readonly ContactRecord[] {
    return [...this.#byKey.values()]
  }

  byKey(key: string): ContactRecord | undefined {
    return this.#byKey.get(key)
  }

  /** By any key of theirs that we know. */
  byAnyKey(key: string): ContactRecord | undefined {
    return this.#byKey.get(key) ?? this.#byKey.get(this.#keyByOther.get(key) ?? "")
  }

  /** @throws {AlliumError} `NO_CONTACT`; does not repeat what was asked for. */
  find(nameOrKey: string): ContactRecord {
    const key = this.#keyByName.get(nameOrKey.normalize("NFC")) ?? nameOrKey
    const record = this.byAnyKey(key)
    if (record !== undefined) return record
    throw new AlliumError("NO_CONTACT", "Cannot find contact: nobody has that name or key")
  }

  /** In place of the record with the same key. */
  set(record: ContactRecord): void {
    this.#forgetNames(record.key)
    this.#byKey.set(record.key, record)
    this.#keyByName.set(record.name, record.key)
    for (const other of otherKeys(record)) this.#keyByOther.set(other, record.key)
  }

  delete(key: string): void {
    this.#forgetNames(key)
    this.#byKey.delete(key)
  }

  /** A name the user chose. @throws {AlliumError} `BAD_INPUT`, `ALREADY_EXISTS`. */
  requireFree(name: string): string {
    const normal = checkPersonName(name)
    if (!this.#keyByName.has(normal)) return normal
    throw new AlliumError("ALREADY_EXISTS", "Cannot name contact: another contact has that name")
  }

  /** A name somebody else suggests, made harmless and free. */
  freeNameFor(suggestion = ""): string {
    return freeName(tameName(suggestion, NAMELESS), (name) => this.#keyByName.has(name))
  }

  /** @throws {AlliumError} `TOO_MANY_CONTACTS`. */
  requireRoom(state: ContactState): void {
    const most =
      state === "asking" ? ASKING_MAX : state === "introduced" ? INTRODUCED_MAX : Infinity
    const alike = most < Infinity ? this.all().filter((record) => record.state === state) : []
    if (this.#byKey.size < CONTACTS_MAX && alike.length < most) return
    throw new AlliumError("TOO_MANY_CONTACTS", "Cannot add contact: there are as many as can be")
  }

  #forgetNames(key: string): void {
    const known = this.#byKey.get(key)
    if (known === undefined) return
    this.#keyByName.delete(known.name)
    for (const other of otherKeys(known)) this.#keyByOther.delete(other)
  }
}

function otherKeys({ presentKey, firstKey, retired }: ContactRecord): readonly string[] {
  return [presentKey, firstKey, ...(retired ?? [])].filter((key) => key !== undefined)
}

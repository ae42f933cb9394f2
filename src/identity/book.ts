/**
 * The book of identities: one phrase, one record for each identity, keys made from both when it is opened.
 *
 * @module
 */
import { z } from "zod"
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import type { RandomBytes } from "../base/random.ts"
import { Turns } from "../base/turns.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import { makeCard } from "./card.ts"
import { openContactBook } from "./contact-book.ts"
import type { ContactBook } from "./contacts.ts"
import { DEVICE_NUMBER_MAX } from "./device-list.ts"
import { type DoorBook, openDoorBook } from "./doors.ts"
import type { DeviceSecrets, Identity, IdentityBook, JoinedIdentity } from "./identity.ts"
import { checkPersonName, nameShape } from "./names.ts"
import { ENTROPY_BYTES, readPhrase, seedOf, toPhrase } from "./phrase.ts"
import { readPhraseFile, writePhraseFile } from "./phrase-file.ts"
import { ROTATIONS_MAX } from "./rotation.ts"
import {
  linkedDevice,
  secretsOf,
  type UnlockedIdentity,
  unlockIdentity,
  unlockJoined,
} from "./unlocked.ts"

/** Each has tunnels of its own; a router with more is not one person's. */
const IDENTITIES_MAX = 100

const recordShape = z.strictObject({
  name: nameShape,
  index: z.int().min(0),
  /** Milliseconds since 1970. */
  created: z.number(),
  /** Of its keys; 0 when absent. */
  version: z.int().min(0).max(ROTATIONS_MAX).optional(),
})
type IdentityRecord = z.infer<typeof recordShape>
const entropyShape = z.instanceof(Uint8Array).refine((bytes) => bytes.length === ENTROPY_BYTES)

const secretShape = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array && value.length === 32,
  "expected 32 bytes",
)
/** An identity of another home's words, as it is kept and handed over. */
export const joinedShape: z.ZodType<JoinedIdentity> = z.strictObject({
  name: nameShape,
  device: z.int().min(1).max(DEVICE_NUMBER_MAX),
  address: z.string().regex(/^[a-z2-7]{51}[aq]\.b32\.i2p$/),
  secrets: z.strictObject({
    identity: secretShape,
    first: secretShape.optional(),
    agreement: secretShape,
    destination: secretShape,
    nextKeyHash: z.string().regex(/^[\w-]{43}$/),
  }),
  rotations: z
    .custom<Uint8Array>((value) => value instanceof Uint8Array, "expected bytes")
    .optional(),
})

/** What the book needs. */
export interface BookOptions {
  /** A room of the book's own. */
  readonly store: StoreRoom
  /** For the sealed phrase; made when missing. */
  readonly folder: string
  readonly masterKey: Uint8Array
  readonly clock: Clock
  readonly random: RandomBytes
}

/**
 * Opens the book; a new one is empty until the first identity is made.
 *
 * @throws {AlliumError} `KEY_FILE_DAMAGED` when phrase file and store disagree or the file does not open,
 * `KEY_FILE_EXPOSED`, `STORE_DAMAGED`.
 */
export async function openIdentityBook(options: BookOptions): Promise<IdentityBook> {
  const book = new StoredBook(options)
  await book.load()
  return book
}

/**
 * What identities of these words would be, by their place in the tree, without making them: for looking for backups.
 *
 * @throws {AlliumError} `BAD_PHRASE`.
 */
export async function previewIdentities(
  phrase: string,
): Promise<(index: number) => Pick<Identity, "key" | "publicKey" | "backupKey">> {
  const seed = await seedOf(readPhrase(phrase))
  return (index) => unlockIdentity(seed, { name: "", index })
}

interface Entry {
  /** Absent for one whose words are elsewhere. */
  record: IdentityRecord | undefined
  readonly identity: UnlockedIdentity
  readonly contacts: ContactBook
  readonly doors: DoorBook
}

class StoredBook implements IdentityBook {
  readonly #options: BookOptions
  readonly #records: Table<IdentityRecord>
  readonly #phrases: Table<Uint8Array>
  readonly #joined: Table<JoinedIdentity>
  /** Of our words first. */
  readonly #entries: Entry[] = []
  #entropy: Uint8Array | undefined
  #seed: Uint8Array | undefined
  /** One after another: each sees what the one before it left. */
  readonly #turns = new Turns()

  constructor(options: BookOptions) {
    this.#options = options
    this.#records = options.store.table("identities", recordShape)
    this.#joined = options.store.table("joined", joinedShape)
    this.#phrases = options.store.table("phrase", entropyShape)
  }

  async load(): Promise<void> {
    const records: IdentityRecord[] = []
    for await (const [, record] of this.#records.entries()) records.push(record)
    const stored = await this.#phrases.get("entropy")
    const filed = await readPhraseFile(this.#options.folder, this.#options.masterKey)
    const entropy = agreed(stored, filed)
    if (records.length > 0 && entropy === undefined)
      throw damaged("there are identities without it")
    if (entropy !== undefined && filed === undefined) await this.#writeFile(entropy)
    if (entropy !== undefined) await this.#use(entropy)
    records.sort((one, other) => one.index - other.index)
    for (const record of records) this.#entries.push(await this.#unlock(record))
    const joined: JoinedIdentity[] = []
    for await (const [, one] of this.#joined.entries()) joined.push(one)
    joined.sort((one, other) => (one.name < other.name ? -1 : 1))
    for (const one of joined) this.#entries.push(await this.#open(unlockJoined(one)))
  }

  list(): readonly Identity[] {
    return this.#entries.map(({ identity }) => identity)
  }

  find(name?: string): Identity {
    const [first] = this.#entries
    if (first === undefined)
      throw new AlliumError("NO_IDENTITY", "Cannot find identity: there is none")
    if (name === undefined) return first.identity
    const found = this.list().find((identity) => identity.name === name.normalize("NFC"))
    if (found !== undefined) return found
    throw new AlliumError("NOT_FOUND", "Cannot find identity: none has that name")
  }

  create(name: string): Promise<Identity> {
    return this.#turns.take(async () => {
      const [fresh] = this.#newRecords([name])
      await this.#ensurePhrase(this.#entropy ?? this.#options.random(ENTROPY_BYTES))
      return this.#add([fresh!])
    })
  }

  phrase(): string {
    if (this.#entropy !== undefined) return toPhrase(this.#entropy)
    throw new AlliumError("NO_IDENTITY", "Cannot show phrase: there is no identity yet")
  }

  async restore(phrase: string, names: readonly string[]): Promise<void> {
    const entropy = readPhrase(phrase)
    await this.#turns.take(async () => {
      if (this.#own().length > 0)
        throw new AlliumError("ALREADY_EXISTS", "Cannot restore: there are identities already")
      if (names.length === 0)
        throw new AlliumError("BAD_INPUT", "Cannot restore: give a name at least")
      const records = this.#newRecords(names)
      await this.#ensurePhrase(entropy)
      await this.#add(records)
    })
  }

  deviceSecrets({ index, device, present }: Identity, other: number): DeviceSecrets {
    if (device !== 0 || this.#seed === undefined) throw linkedDevice("link device")
    return secretsOf(this.#seed, index, { device: other, version: present.version })
  }

  join(joined: JoinedIdentity): Promise<Identity> {
    return this.#turns.take(async () => {
      const name = checkPersonName(joined.name)
      const identity = unlockJoined({ ...joined, name })
      const { length } = this.#entries
      if (length >= IDENTITIES_MAX) throw tooMany()
      if (this.list().some((one) => one.key === identity.key || one.name === name))
        throw new AlliumError("ALREADY_EXISTS", "Cannot join: this home has that identity or name")
      const entry = await this.#open(identity)
      await this.#options.store.commit([this.#joined.put(identity.key, { ...joined, name })])
      this.#entries.push(entry)
      return identity
    })
  }

  contacts(identity: Identity): ContactBook {
    return this.#entry(identity).contacts
  }

  doors(identity: Identity): DoorBook {
    return this.#entry(identity).doors
  }

  rotate(identity: Identity, to?: number): Promise<void> {
    return this.#turns.take(async () => {
      const entry = this.#entry(identity)
      if (entry.record === undefined) throw linkedDevice("rotate key")
      const { version } = identity.present
      const next = to ?? version + 1
      if (next <= version) return
      if (next > ROTATIONS_MAX)
        throw new AlliumError(
          "LIMIT_REACHED",
          `Cannot rotate key: expected at most ${ROTATIONS_MAX} times`,
        )
      const record = { ...entry.record, version: next }
      await this.#options.store.commit([this.#records.put(String(record.index), record)])
      entry.record = record
      entry.identity.advance(next)
    })
  }

  card(
    identity: Identity,
    options: { name?: string; door?: string; version?: number } = {},
  ): Promise<string> {
    const { name, door, version = identity.present.version } = options
    const { key, privateKey, nextKeyHash } = this.#entry(identity).identity.cardKeys(version)
    const content = {
      revision: 1,
      key,
      destination: identity.address,
      nextKeyHash,
      ...(name !== undefined && { name: checkPersonName(name) }),
      ...(door !== undefined && { door }),
    }
    const nowMs = this.#options.clock.now()
    return makeCard(content, { privateKey, nowMs })
  }

  #entry(identity: Identity): Entry {
    const entry = this.#entries.find((one) => one.identity.key === identity.key)
    if (entry === undefined) throw new RangeError("Cannot use identity: it is not in this book")
    return entry
  }

  /** Numbers follow on; names are checked before anything is made. */
  #newRecords(names: readonly string[]): IdentityRecord[] {
    const taken = new Set(this.list().map(({ name }) => name))
    if (taken.size + names.length > IDENTITIES_MAX) throw tooMany()
    const first = this.#own().length
    return names.map((text, at) => {
      const name = checkPersonName(text)
      if (taken.has(name))
        throw new AlliumError("ALREADY_EXISTS", "Cannot make identity: one has that name")
      taken.add(name)
      return { name, index: first + at, created: this.#options.clock.now() }
    })
  }

  /** The file comes first: an identity without its phrase must not exist, not even for a moment. */
  async #ensurePhrase(entropy: Uint8Array): Promise<void> {
    if (this.#entropy !== undefined && Buffer.compare(this.#entropy, entropy) !== 0)
      throw new AlliumError("ALREADY_EXISTS", "Cannot restore: this home has another phrase")
    if (this.#entropy === undefined) await this.#writeFile(entropy)
    await this.#use(entropy)
  }

  async #add(records: readonly IdentityRecord[]): Promise<Identity> {
    const entries: Entry[] = []
    for (const record of records) entries.push(await this.#unlock(record))
    await this.#options.store.commit([
      this.#phrases.put("entropy", this.#entropy!),
      ...records.map((record) => this.#records.put(String(record.index), record)),
    ])
    this.#entries.splice(this.#own().length, 0, ...entries)
    return entries[0]!.identity
  }

  #unlock(record: IdentityRecord): Promise<Entry> {
    return this.#open(unlockIdentity(this.#seed!, record), record)
  }

  /** Those of our words. */
  #own(): readonly Entry[] {
    return this.#entries.filter(({ identity }) => identity.device === 0)
  }

  async #open(identity: UnlockedIdentity, record?: IdentityRecord): Promise<Entry> {
    const { clock, random } = this.#options
    const store = this.#options.store.room(identity.key)
    const contacts = await openContactBook({ store, clock, self: identity })
    return { record, identity, contacts, doors: await openDoorBook({ store, clock, random }) }
  }

  async #use(entropy: Uint8Array): Promise<void> {
    this.#entropy = entropy
    this.#seed = await seedOf(entropy)
  }

  #writeFile(entropy: Uint8Array): Promise<void> {
    const { folder, masterKey, random } = this.#options
    return writePhraseFile(folder, masterKey, entropy, random)
  }
}

/** @throws {AlliumError} `KEY_FILE_DAMAGED` when both are there and differ. */
function agreed(
  stored: Uint8Array | undefined,
  filed: Uint8Array | undefined,
): Uint8Array | undefined {
  if (stored === undefined || filed === undefined) return stored ?? filed
  if (Buffer.compare(stored, filed) === 0) return stored
  throw damaged("its file and the store hold different ones")
}

function tooMany(): AlliumError {
  const message = `Cannot make identity: expected at most ${IDENTITIES_MAX}`
  return new AlliumError("LIMIT_REACHED", message)
}

function damaged(found: string): AlliumError {
  return new AlliumError("KEY_FILE_DAMAGED", `Cannot read phrase: ${found}`)
}

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
import { type DoorBook, openDoorBook } from "./doors.ts"
import type { Identity, IdentityBook } from "./identity.ts"
import { checkPersonName, nameShape } from "./names.ts"
import { ENTROPY_BYTES, readPhrase, seedOf, toPhrase } from "./phrase.ts"
import { readPhraseFile, writePhraseFile } from "./phrase-file.ts"
import { type UnlockedIdentity, unlockIdentity } from "./unlocked.ts"

/** Each has tunnels of its own; a router with more is not one person's. */
const IDENTITIES_MAX = 100

const recordShape = z.strictObject({
  name: nameShape,
  index: z.int().min(0),
  /** Milliseconds since 1970. */
  created: z.number(),
})
type IdentityRecord = z.infer<typeof recordShape>
const entropyShape = z.instanceof(Uint8Array).refine((bytes) => bytes.length === ENTROPY_BYTES)

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
  readonly identity: UnlockedIdentity
  readonly contacts: ContactBook
  readonly doors: DoorBook
}

class StoredBook implements IdentityBook {
  readonly #options: BookOptions
  readonly #records: Table<IdentityRecord>
  readonly #phrases: Table<Uint8Array>
  readonly #entries: Entry[] = []
  #entropy: Uint8Array | undefined
  #seed: Uint8Array | undefined
  /** One after another: each sees what the one before it left. */
  readonly #turns = new Turns()

  constructor(options: BookOptions) {
    this.#options = options
    this.#records = options.store.table("identities", recordShape)
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
    if (entropy === undefined) return
    if (filed === undefined) await this.#writeFile(entropy)
    await this.#use(entropy)
    records.sort((one, other) => one.index - other.index)
    for (const record of records) this.#entries.push(await this.#unlock(record))
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
      if (this.#entries.length > 0)
        throw new AlliumError("ALREADY_EXISTS", "Cannot restore: there are identities already")
      if (names.length === 0)
        throw new AlliumError("BAD_INPUT", "Cannot restore: give a name at least")
      const records = this.#newRecords(names)
      await this.#ensurePhrase(entropy)
      await this.#add(records)
    })
  }

  contacts(identity: Identity): ContactBook {
    return this.#entry(identity).contacts
  }

  doors(identity: Identity): DoorBook {
    return this.#entry(identity).doors
  }

  card(identity: Identity, options: { name?: string; door?: string } = {}): Promise<string> {
    const { cardKeys } = this.#entry(identity).identity
    const { name, door } = options
    const content = {
      revision: 1,
      key: identity.key,
      destination: identity.destination.b32,
      nextKeyHash: cardKeys.nextKeyHash,
      ...(name !== undefined && { name: checkPersonName(name) }),
      ...(door !== undefined && { door }),
    }
    const nowMs = this.#options.clock.now()
    return makeCard(content, { privateKey: cardKeys.privateKey, nowMs })
  }

  #entry(identity: Identity): Entry {
    const entry = this.#entries.find((one) => one.identity.key === identity.key)
    if (entry === undefined) throw new RangeError("Cannot use identity: it is not in this book")
    return entry
  }

  /** Numbers follow on; names are checked before anything is made. */
  #newRecords(names: readonly string[]): IdentityRecord[] {
    const taken = new Set(this.list().map(({ name }) => name))
    if (taken.size + names.length > IDENTITIES_MAX)
      throw new AlliumError(
        "LIMIT_REACHED",
        `Cannot make identity: expected at most ${IDENTITIES_MAX}`,
      )
    return names.map((text) => {
      const name = checkPersonName(text)
      if (taken.has(name))
        throw new AlliumError("ALREADY_EXISTS", "Cannot make identity: one has that name")
      const index = taken.size
      taken.add(name)
      return { name, index, created: this.#options.clock.now() }
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
    this.#entries.push(...entries)
    return entries[0]!.identity
  }

  async #unlock({ name, index }: IdentityRecord): Promise<Entry> {
    const identity = unlockIdentity(this.#seed!, { name, index })
    const { clock, random } = this.#options
    const store = this.#options.store.room(identity.key)
    const contacts = await openContactBook({ store, clock, ownKey: identity.publicKey })
    return { identity, contacts, doors: await openDoorBook({ store, clock, random }) }
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

function damaged(found: string): AlliumError {
  return new AlliumError("KEY_FILE_DAMAGED", `Cannot read phrase: ${found}`)
}

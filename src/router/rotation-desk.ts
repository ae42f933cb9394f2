/**
 * Key rotations: ours are told to every contact, theirs change the contact book.
 *
 * What is still to be told stands in the contact book itself: up to which version of our key each contact knows us. So a
 * crash at any moment leaves nothing half told. A letter tells who is away; a notice over each link tells who missed it.
 *
 * @see docs/protocol/contact.md
 * @module
 */
import { z } from "zod"
import { isAlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { packValue, unpackValue } from "../base/pack.ts"
import { Scope } from "../base/scope.ts"
import { type Contact, presentKeyOf } from "../identity/contacts.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import { type Rotation, readRotations } from "../identity/rotation.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import { type ContactAnswer, type ContactNotice, rotationsShape } from "./contact-wire.ts"
import type { Links, Pair } from "./links.ts"
import type { LetterReport, PluginMail } from "./plugin.ts"

const letterShape = z.strictObject({
  v: z.literal(1),
  kind: z.literal("rotation"),
  rotations: rotationsShape,
})
/** What we call such a letter: this and the version it leads to. */
const LETTER_NAME = /^rotation (\d{1,2})$/

/** What telling stands on. */
export interface RotationDeskOptions {
  readonly identities: IdentityBook
  readonly links: Pick<Links, "onReachable" | "onRotated" | "rotated">
  readonly letters: Pick<PluginMail, "send" | "onReport">
  readonly store: StoreRoom
  readonly emit: (event: string, data: Readonly<Record<string, unknown>>) => void
  readonly log: Log
  /** Brings a notice to a peer. */
  readonly exchange: (
    identity: Identity,
    peer: { key: string; address: string },
    notice: ContactNotice,
    signal: AbortSignal,
  ) => Promise<ContactAnswer>
  /** Told when a contact knows our newest key: what waits for them can be bound to it. */
  readonly onTold: (identity: Identity, contact: Contact) => void
  /** Told when a contact has another key. */
  readonly changed: (identity: Identity, contact: Contact) => void
}

/** See the module. */
export class RotationDesk implements AsyncDisposable {
  readonly #options: RotationDeskOptions
  /** By our identity and the contact: the version that the last letter told them. */
  readonly #written: Table<number>
  readonly #scope = new Scope()

  constructor(options: RotationDeskOptions) {
    this.#options = options
    this.#written = options.store.table("rotation-letters", z.int().min(0))
  }

  /** Writes to whoever was not written to before the last end. */
  async open(): Promise<void> {
    const { links, letters, identities } = this.#options
    letters.onReport((report) => this.#hear(report))
    this.#scope.defer(links.onReachable((pair) => void this.#meet(pair)))
    this.#scope.defer(links.onRotated((identity) => void this.#writeAll(identity)))
    for (const identity of identities.list()) await this.#writeAll(identity)
  }

  /** @throws {AlliumError} `LIMIT_REACHED`. */
  async rotate(identity: Identity): Promise<void> {
    await this.#options.identities.rotate(identity)
    await this.#writeAll(identity)
    this.#options.links.rotated(identity)
  }

  /**
   * Takes rotations that somebody told of, by whatever way: they are signed.
   *
   * @returns The contact whose key it is now; `undefined` when it is nobody's we know.
   * @throws {AlliumError} What {@linkcode ContactBook.rotate} says.
   */
  async take(identity: Identity, steps: readonly Rotation[]): Promise<Contact | undefined> {
    const book = this.#options.identities.contacts(identity)
    const keys = steps.flatMap(({ oldKey, newKey }) => [newKey, oldKey]).reverse()
    const known = keys.map((key) => book.byAnyKey(key)).find((one) => one !== undefined)
    if (known === undefined) return undefined
    const after = await book.rotate(known.key, steps)
    if (presentKeyOf(after) !== presentKeyOf(known)) this.#tellUser(identity, after)
    return after
  }

  /** Rotations in a letter; `undefined` when it is about something else. @throws {AlliumError} `BAD_RECORD`. */
  readLetter(content: Uint8Array): readonly Rotation[] | undefined {
    const parsed = letterShape.safeParse(unpackOrNothing(content))
    return parsed.success ? readRotations(parsed.data.rotations) : undefined
  }

  /** They answered something that had all our rotations with it. */
  async knows(identity: Identity, contactKey: string, version: number): Promise<void> {
    const book = this.#options.identities.contacts(identity)
    const contact = book.byAnyKey(contactKey)
    if (contact === undefined) return
    await book.setTold(contactKey, version)
    this.#options.onTold(identity, contact)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }

  /** The first device writes. */
  async #writeAll(identity: Identity): Promise<void> {
    if (identity.device !== 0) return
    for (const contact of this.#options.identities.contacts(identity).list())
      if (contact.state === "accepted") await this.#write(identity, contact)
  }

  async #write(identity: Identity, contact: Contact): Promise<void> {
    const { letters, identities } = this.#options
    const { version } = identity.present
    const place = `${identity.key}/${contact.key}`
    const told = identities.contacts(identity).told(contact.key)
    if (told >= version || ((await this.#written.get(place)) ?? 0) >= version) return
    const content = packValue({ v: 1, kind: "rotation", rotations: identity.rotations() })
    const letter = { content, name: `rotation ${version}` }
    try {
      await letters.send({ identity, contact }, letter, [this.#written.put(place, version)])
    } catch (thrown) {
      this.#tell("not-written", thrown) // the next link tells them
    }
  }

  async #hear({ identity, contact, name, state }: LetterReport) {
    const [, version] = LETTER_NAME.exec(name) ?? []
    if (version !== undefined && state.kind === "delivered")
      await this.knows(identity, contact.key, Number(version))
    return { changes: [] }
  }

  /** Each link tells: whoever came back from an older backup has forgotten it. */
  async #meet({ identity, contact }: Pair): Promise<void> {
    const { version } = identity.present
    if (version === 0) return
    const rotations = identity.rotations()
    const notice = { kind: "rotate", card: "", greeting: "", rotations } as const
    try {
      const { signal } = this.#scope
      const { kind } = await this.#options.exchange(identity, contact, notice, signal)
      if (kind === "noted") await this.knows(identity, contact.key, version)
    } catch (thrown) {
      this.#tell("not-told", thrown)
    }
  }

  #tellUser(identity: Identity, contact: Contact): void {
    const { changed, emit } = this.#options
    changed(identity, contact)
    const wasVerified = contact.wasVerified === true
    emit("contact.rotated", { identity: identity.name, contact: contact.name, wasVerified })
  }

  #tell(event: string, thrown: unknown): void {
    if (!this.#scope.signal.aborted && !isAlliumError(thrown, "ABORTED"))
      this.#options.log.debug(`rotation.${event}`, { code: toAlliumError(thrown).code })
  }
}

function unpackOrNothing(content: Uint8Array): unknown {
  try {
    return unpackValue(content)
  } catch {
    return undefined // another kind of letter, or none
  }
}

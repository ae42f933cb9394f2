/**
 * What is heard of contacts away from their links: requests at our doors, and letters about contacts.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { type Card, readCard } from "../identity/card.ts"
import { type Contact, type ContactBook, presentKeyOf } from "../identity/contacts.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import type { Rotation } from "../identity/rotation.ts"
import type { Reception } from "../mail/post/post.ts"
import type { Table } from "../store/store.ts"
import { type ContactChanged, placeOf, present } from "./contact-people.ts"
import { readAnswer } from "./door-answers.ts"
import type { Deed, DoorArrival, DoorDesk } from "./door-desk.ts"
import type { DoorPlace } from "./given.ts"
import { readIntroductionLetter, ticketOf } from "./introduction-letters.ts"
import type { ArrivedLetter } from "./plugin.ts"
import type { RotationDesk } from "./rotation-desk.ts"

/** What letters about contacts stand on. */
export interface ContactLettersOptions {
  readonly identities: IdentityBook
  readonly doors: { of(identity: Identity): DoorDesk }
  readonly rotations: RotationDesk
  /** By our identity and who was introduced to us: where they can be asked. */
  readonly leads: Table<DoorPlace>
  readonly changed: ContactChanged
  readonly clock: Clock
  readonly log: Log
}

/** See the module. */
export class ContactLetters {
  readonly #options: ContactLettersOptions

  constructor(options: ContactLettersOptions) {
    this.#options = options
  }

  /** Who asks at a door of ours; what they are then, or `undefined` for somebody who is ignored. */
  async receiveAtDoor(arrival: DoorArrival): Promise<string | undefined> {
    const { identity, key, card, door, greeting, also, told } = arrival
    const book = this.#options.identities.contacts(identity)
    const before = book.byAnyKey(key)
    if (before?.state === "blocked" || identity.keysOf(key) !== undefined) return undefined
    // An older key proves nothing any more.
    if (before !== undefined && presentKeyOf(before) !== key) return undefined
    const { name, nextKeyHash, destination: address } = card
    const label = door.id === undefined ? undefined : door.label
    const words = { greeting, nextKeyHash, told, ...present({ name, card: label }) }
    const after = await book.receiveRequest({ key, address, ...words }, also).catch(droppedWhenFull)
    if (after === undefined) this.#options.log.warn("contact.request-dropped", {})
    else if (after.state !== before?.state) this.#options.changed(identity, after)
    return after?.state
  }

  /** What somebody says whom we asked at their door. */
  async #receiveAnswer(
    { identity, contact }: ArrivedLetter,
    answer: NonNullable<ReturnType<typeof readAnswer>>,
  ): Promise<void> {
    const { identities, doors, clock } = this.#options
    const { key } = contact
    const nowMs = clock.now()
    const book = identities.contacts(identity)
    const before = book.byKey(key)?.state
    const ask = doors.of(identity).drop(key, { keepAsked: true })
    const after = await (answer.kind === "refused"
      ? book.receiveRefusal(key, ask.changes)
      : this.#acceptedBy(
          book,
          await readCard(answer.card, { key: presentKeyOf(contact), nowMs }).catch(badAnswer),
          ask,
        ))
    ask.done()
    if (after !== undefined && after.state !== before) this.#options.changed(identity, after)
  }

  #acceptedBy(book: ContactBook, card: Card, { changes }: Deed): Promise<Contact | undefined> {
    const { key, destination: address, nextKeyHash } = card
    return book.receiveAccept({ key, address, nextKeyHash }, changes)
  }

  /** Committed before the receipt; taking the same letter twice changes nothing. */
  async receiveLetter(letter: ArrivedLetter): Promise<Reception> {
    const { identity } = letter
    const answer = letter.from === "contact" ? readAnswer(letter.content) : undefined
    if (answer !== undefined) {
      await this.#receiveAnswer(letter, answer)
      return { changes: [] }
    }
    const steps = this.#options.rotations.readLetter(letter.content)
    if (steps !== undefined) return this.#receiveRotations(letter, steps)
    const about = readIntroductionLetter(letter, this.#options.clock.now())
    if (about === undefined || letter.from !== "contact") return { changes: [] }
    const book = this.#options.identities.contacts(identity)
    const before = book.byAnyKey(about.key)
    const { door, ...person } = about
    const expected = this.#options.doors.of(identity).own.expect(ticketOf(about.introduction.bytes))
    const isNew = before === undefined
    const lead = door && isNew ? [this.#options.leads.put(placeOf(identity, about), door)] : []
    const also = isNew ? [...expected.changes, ...lead] : []
    const after = await book.receiveIntroduction(person, also).catch(droppedWhenFull)
    if (isNew && after !== undefined) expected.done()
    if (after === undefined) this.#options.log.warn("contact.introduction-dropped", {})
    else if (before?.introducer !== after.introducer) this.#options.changed(identity, after)
    return { changes: [] }
  }

  async #receiveRotations(
    { identity, contact, from }: ArrivedLetter,
    steps: readonly Rotation[],
  ): Promise<Reception> {
    const isTheirs = steps.some(({ oldKey, newKey }) =>
      [oldKey, newKey].includes(presentKeyOf(contact)),
    )
    if (from !== "contact" || !isTheirs)
      throw new AlliumError("BAD_RECORD", "Cannot take key rotation: it is not by them")
    await this.#options.rotations.take(identity, steps)
    return { changes: [] }
  }
}

/** Too many wait for the user already: the introducer can do it again. */
function droppedWhenFull(error: unknown): undefined {
  if (isAlliumError(error, "TOO_MANY_CONTACTS")) return undefined
  throw error
}

/** It would come again and again. */
function badAnswer(cause: unknown): never {
  throw new AlliumError("BAD_RECORD", "Cannot take answer: its card does not hold", { cause })
}

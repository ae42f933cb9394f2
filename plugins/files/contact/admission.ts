/**
 * Who may have what: of our own transfers the contact, of a group's also fellows, as long as they are members.
 *
 * @module
 */
import type { Contact, Identity } from "allium/plugin"
import type { TransferBook } from "./book.ts"
import type { Circles } from "./circles.ts"
import type { Post } from "./post.ts"
import { isFinished, type Transfer } from "./transfer.ts"

/** What is here whole is given to fellows for so long after it was offered. */
const GIVEN_FOR_MS = 30 * 86_400_000

/** What admission needs of the rest. */
export interface AdmissionOptions {
  readonly book: TransferBook
  readonly post: Post
  readonly circles: Circles
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** See the module. */
export class Admission {
  readonly #o: AdmissionOptions

  constructor(options: AdmissionOptions) {
    this.#o = options
  }

  /** Asks who is in the groups that this contact may ask for; before a line of theirs is answered. */
  async look(identity: Identity, contact: Contact): Promise<void> {
    const groups = this.#o.book
      .list()
      .filter((one) => one.identity === identity.key && isParty(one, contact.key))
      .flatMap(({ group }) => group?.id ?? [])
    await Promise.all([...new Set(groups)].map((id) => this.#o.circles.look(identity, id)))
  }

  /** What this contact may have now. */
  find(
    parties: { readonly identity: string; readonly contact: string },
    wireId: string,
  ): Transfer | undefined {
    const { book } = this.#o
    const own = book.between(parties, wireId)
    if (own?.direction === "out") return this.#isGiven(own, parties.contact) ? own : undefined
    return book
      .list()
      .filter(({ identity, direction }) => identity === parties.identity && direction === "in")
      .filter(({ id, wireId: name = id }) => name === wireId)
      .find((one) => this.isFellow(one, parties.contact))
  }

  /** Whether it is given to this contact. */
  admits(transfer: Transfer, contact: string): boolean {
    if (transfer.direction === "in") return this.isFellow(transfer, contact)
    return this.#isGiven(transfer, contact)
  }

  /** Those who may have what comes to us, too. */
  fellows(transfer: Transfer): string[] {
    return (transfer.group?.fellows ?? []).filter((key) => this.isFellow(transfer, key))
  }

  /** Whether a contact was offered the same, by a member of the same group, and is a member still. */
  isFellow(transfer: Transfer, contact: string): boolean {
    const { circles, post, now } = this.#o
    const { direction, identity, group, stage, isPaused, createdAt } = transfer
    if (direction !== "in" || group?.fellows.includes(contact) !== true) return false
    const isHere = stage === "accepted" || stage === "verifying" || stage === "done"
    const isLate = stage === "done" && now() - createdAt > GIVEN_FOR_MS
    if (!isHere || isLate || (isPaused && stage !== "done")) return false
    const areMembers = [transfer.contact, contact].every((key) =>
      circles.has(identity, group.id, key),
    )
    return areMembers && post.endsOf({ identity, contact })?.contact.state === "accepted"
  }

  #isGiven(transfer: Transfer, contact: string): boolean {
    const { identity, group } = transfer
    if (transfer.infohash === undefined || transfer.contact !== contact) return false
    if (isFinished(transfer) || transfer.isPaused) return false
    return group === undefined || this.#o.circles.has(identity, group.id, contact)
  }
}

function isParty({ contact, group }: Transfer, key: string): boolean {
  return group !== undefined && (contact === key || group.fellows.includes(key))
}

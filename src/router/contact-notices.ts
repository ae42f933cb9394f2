/**
 * Notices of becoming contacts over links: ours go out and are answered, theirs change the contact book.
 *
 * @see docs/protocol/contact.md
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import { type Card, readCard } from "../identity/card.ts"
import { type Contact, type HeldIntroduction, presentKeyOf } from "../identity/contacts.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import { type Rotation, readRotations } from "../identity/rotation.ts"
import type { Channel } from "../link/link.ts"
import { type ContactChanged, type Peer, present } from "./contact-people.ts"
import {
  answerShape,
  CONTACT_PROTOCOL,
  type ContactAnswer,
  type ContactNotice,
  noticeShape,
  packRecord,
  readRecord,
} from "./contact-wire.ts"
import { judgeIntroduction } from "./introduction-letters.ts"
import type { Links } from "./links.ts"
import type { PendingNotice } from "./notice-post.ts"
import type { RotationDesk } from "./rotation-desk.ts"

/** One notice and its answer, once the link stands. */
const EXCHANGE_MS = 60_000

/** What notices stand on. */
export interface ContactNoticesOptions {
  readonly identities: IdentityBook
  readonly links: Links
  readonly rotations: RotationDesk
  readonly changed: ContactChanged
  readonly clock: Clock
}

/** See the module. */
export class ContactNotices {
  readonly #options: ContactNoticesOptions

  constructor(options: ContactNoticesOptions) {
    this.#options = options
  }

  /** Sends one that waits, and does as they answer. */
  async deliver(notice: PendingNotice, signal: AbortSignal): Promise<void> {
    const { identities, links, rotations } = this.#options
    const identity = identities.list().find(({ key }) => key === notice.identityKey)
    if (identity === undefined) return
    const { version } = identity.present
    const peer = { key: notice.contactKey, address: notice.address }
    const said = await this.#notice(identity, notice)
    const answer = await exchangeNotice(links, { identity, peer }, said, signal)
    if (signal.aborted) return
    await this.#applyAnswer(identity, peer, answer)
    await rotations.knows(identity, peer.key, version)
  }

  async #notice(identity: Identity, pending: PendingNotice): Promise<ContactNotice> {
    const { kind, greeting, ownName, door, introduction } = pending
    const name = ownName === undefined ? {} : { name: ownName }
    const card = kind === "refuse" ? "" : await this.#options.identities.card(identity, name)
    return { kind, card, greeting, ...present({ door, introduction }), ...cameFrom(identity) }
  }

  async #applyAnswer(identity: Identity, peer: Peer, answer: ContactAnswer): Promise<void> {
    const book = this.#options.identities.contacts(identity)
    const before = book.byAnyKey(peer.key)
    if (answer.kind === "noted" || before === undefined) return
    const after = await (answer.kind === "accepted"
      ? this.#entered(identity, peer, answer)
      : book.receiveRefusal(peer.key))
    if (after !== undefined && after.state !== before.state) this.#options.changed(identity, after)
  }

  /** Answers one; the channel ends with the answer. */
  async receive(identity: Identity, peer: Peer, channel: Channel): Promise<void> {
    const notice = await readRecord(channel, noticeShape)
    const kind = await this.#applyNotice(identity, peer, notice)
    const card = kind === "accepted" ? await this.#options.identities.card(identity) : ""
    const came = kind === "accepted" ? cameFrom(identity) : {}
    channel.end(packRecord({ kind, card, ...came }))
    await channel.delivered
  }

  /** Changes the book as the notice asks, and says what to answer. */
  async #applyNotice(
    identity: Identity,
    peer: Peer,
    notice: ContactNotice,
  ): Promise<ContactAnswer["kind"]> {
    if (notice.kind === "rotate") return this.#rotated(identity, peer, notice)
    if (identity.device !== 0) return "noted"
    const book = this.#options.identities.contacts(identity)
    const before = book.byAnyKey(peer.key)?.state
    const after = await this.#enter(identity, peer, notice)
    if (after === "ignored") return "noted"
    if (after !== undefined && after.state !== before) this.#options.changed(identity, after)
    if (after?.state === "accepted") return "accepted"
    return after?.state === "asking" || notice.kind === "refuse" ? "noted" : "refused"
  }

  /** Signed by both keys, so it does not matter whose link it came by; but it must be about them. */
  async #rotated(identity: Identity, peer: Peer, notice: ContactNotice) {
    const steps = stepsIn(notice)
    if (!steps.some(({ oldKey, newKey }) => oldKey === peer.key || newKey === peer.key))
      throw new AlliumError("BAD_RECORD", "Cannot take key rotation: it is not about who tells it")
    const known = await this.#options.rotations.take(identity, steps)
    return known === undefined ? ("refused" as const) : ("noted" as const)
  }

  async #enter(
    identity: Identity,
    peer: Peer,
    notice: ContactNotice,
  ): Promise<Contact | "ignored" | undefined> {
    const { kind, card, greeting, door: doorId, introduction: shown } = notice
    const book = this.#options.identities.contacts(identity)
    if (kind === "accept") return this.#entered(identity, peer, notice)
    const rotations = await this.#cameBy(identity, peer, notice)
    if (kind === "refuse") return book.receiveRefusal(peer.key)
    const { name, nextKeyHash } = await this.#requireCard(identity, card, peer)
    const door = this.#options.identities.doors(identity).byId(doorId)
    const introduction = shown && this.#judge(identity, peer, shown)
    // A card that was withdrawn leads to somebody who never answers; whom we know needs no card.
    if (door === undefined && introduction === undefined && isStranger(book.byAnyKey(peer.key)))
      return "ignored"
    const label = door?.id === undefined ? undefined : door.label
    return book.receiveRequest({
      ...peer,
      greeting,
      ...present({ name, nextKeyHash, card: label, introduction, rotations }),
    })
  }

  async #entered(
    identity: Identity,
    peer: Peer,
    said: Pick<ContactNotice, "card" | "rotations">,
  ): Promise<Contact | undefined> {
    const book = this.#options.identities.contacts(identity)
    const rotations = await this.#cameBy(identity, peer, said)
    const { nextKeyHash } = await this.#requireCard(identity, said.card, peer)
    return book.receiveAccept({ ...peer, nextKeyHash, ...present({ rotations }) })
  }

  /** How they came to the key they speak with; who is known by an older one has the newer from now on. */
  async #cameBy(
    identity: Identity,
    peer: Peer,
    said: Pick<ContactNotice, "rotations">,
  ): Promise<readonly Rotation[] | undefined> {
    if (said.rotations === undefined) return undefined
    const steps = stepsIn(said)
    const known = await this.#options.rotations.take(identity, steps)
    const proven = known === undefined ? peer.key : presentKeyOf(known)
    if (steps.at(-1)?.newKey === proven) return steps
    throw new AlliumError("BAD_RECORD", "Cannot take key rotation: it leads to another key")
  }

  #judge(identity: Identity, peer: Peer, bytes: Uint8Array): HeldIntroduction | undefined {
    const byAnyKey = (key: string) => this.#options.identities.contacts(identity).byAnyKey(key)
    return judgeIntroduction(bytes, { identity, byAnyKey }, peer, this.#options.clock.now())
  }

  /** The card must be theirs, valid now, and name the destination they speak from. */
  async #requireCard(identity: Identity, jws: string, peer: Peer): Promise<Card> {
    const known = this.#options.identities.contacts(identity).byAnyKey(peer.key)
    const card = await readCard(jws, {
      key: known === undefined ? peer.key : presentKeyOf(known),
      nowMs: this.#options.clock.now(),
    })
    if (card.destination !== peer.address)
      throw new AlliumError("BAD_CARD", "Cannot take card: it names another destination")
    return card
  }
}

/** Sends a notice and reads the answer; the channel is closed in any case. */
export async function exchangeNotice(
  links: Links,
  { identity, peer }: { readonly identity: Identity; readonly peer: Peer },
  notice: ContactNotice,
  signal: AbortSignal,
): Promise<ContactAnswer> {
  const channel = await links.openToAnyone(identity, peer, CONTACT_PROTOCOL, { signal })
  return exchange(channel, notice, signal)
}

/** Nobody we ever decided about. */
function isStranger(contact: Contact | undefined): boolean {
  return contact === undefined || contact.state === "asking"
}

/** @throws {AlliumError} `BAD_RECORD`. */
function stepsIn({ rotations }: Pick<ContactNotice, "rotations">): readonly Rotation[] {
  return readRotations(rotations ?? new Uint8Array())
}

/** How we came to our key; nothing before the first rotation. */
function cameFrom(identity: Identity): Pick<ContactNotice, "rotations"> {
  const rotations = identity.rotations()
  return rotations.length === 0 ? {} : { rotations }
}

async function exchange(
  channel: Channel,
  notice: ContactNotice,
  signal: AbortSignal,
): Promise<ContactAnswer> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(EXCHANGE_MS)])
  const give = () => channel.destroy()
  limit.addEventListener("abort", give, { once: true })
  channel.on("error", () => {})
  try {
    channel.end(packRecord(notice))
    return await readRecord(channel, answerShape)
  } finally {
    limit.removeEventListener("abort", give)
    if (!channel.readableEnded) channel.destroy()
  }
}

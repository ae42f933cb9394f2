/**
 * Letters by which a contact introduces two people to each other: topic `contacts`.
 *
 * @see docs/protocol/contact.md
 * @module
 */
import { createHash } from "node:crypto"
import { z } from "zod"
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import { packValue, unpackValue } from "../base/pack.ts"
import type { RandomBytes } from "../base/random.ts"
import {
  type Contact,
  type ContactRequest,
  type HeldIntroduction,
  presentKeyOf,
} from "../identity/contacts.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import {
  INTRODUCTION_BYTES,
  type Introduction,
  introducedTo,
  makeIntroduction,
  readIntroduction,
} from "../identity/introduction.ts"
import type { DoorPlace } from "./given.ts"
import type { ArrivedLetter, PluginMail } from "./plugin.ts"
import { towerAddressShape } from "./tower-book.ts"

/** Topic of letters about contacts. */
export const CONTACTS_TOPIC = "contacts"
/** What the introducer says about them, in characters. */
export const WORDS_CHARACTERS_MAX = 500

/** The bytes of an introduction, as they come from outside. */
export const introductionShape: z.ZodType<Uint8Array> = z
  .instanceof(Uint8Array)
  .refine((bytes) => bytes.length === INTRODUCTION_BYTES)

/** A door at a tower. */
export const doorPlaceShape: z.ZodType<DoorPlace> = towerAddressShape.extend({
  sendId: z.string().regex(/^[\w-]{43}$/),
})
const TICKET_USE = "allium door ticket 1\0"

const letterShape = z.strictObject({
  v: z.literal(1),
  kind: z.literal("introduction"),
  introduction: introductionShape,
  /** What the introducer calls them; somebody else's word. */
  name: z.string().max(64),
  words: z.string().max(WORDS_CHARACTERS_MAX),
  /** Where they can be asked while they are off. */
  door: doorPlaceShape.optional(),
})

/** What introducing stands on. */
export interface IntroductionTools {
  readonly identities: IdentityBook
  readonly letters: Pick<PluginMail, "send">
  /** Where a contact said that strangers ask them. */
  readonly doorOf: (identity: Identity, contactKey: string) => Promise<DoorPlace | undefined>
  readonly clock: Clock
  readonly random: RandomBytes
}

/**
 * Tells two contacts of each other, in a letter to each.
 *
 * @throws {AlliumError} `NO_CONTACT`; `CONTACT_STATE` unless both are accepted, and two; what sending a letter says.
 */
export async function introduce(
  tools: IntroductionTools,
  identity: Identity,
  names: readonly [string, string],
  words: string,
): Promise<readonly [Contact, Contact]> {
  const book = tools.identities.contacts(identity)
  const [one, other] = [book.find(names[0]), book.find(names[1])]
  if (one.key === other.key || one.state !== "accepted" || other.state !== "accepted")
    throw new AlliumError("CONTACT_STATE", "Cannot introduce: expected two accepted contacts")
  const people = [one, other].map((contact) => ({ ...contact, key: presentKeyOf(contact) }))
  const introduction = makeIntroduction(
    identity.present,
    people as [Contact, Contact],
    tools.clock.now(),
  )
  const tell = async (contact: Contact, { key, name }: Contact) => {
    const door = await tools.doorOf(identity, key)
    const said = { v: 1, kind: "introduction", introduction, name, words }
    const content = packValue(door === undefined ? said : { ...said, door })
    const letter = { content, name: Buffer.from(tools.random(16)).toString("hex") }
    return tools.letters.send({ identity, contact }, letter)
  }
  await tell(one, other)
  await tell(other, one)
  return [one, other]
}

/**
 * Reads a letter of this topic.
 *
 * @returns Who was introduced; `undefined` when the introduction is over.
 * @throws {AlliumError} `BAD_RECORD` for another shape, a forged introduction, or one that is not by the sender to us.
 */
export function readIntroductionLetter(
  { identity, contact, content }: Pick<ArrivedLetter, "identity" | "contact" | "content">,
  nowMs: number,
): IntroducedPerson | undefined {
  const { introduction: bytes, name, words, door } = parseLetter(content)
  const said = readIntroduction(bytes, nowMs)
  const own = ownKeyIn(said, identity)
  if (said.introducer !== presentKeyOf(contact) || own === undefined)
    throw new AlliumError("BAD_RECORD", "Cannot take introduction: it is not by them, or not to us")
  const about = introducedTo(said, own, nowMs)
  if (about === undefined) return undefined
  const told = identity.keysOf(own)?.version ?? 0
  const introduction = { introducer: contact.key, bytes }
  return { ...about, name, greeting: words, told, introduction, ...(door && { door }) }
}

/** Somebody a contact told us of. */
export type IntroducedPerson = ContactRequest & {
  readonly introduction: HeldIntroduction
  readonly door?: DoorPlace
}

/** Pays the door of either of the two, once, in place of work: 32 bytes that nobody but they and who introduces can know. */
export function ticketOf(introduction: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash("sha256").update(TICKET_USE).update(introduction).digest())
}

/**
 * Judges the introduction that comes with a request.
 *
 * @returns `undefined` when it is over, or by nobody we accepted: it counts for nothing, then.
 * @throws {AlliumError} `BAD_RECORD` when it is forged, or about others.
 */
export function judgeIntroduction(
  bytes: Uint8Array,
  us: { identity: Identity; byAnyKey(key: string): Contact | undefined },
  them: { key: string; address: string },
  nowMs: number,
): HeldIntroduction | undefined {
  const said = readIntroduction(bytes, nowMs)
  const own = ownKeyIn(said, us.identity)
  const who = us.byAnyKey(them.key)?.key ?? them.key
  const isThem = ({ key }: { key: string }) => (us.byAnyKey(key)?.key ?? key) === who
  if (own === undefined || !said.people.some(isThem))
    throw new AlliumError("BAD_RECORD", "Cannot take introduction: it is about others")
  const introducer = us.byAnyKey(said.introducer)
  if (introducer?.state !== "accepted") return undefined
  const about = introducedTo(said, own, nowMs)
  return about && { introducer: introducer.key, bytes }
}

/** Who introduced us may not know our newest key yet. */
function ownKeyIn({ people }: Introduction, identity: Identity): string | undefined {
  return people.find(({ key }) => identity.keysOf(key) !== undefined)?.key
}

function parseLetter(content: Uint8Array): z.output<typeof letterShape> {
  const parsed = letterShape.safeParse(unpackLetter(content))
  if (parsed.success) return parsed.data
  throw new AlliumError("BAD_RECORD", "Cannot read letter about contacts: another shape")
}

function unpackLetter(content: Uint8Array): unknown {
  try {
    return unpackValue(content)
  } catch {
    return undefined // the shape refuses it
  }
}

/**
 * Letters by which a contact introduces two people to each other: topic `contacts`.
 *
 * @see docs/protocol/contact.md
 * @module
 */
import { z } from "zod"
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import { packValue, unpackValue } from "../base/pack.ts"
import type { RandomBytes } from "../base/random.ts"
import type { Contact, ContactRequest, HeldIntroduction } from "../identity/contacts.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import {
  INTRODUCTION_BYTES,
  introducedTo,
  makeIntroduction,
  readIntroduction,
} from "../identity/introduction.ts"
import type { ArrivedLetter, PluginMail } from "./plugin.ts"

/** Topic of letters about contacts. */
export const CONTACTS_TOPIC = "contacts"
/** What the introducer says about them, in characters. */
export const WORDS_CHARACTERS_MAX = 500

/** The bytes of an introduction, as they come from outside. */
export const introductionShape: z.ZodType<Uint8Array> = z
  .instanceof(Uint8Array)
  .refine((bytes) => bytes.length === INTRODUCTION_BYTES)

const letterShape = z.strictObject({
  v: z.literal(1),
  kind: z.literal("introduction"),
  introduction: introductionShape,
  /** What the introducer calls them; somebody else's word. */
  name: z.string().max(64),
  words: z.string().max(WORDS_CHARACTERS_MAX),
})

/** What introducing stands on. */
export interface IntroductionTools {
  readonly identities: IdentityBook
  readonly letters: Pick<PluginMail, "send">
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
  const introduction = makeIntroduction(identity, [one, other], tools.clock.now())
  const tell = (contact: Contact, { name }: Contact) => {
    const content = packValue({ v: 1, kind: "introduction", introduction, name, words })
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
): (ContactRequest & { introduction: HeldIntroduction }) | undefined {
  const { introduction: bytes, name, words } = parseLetter(content)
  const said = readIntroduction(bytes, nowMs)
  if (said.introducer !== contact.key || !said.people.some(({ key }) => key === identity.key))
    throw new AlliumError("BAD_RECORD", "Cannot take introduction: it is not by them, or not to us")
  const about = introducedTo(said, identity.key, nowMs)
  if (about === undefined) return undefined
  return { ...about, name, greeting: words, introduction: { introducer: contact.key, bytes } }
}

/**
 * Judges the introduction that comes with a request.
 *
 * @returns `undefined` when it is over, or by nobody we accepted: it counts for nothing, then.
 * @throws {AlliumError} `BAD_RECORD` when it is forged, or about others.
 */
export function judgeIntroduction(
  bytes: Uint8Array,
  us: { identity: Identity; byKey(key: string): Contact | undefined },
  them: { key: string; address: string },
  nowMs: number,
): HeldIntroduction | undefined {
  const said = readIntroduction(bytes, nowMs)
  const people = new Set(said.people.map(({ key }) => key))
  if (!people.has(us.identity.key) || !people.has(them.key))
    throw new AlliumError("BAD_RECORD", "Cannot take introduction: it is about others")
  if (us.byKey(said.introducer)?.state !== "accepted") return undefined
  const about = introducedTo(said, us.identity.key, nowMs)
  return about && { introducer: said.introducer, bytes }
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

/**
 * The care of conversations: what is read, muted, drafted, and what contacts learn of it.
 *
 * @module
 */
import { AlliumError, type Change, type Contact, type Identity } from "allium/plugin"
import type {
  draftOffer,
  muteOffer,
  readOffer,
  settingsOffer,
  timerOffer,
  unmuteOffer,
} from "./care-offers.ts"
import { drafts } from "./conversation.ts"
import type { InputOf } from "./desk.ts"
import { timeOf } from "./details.ts"
import type { Office, Talk } from "./office.ts"
import { markRead } from "./reading.ts"
import { packRecord, type RecordBody } from "./wire.ts"

/** Until somebody takes it back: the last moment a date can name. */
const FOR_EVER = 8.64e15

/** Marks as read; says so to who wrote, when the user chose that. */
export async function readMessages(
  office: Office,
  input: InputOf<typeof readOffer>,
): Promise<{ contact: string; unread: number; told: boolean }> {
  const talk = await office.find(input)
  const { conversation, contact } = talk
  const end = Math.min(input.upTo ?? Infinity, await lastNumber(talk))
  const { receipts } = await office.settings.of(talk.identity, contact)
  const tells = receipts && contact.state === "accepted" && talk.group === undefined
  let told = false
  for (let more = true; more; ) {
    let body: RecordBody | undefined
    const commit = (changes: readonly Change[]) =>
      body === undefined
        ? office.context.store.commit(changes)
        : office.post(talk, { body, name: office.letterName("read") }, changes)
    more = await conversation.change(async (pen) => {
      const step = await markRead(pen, end, office.now())
      if (tells && step.last !== undefined) body = { kind: "read", upTo: step.last }
      return step.more
    }, commit)
    told ||= body !== undefined
  }
  return { contact: contact.name, unread: conversation.head.unread, told }
}

async function lastNumber({ conversation }: Talk): Promise<number> {
  for await (const [number] of conversation.read({ reverse: true, limit: 1 })) return number
  return 0
}

/** Keeps, forgets or shows a draft. */
export async function keepDraft(
  office: Office,
  input: InputOf<typeof draftOffer>,
): Promise<{ contact: string; draft: string }> {
  const { conversation, contact } = await office.find(input)
  const table = drafts(office.context.store)
  const { text } = input
  const { key } = conversation
  if (text === undefined) return { contact: contact.name, draft: (await table.get(key)) ?? "" }
  await conversation.change(async (pen) => {
    pen.also(text === "" ? table.remove(key) : table.put(key, text))
    pen.head.drafted = text !== ""
  })
  return { contact: contact.name, draft: text }
}

/** Mutes or takes it back. */
export async function mute(
  office: Office,
  input: InputOf<typeof muteOffer> | InputOf<typeof unmuteOffer>,
  muted: boolean,
): Promise<{ contact: string; muted: boolean }> {
  const { conversation, contact } = await office.find(input)
  const seconds = "for" in input ? input.for : undefined
  const until = seconds === undefined ? FOR_EVER : office.now() + seconds * 1_000
  await conversation.change(async (pen) => {
    pen.head.mutedUntil = muted ? until : 0
  })
  return { contact: contact.name, muted }
}

/** Sets or shows the time after which messages disappear; the other side follows. */
export async function setTimer(
  office: Office,
  input: InputOf<typeof timerOffer>,
): Promise<{ contact: string; timer: number; after: string }> {
  const { after } = input
  const talk = await (after === undefined ? office.find(input) : office.findTalking(input))
  const { conversation, contact } = talk
  if (after !== undefined) {
    const body = { kind: "timer", seconds: after } as const
    await conversation.change(
      async (pen) => {
        pen.head.timerS = after
      },
      (changes) => office.post(talk, { body, name: office.letterName("timer") }, changes),
    )
  }
  const { timerS } = conversation.head
  return { contact: contact.name, timer: timerS, after: timerS === 0 ? "off" : timeOf(timerS) }
}

/** Tells that the user is typing, when they chose that. */
export async function tellTyping(
  office: Office,
  input: { contact: string; identity?: string | undefined },
): Promise<{ contact: string; told: boolean }> {
  const { identity, contact, group } = await office.findTalking(input)
  if (group !== undefined) return { contact: contact.name, told: false }
  const { typing } = await office.settings.of(identity, contact)
  if (typing) await office.context.mail.flash({ identity, contact }, packRecord({ kind: "typing" }))
  return { contact: contact.name, told: typing }
}

/** Chooses, and shows what holds. */
export async function chooseSettings(
  office: Office,
  input: InputOf<typeof settingsOffer>,
): Promise<{ receipts: "on" | "off"; typing: "on" | "off" }> {
  const identity = office.context.identities.find(input.identity)
  const contact = input.contact && findContact(office, identity, input.contact)
  const whom = [identity, ...(contact ? [contact] : [])] as const
  const { receipts, typing } = input
  if (receipts !== undefined || typing !== undefined)
    await office.settings.choose(
      {
        ...(receipts !== undefined && { receipts: receipts === "on" }),
        ...(typing !== undefined && { typing: typing === "on" }),
      },
      ...whom,
    )
  const holds = await office.settings.of(...whom)
  return { receipts: holds.receipts ? "on" : "off", typing: holds.typing ? "on" : "off" }
}

/** @throws {AlliumError} `BAD_INPUT` for a group: nothing of this is told there. */
function findContact(office: Office, identity: Identity, name: string): Contact {
  const isContact = office.context.contacts.list(identity).some((one) => one.name === name)
  if (!isContact && office.groups.directory.match(identity, name) !== undefined)
    throw new AlliumError(
      "BAD_INPUT",
      "Cannot choose settings: it is a group, where neither is told, expected a contact",
    )
  return office.context.contacts.find(identity, name)
}

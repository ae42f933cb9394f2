/**
 * Sends, lists and shows messages.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import {
  AlliumError,
  type Change,
  type Identity,
  type Offer,
  type OfferCall,
  type z,
} from "allium/plugin"
import { attachFiles } from "./attach.ts"
import { type Conversation, drafts, type Numbered } from "./conversation.ts"
import type { EventDocument, GroupEventDocument, MessageDocument } from "./document.ts"
import { ANSWER_BYTES_MAX, type Entry, type Head } from "./entry.ts"
import type { Told } from "./feed.ts"
import type { listOffer, sendOffer, watchOffer } from "./offers.ts"
import type { Office, Talk } from "./office.ts"
import type { Pen } from "./pen.ts"
import { textLetterName } from "./report.ts"
import { type Attachment, ID_BYTES, SENT_AT_STEP_MS, type TextRecord, toHex } from "./wire.ts"

export type InputOf<O extends Offer> = z.output<O["input"]>
type Body = Omit<TextRecord, "v">

/** Puts a text into the outbox. @throws {AlliumError} `OUTBOX_FULL`, `CONTACT_STATE`, with `wait` `MESSAGE_FAILED`. */
export async function sendText(
  office: Office,
  input: InputOf<typeof sendOffer>,
  call: OfferCall,
): Promise<MessageDocument> {
  const talk = await office.findTalking(input)
  const { conversation } = talk
  const replyTo = input.replyTo && (await office.sharedMessage(conversation, input.replyTo))[1].id
  if (input.text === "" && (input.attach ?? []).length === 0)
    throw new AlliumError("BAD_INPUT", "Cannot send message: it has no text and no attachment")
  await using attached = await attachFiles(office, talk, input.attach ?? [], call)
  const id = new Uint8Array(randomBytes(ID_BYTES))
  const end = new AbortController()
  const signal = AbortSignal.any([call.signal, end.signal])
  const delivered = input.wait ? untilDelivered(office, talk, id, { ...call, signal }) : undefined
  delivered?.catch(() => {}) // asked for below
  try {
    const sent = await post(office, talk, (head) =>
      compose(office, id, input, { head, replyTo, attachments: attached.list }),
    )
    attached.keep()
    return delivered === undefined
      ? await office.scribe.loaded(conversation, ...sent)
      : await delivered
  } finally {
    end.abort()
  }
}

function compose(
  office: Office,
  id: Uint8Array,
  input: InputOf<typeof sendOffer>,
  more: {
    head: Head
    replyTo: Uint8Array | "" | undefined
    attachments: readonly Attachment[]
  },
): Body {
  const expiresS = input.expire ?? (more.head.timerS || undefined)
  const sentAt = Math.floor(office.now() / SENT_AT_STEP_MS) * SENT_AT_STEP_MS
  return {
    ...{ kind: "text", id, text: input.text, sentAt: Math.max(0, sentAt) },
    ...(more.replyTo && { replyTo: more.replyTo }),
    ...(expiresS !== undefined && { expiresS }),
    ...(more.attachments.length > 0 && { attachments: [...more.attachments] }),
  }
}

async function post(office: Office, talk: Talk, write: (head: Head) => Body): Promise<Numbered> {
  let body: Body | undefined
  const commit = (changes: readonly Change[]) => {
    if (body === undefined) throw new TypeError("Cannot post message: nothing was written")
    return office.post(talk, { body, name: textLetterName(body.id) }, changes)
  }
  const table = drafts(office.context.store)
  const { key } = talk.conversation
  return talk.conversation.change(async (pen) => {
    body = write(pen.head)
    const draft = pen.head.drafted ? await table.get(key) : undefined
    if (draft === body.text) pen.also(table.remove(key))
    pen.head.drafted = draft !== undefined && draft !== body.text
    return addOwn(pen, body, office.now())
  }, commit)
}

function addOwn(pen: Pen, { kind: _, ...content }: Body, storedAt: number): Numbered {
  const entry: Entry = { ...content, state: "queued", storedAt }
  const number = pen.add(entry)
  pen.note("queued", number, entry)
  return [number, entry]
}

/** Resolves when the message is delivered. @throws {AlliumError} `MESSAGE_FAILED`. */
async function untilDelivered(
  office: Office,
  { conversation, contact }: Talk,
  id: Uint8Array,
  call: OfferCall,
): Promise<MessageDocument> {
  const hex = toHex(id)
  const { document } = await office.feed.first((told) => {
    if (told.conversation !== conversation || told.document.id !== hex) return false
    const { event, state, reason } = told.document
    if (event === "failed")
      throw new AlliumError("MESSAGE_FAILED", `Cannot deliver message: ${reason}`)
    if (state === "delivered" || state === "read") return true
    const where = state === "stored" ? "a tower has it" : "it is in the outbox"
    const doing = `waiting for ${contact.name}: ${where}`
    call.progress({ done: 0, total: 1, unit: "items", doing })
    return false
  }, call)
  const { event: _, ...message } = document
  return message
}

/** The newest messages of a conversation, or of all. */
export async function listMessages(
  office: Office,
  input: InputOf<typeof listOffer>,
): Promise<MessageDocument[]> {
  const identity = office.context.identities.find(input.identity)
  if (input.contact === undefined) return newestOfAll(office, identity, input)
  const { conversation } = await office.find({ ...input, contact: input.contact })
  const { limit, before } = input
  const range = { limit, bytes: ANSWER_BYTES_MAX, ...(before !== undefined && { before }) }
  const found = await conversation.newest(range)
  return Promise.all(found.map((message) => office.scribe.loaded(conversation, ...message)))
}

async function newestOfAll(
  office: Office,
  identity: Identity,
  { limit, before }: InputOf<typeof listOffer>,
): Promise<MessageDocument[]> {
  if (before !== undefined)
    throw new AlliumError(
      "BAD_INPUT",
      "Cannot list messages: --before counts within one conversation, expected a contact",
    )
  let all: { conversation: Conversation; message: Numbered; atMs: number }[] = []
  for (const head of await office.book.newestHeads(identity)) {
    if (all.length >= limit && head.lastAt < (all[0]?.atMs ?? 0)) break
    const conversation = await office.book.open(head)
    let atMs = 0 // clocks are set back now and then; a conversation's own order stays
    for (const message of await conversation.newest({ limit, bytes: ANSWER_BYTES_MAX })) {
      atMs = Math.max(atMs, message[1].storedAt)
      all.push({ conversation, message, atMs })
    }
    all = bounded(all.sort((left, right) => left.atMs - right.atMs).slice(-limit))
  }
  return Promise.all(
    all.map(({ conversation, message }) => office.scribe.loaded(conversation, ...message)),
  )
}

/** The newest whose texts fit an answer; one at least. */
function bounded<T extends { message: Numbered }>(all: readonly T[]): T[] {
  const kept: T[] = []
  let left = ANSWER_BYTES_MAX
  for (const one of [...all].reverse()) {
    left -= Buffer.byteLength(one.message[1].text)
    if (left < 0 && kept.length > 0) break
    kept.push(one)
  }
  return kept.reverse()
}

/** What comes and what becomes of it, with whole texts; what becomes of groups, too. */
export async function* watchMessages(
  office: Office,
  input: InputOf<typeof watchOffer>,
  call: OfferCall,
): AsyncGenerator<EventDocument | GroupEventDocument, void> {
  const identity = office.context.identities.find(input.identity)
  const { contact: whom } = input
  const contact = whom && (await office.find({ ...input, contact: whom })).contact.key
  const wanted = (told: Told) => {
    const [whose, where] = partiesOf(told)
    return whose === identity.key && (!contact || where === contact)
  }
  for await (const told of office.feed.watch(wanted, call))
    if ("conversation" in told) yield await withWholeText(told.conversation, told.document)
    else yield told.document
}

function partiesOf(told: Told): readonly [identity: string, contact: string] {
  if (!("conversation" in told)) return [told.identity, told.document.group]
  const { identity, contact } = told.conversation.head
  return [identity, contact]
}

/** Long texts wait on disk, not in memory, until somebody wants them. */
async function withWholeText(
  conversation: Conversation,
  { textBytes, ...document }: EventDocument,
): Promise<EventDocument> {
  if (textBytes === undefined) return document
  const entry = await conversation.get(document.number)
  if (entry === undefined) return { ...document, textBytes } // it is gone meanwhile
  return { ...document, text: await conversation.text(document.number, entry) }
}

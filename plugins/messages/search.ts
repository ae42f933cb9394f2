/**
 * Finds and writes out what is in the histories. Both read as they go: memory stays flat.
 *
 * @module
 */
import type { Identity, OfferCall } from "allium/plugin"
import type { Conversation } from "./conversation.ts"
import type { InputOf } from "./desk.ts"
import type { MessageDocument } from "./document.ts"
import { ANSWER_BYTES_MAX, type Entry } from "./entry.ts"
import type { exportOffer, searchOffer } from "./offers.ts"
import type { Office } from "./office.ts"

/** Messages one search looks at: a lifetime of talk, in a few seconds. The oldest are not looked at beyond. */
const LOOKED_AT_MAX = 1_000_000
interface Hit {
  readonly conversation: Conversation
  readonly number: number
  readonly entry: Entry
}

/** Text without case and accents. */
export function fold(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII, which has no accents
  if (/^[\x00-\x7f]*$/.test(text)) return text.toLowerCase()
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()
}

/** Messages that hold the text, newest first. */
export async function searchMessages(
  office: Office,
  input: InputOf<typeof searchOffer>,
  call: OfferCall,
): Promise<MessageDocument[]> {
  const wanted = fold(input.text)
  const hits: Hit[] = []
  let left = LOOKED_AT_MAX
  for (const conversation of await conversationsOf(office, input)) {
    if (hits.length >= input.limit && conversation.head.lastAt < oldest(hits)) break
    for await (const [number, entry] of conversation.read({ reverse: true })) {
      call.signal.throwIfAborted()
      if (left-- <= 0 || (hits.length >= input.limit && entry.storedAt < oldest(hits))) break
      const text = await conversation.text(number, entry)
      if (fold(text).includes(wanted)) keep(hits, { conversation, number, entry }, input.limit)
    }
  }
  return writeUp(office, hits)
}

const oldest = (hits: readonly Hit[]): number => hits.at(-1)?.entry.storedAt ?? 0

/** Newest first, at most `limit`. */
function keep(hits: Hit[], hit: Hit, limit: number): void {
  let place = hits.length
  while (place > 0 && (hits[place - 1]?.entry.storedAt ?? 0) < hit.entry.storedAt) place--
  hits.splice(place, 0, hit)
  if (hits.length > limit) hits.pop()
}

async function writeUp(office: Office, hits: readonly Hit[]): Promise<MessageDocument[]> {
  const documents: MessageDocument[] = []
  let left = ANSWER_BYTES_MAX
  for (const { conversation, number, entry } of hits) {
    const document = await office.scribe.whole(conversation, number, entry)
    left -= Buffer.byteLength(document.text)
    if (left < 0 && documents.length > 0) break
    documents.push(document)
  }
  return documents
}

/** Those that were asked for, the one with the newest message first. */
async function conversationsOf(
  office: Office,
  input: { identity?: string | undefined; contact?: string | undefined },
): Promise<Conversation[]> {
  if (input.contact !== undefined)
    return [(await office.find({ ...input, contact: input.contact })).conversation]
  const identity: Identity = office.context.identities.find(input.identity)
  const heads = await office.book.newestHeads(identity)
  return Promise.all(heads.map((head) => office.book.open(head)))
}

/** All messages, one conversation after the other, oldest first. */
export async function* exportMessages(
  office: Office,
  input: InputOf<typeof exportOffer>,
  call: OfferCall,
): AsyncGenerator<{ line: string }, void> {
  for (const conversation of await conversationsOf(office, input))
    for await (const [number, entry] of conversation.read()) {
      call.signal.throwIfAborted()
      const document = await office.scribe.whole(conversation, number, entry)
      yield { line: input.format === "json" ? JSON.stringify(document) : lineOf(document) }
    }
}

/** `2026-01-31 09:05  ann > bob: hi [edited]`, by UTC. */
function lineOf(document: MessageDocument): string {
  const { sentAt, contact, author, direction, identity, text, details } = document
  const from = direction === "out" ? identity : (author ?? contact)
  const to = direction === "out" || author !== undefined ? contact : identity
  const what = direction === "note" ? `${contact} ${text}` : `${from} > ${to}: ${text}`
  const more = details === undefined ? "" : `${text === "" ? "" : " "}[${details}]`
  return `${sentAt.slice(0, 16).replace("T", " ")}  ${what}${more}`
}

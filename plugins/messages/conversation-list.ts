/**
 * The list of conversations.
 *
 * @module
 */
import type { ConversationDocument, conversationsOffer } from "./care-offers.ts"
import { type Conversation, drafts } from "./conversation.ts"
import type { InputOf } from "./desk.ts"
import { timeOf } from "./details.ts"
import { type Head, NOTES } from "./entry.ts"
import type { Office } from "./office.ts"
import { isoOf } from "./scribe.ts"

/** Beginning of a message, as the list of conversations shows it. */
const PREVIEW_CHARACTERS_MAX = 100
/** Conversations looked into side by side. */
const AT_ONCE = 32

/** All conversations of an identity. */
export async function listConversations(
  office: Office,
  input: InputOf<typeof conversationsOffer>,
): Promise<ConversationDocument[]> {
  const identity = office.context.identities.find(input.identity)
  const heads = await office.book.newestHeads(identity)
  const isForgotten = ({ contact: id }: Head) =>
    office.groups.directory.get({ identity: identity.key, id })?.isForgotten
  const wanted = heads.filter((head) => (head.unread > 0 || !input.unread) && !isForgotten(head))
  const kept = new Map<string, string>()
  for await (const [key, draft] of drafts(office.context.store).entries()) kept.set(key, draft)
  const list: ConversationDocument[] = []
  for (let start = 0; start < wanted.length; start += AT_ONCE) {
    const some = wanted.slice(start, start + AT_ONCE)
    list.push(...(await Promise.all(some.map((head) => writeUp(office, head, kept)))))
  }
  return list
}

async function writeUp(
  office: Office,
  read: Head,
  kept: ReadonlyMap<string, string>,
): Promise<ConversationDocument> {
  const conversation = await office.book.open(read)
  const { head } = conversation
  const document: ConversationDocument = {
    identity: office.scribe.nameOf(head, head.identity),
    contact: office.scribe.nameOf(head, head.contact),
    kind: head.kind,
    unread: head.unread,
    lastAt: head.lastAt === 0 ? "" : isoOf(head.lastAt),
    last: await previewOf(conversation),
    draft: kept.get(conversation.key) ?? "",
    muted: head.mutedUntil > office.now(),
    timer: head.timerS,
  }
  const details = detailsOf(document)
  return details === "" ? document : { ...document, details }
}

function detailsOf({ kind, muted, timer, draft }: ConversationDocument): string {
  return [
    ...(kind === "group" ? ["group"] : []),
    ...(muted ? ["muted"] : []),
    ...(timer > 0 ? [`timer ${timeOf(timer)}`] : []),
    ...(draft === "" ? [] : ["draft"]),
  ].join(", ")
}

/** Beginning of the newest message. */
async function previewOf(conversation: Conversation): Promise<string> {
  const [newest] = await conversation.newest({ limit: 1, bytes: Infinity })
  if (newest === undefined) return ""
  const { text, attachments = [], note } = newest[1]
  const shown =
    (note && NOTES[note]) || text || attachments.map(({ name }) => `[${name}]`).join(" ")
  return [...shown.slice(0, 2 * PREVIEW_CHARACTERS_MAX)].slice(0, PREVIEW_CHARACTERS_MAX).join("")
}

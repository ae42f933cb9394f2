/**
 * What of the conversations is in an identity's backup: their settings and last texts, and no more. What disappears
 * is never in it.
 *
 * @module
 */
import { AlliumError, type BackupPart, type Identity, pack, unpack, z } from "allium/plugin"
import type { Conversation } from "./conversation.ts"
import { type Entry, entryShape, type Head } from "./entry.ts"
import { savedGroupShape } from "./groups/comeback.ts"
import type { Office } from "./office.ts"
import { toHex } from "./wire.ts"

/** What a backup may take: the plugin's part has 1 MiB, and something is kept free. */
const BACKUP_BYTES_MAX = 1_000_000
/** Last texts of each conversation. */
const TEXTS_MAX = 5
/** Of each text. */
const TEXT_BYTES_MAX = 2_048

const savedShape = z.object({
  v: z.literal(1),
  receipts: z.boolean().optional(),
  typing: z.boolean().optional(),
  conversations: z.array(
    z.object({
      contact: z.string(),
      name: z.string(),
      timerS: z.int().min(0),
      mutedUntil: z.int().min(0),
      receipts: z.boolean().optional(),
      typing: z.boolean().optional(),
      last: z.array(entryShape),
    }),
  ),
  groups: z.array(savedGroupShape).optional(),
})
type Saved = z.output<typeof savedShape>["conversations"][number]

/** The plugin's part of a backup. */
export function backupPart(office: Office): BackupPart {
  return {
    save: (identity) => save(office, identity),
    load: (identity, bytes) => load(office, identity, bytes),
  }
}

async function save(office: Office, identity: Identity): Promise<Uint8Array> {
  const conversations: Saved[] = []
  const groups = await office.groups.saved(identity)
  let left = BACKUP_BYTES_MAX - pack(groups).length
  for (const head of await office.book.newestHeads(identity)) {
    if (head.kind !== "contact") continue // groups keep their own
    const saved = await saveOne(office, identity, head)
    left -= pack(saved).length
    if (left < 0) break
    conversations.push(saved)
  }
  return pack({ v: 1, ...(await office.settings.chosen(identity)), conversations, groups })
}

async function saveOne(office: Office, identity: Identity, head: Head): Promise<Saved> {
  const conversation = await office.book.open(head)
  const last: Entry[] = []
  for await (const [, entry] of conversation.read({ reverse: true, limit: 4 * TEXTS_MAX })) {
    const isShort = entry.parts === undefined && Buffer.byteLength(entry.text) <= TEXT_BYTES_MAX
    if (isShort && entry.expiresS === undefined && entry.state !== "note") last.unshift(entry)
    if (last.length === TEXTS_MAX) break
  }
  const { contact, name, timerS, mutedUntil } = head
  const key = { key: contact }
  const chosen = await office.settings.chosen(identity, key)
  return { contact, name, timerS, mutedUntil, ...chosen, last }
}

/** @throws {AlliumError} `BAD_BACKUP`. */
async function load(office: Office, identity: Identity, bytes: Uint8Array): Promise<void> {
  const { conversations, groups = [], ...chosen } = read(bytes)
  await office.settings.choose(settingsOf(chosen), identity)
  for (const saved of conversations) await loadOne(office, identity, saved)
  await office.groups.restore(identity, groups)
}

function read(bytes: Uint8Array): z.output<typeof savedShape> {
  try {
    const limits = { bytesMax: 1_048_576, depthMax: 12, itemsMax: 200_000 }
    return savedShape.parse(unpack(bytes, limits))
  } catch {
    // What was caught may quote texts.
    throw new AlliumError("BAD_BACKUP", "Cannot restore messages: their part is not of version 1")
  }
}

async function loadOne(office: Office, identity: Identity, saved: Saved): Promise<void> {
  const { contact, name, timerS, mutedUntil, last } = saved
  const conversation = await office.book.of(identity, { contact: { key: contact, name } })
  await office.settings.choose(settingsOf(saved), identity, { key: contact })
  if (conversation.head.lastAt > 0) return // it lives already
  await conversation.change(async (pen) => {
    Object.assign(pen.head, { timerS, mutedUntil })
    for (const entry of last) await bring(conversation, pen, entry)
  })
}

/** What waited on the old machine will not be sent by this one: it does not know whether it was. */
async function bring(
  conversation: Conversation,
  pen: Parameters<Parameters<Conversation["change"]>[0]>[0],
  entry: Entry,
): Promise<void> {
  if ((await conversation.find(toHex(entry.id))) !== undefined) return
  const waited = entry.state === "queued" || entry.state === "stored"
  const number = pen.add(waited ? { ...entry, state: "failed", reason: "RESTORED" } : entry)
  pen.head.readTo = number
}

function settingsOf({
  receipts,
  typing,
}: {
  receipts?: boolean | undefined
  typing?: boolean | undefined
}) {
  return {
    ...(receipts !== undefined && { receipts }),
    ...(typing !== undefined && { typing }),
  }
}

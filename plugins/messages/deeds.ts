/**
 * Changes messages that are there: edit, delete, react. Both sides are told by letter.
 *
 * @module
 */
import { AlliumError, type Change } from "allium/plugin"
import { edit, react } from "./apply.ts"
import type { InputOf } from "./desk.ts"
import type { MessageDocument } from "./document.ts"
import { type Entry, isOurs } from "./entry.ts"
import type { deleteOffer, editOffer, reactOffer } from "./offers.ts"
import type { Office, Talk } from "./office.ts"
import type { Pen } from "./pen.ts"
import { type RecordBody, toHex } from "./wire.ts"

/** @throws {AlliumError} `NOT_FOUND`, `MESSAGE_STATE` for messages of others, and what the mail says. */
export async function editMessage(
  office: Office,
  input: InputOf<typeof editOffer>,
): Promise<MessageDocument> {
  const talk = await office.findTalking(input)
  const [number, { id }] = await office.sharedMessage(talk.conversation, input.message)
  await deed(office, talk, number, { kind: "edit", target: id, text: input.text }, (pen, entry) => {
    requireOurs(entry, "edit")
    edit(pen, number, entry, input.text, said(office, talk))
  })
  return document(office, talk, number)
}

/** @throws {AlliumError} the same. */
export async function deleteMessage(
  office: Office,
  input: InputOf<typeof deleteOffer>,
): Promise<{ number: number; id: string; contact: string }> {
  const talk = await (input.here ? office.find(input) : office.findTalking(input))
  const [number, { id }] = await office.message(talk.conversation, input.message)
  const body: RecordBody | undefined = input.here ? undefined : { kind: "delete", target: id }
  await deed(office, talk, number, body, async (pen, entry) => {
    if (!input.here) requireOurs(entry, "delete")
    await pen.remove(number, entry)
    pen.note("deleted", number, entry)
  })
  return { number, id: toHex(id), contact: talk.contact.name }
}

/** @throws {AlliumError} the same. */
export async function reactToMessage(
  office: Office,
  input: InputOf<typeof reactOffer>,
): Promise<MessageDocument> {
  const talk = await office.findTalking(input)
  const [number, { id }] = await office.sharedMessage(talk.conversation, input.message)
  const { emoji } = input
  await deed(office, talk, number, { kind: "react", target: id, emoji }, (pen, entry) =>
    react(pen, number, entry, emoji, said(office, talk)),
  )
  return document(office, talk, number)
}

/** Changes a message and posts the letter that says so, in one commit. */
async function deed(
  office: Office,
  talk: Talk,
  number: number,
  body: RecordBody | undefined,
  work: (pen: Pen, entry: Entry) => void | Promise<void>,
): Promise<void> {
  const commit = (changes: readonly Change[]) =>
    body === undefined
      ? office.context.store.commit(changes)
      : office.post(talk, { body, name: office.letterName(body.kind) }, changes)
  await talk.conversation.change(async (pen) => {
    const entry = await pen.entry(number)
    if (entry === undefined) throw gone() // while we waited for our turn
    await work(pen, entry)
  }, commit)
}

async function document(office: Office, talk: Talk, number: number): Promise<MessageDocument> {
  const entry = await talk.conversation.get(number)
  if (entry === undefined) throw gone()
  return office.scribe.whole(talk.conversation, number, entry)
}

function said(office: Office, { identity }: Talk): { by: string; now: number } {
  return { by: identity.key, now: office.now() }
}

function gone(): AlliumError {
  return new AlliumError("NOT_FOUND", "Cannot change message: it is gone")
}

function requireOurs(entry: Entry, deed: string): void {
  if (isOurs(entry) && entry.state !== "failed") return
  const found = isOurs(entry) ? "it failed and nobody has it" : "it is not yours"
  const next = isOurs(entry) ? "a message that was sent" : "one of yours"
  throw new AlliumError("MESSAGE_STATE", `Cannot ${deed} message: ${found}, expected ${next}`)
}

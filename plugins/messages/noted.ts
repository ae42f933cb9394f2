/**
 * What a conversation notes by itself: facts about the contact, between the messages, where people look.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import type { PluginContext } from "allium/plugin"
import type { Entry, NoteKind } from "./entry.ts"
import type { Pen } from "./pen.ts"
import type { TaskLines } from "./task-lines.ts"
import { ID_BYTES } from "./wire.ts"

/** Notes what is learnt of contacts, from now on. */
export function noteContacts(context: PluginContext, lines: TaskLines): void {
  context.onContact(({ identity, contact, what }) => {
    const now = Math.floor(context.clock.now())
    const deed = async (pen: Pen) => note(pen, what, now)
    lines.add({ identity: identity.key, contact: contact.key, deed, done: [] })
  })
}

/** Puts a note behind the newest message; it is never unread. */
function note(pen: Pen, what: NoteKind, now: number): void {
  const id = new Uint8Array(randomBytes(ID_BYTES))
  const entry: Entry = { id, state: "note", note: what, text: "", sentAt: now, storedAt: now }
  pen.note("note", pen.add(entry), entry)
}

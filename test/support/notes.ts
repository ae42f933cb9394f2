/**
 * A tiny plugin over mail: notes go out, and come in; what became of them is known.
 */
import { definePlugin, offer, z } from "allium/plugin"

const noteSend = offer({
  verb: "note send",
  summary: "Send a note",
  input: z.object({ to: z.string(), text: z.string(), identity: z.string().optional() }),
  output: z.object({ id: z.string() }),
})
const noteList = offer({
  verb: "note list",
  summary: "List notes that came, in order",
  input: z.object({}),
  output: z.array(z.string()),
})
const noteState = offer({
  verb: "note state",
  summary: "Show what became of a note",
  input: z.object({ id: z.string() }),
  output: z.object({ state: z.string() }),
})

/** See the module. */
export const notes = definePlugin({
  name: "notes",
  offers: [noteSend, noteList, noteState],
  async start({ store, mail, identities, contacts, answer }) {
    const came = store.journal("came", z.string())
    const states = store.table("states", z.string())
    const numbers = store.table("numbers", z.number())
    mail.receive(async ({ content }) => ({
      changes: [came.append(Buffer.from(content).toString())],
    }))
    mail.onReport(async ({ name, state }) => ({ changes: [states.put(name, state.kind)] }))
    answer(noteSend, async ({ to, text, identity: who }) => {
      const identity = identities.find(who)
      const number = ((await numbers.get("last")) ?? 0) + 1
      const id = `note-${number}`
      await mail.send(
        { identity, contact: contacts.find(identity, to) },
        { content: Buffer.from(text), name: id },
        [states.put(id, "queued"), numbers.put("last", number)],
      )
      return { id }
    })
    answer(noteList, async () => {
      const list: string[] = []
      for await (const [, text] of came.read()) list.push(text)
      return list
    })
    answer(noteState, async ({ id }) => ({ state: (await states.get(id)) ?? "unknown" }))
    return undefined
  },
})

/**
 * A plugin in thirty lines: `allium hello say ann` asks ann's router to greet back.
 *
 *     allium plugin add ./examples/hello-plugin
 *
 * See docs/guide/plugins.md.
 */
import { addAbortSignal } from "node:stream"
import { AlliumError, definePlugin, offer, readRecords, writeRecord, z } from "allium/plugin"

const PROTOCOL = "/hello/1"
const helloShape = z.strictObject({ text: z.string().max(100) })

const say = offer({
  verb: "hello say",
  summary: "Say hello to a contact who has this plugin too, and show the answer",
  input: z.object({ contact: z.string().meta({ description: "Name or key" }) }),
  output: z.object({ contact: z.string(), answer: z.string() }),
  positional: ["contact"],
  examples: ["hello say ann"],
  display: { line: "{contact} says: {answer}" },
})

/** The next hello from a channel; what comes over the network passes a shape before anyone believes it. */
async function hear(channel) {
  for await (const [hello] of readRecords(channel, { bytesMax: 512 }))
    return helloShape.parse(hello).text
  throw new AlliumError("PLUGIN_HELLO_SILENT", "Cannot hear hello: the channel ended without one")
}

export default definePlugin({
  name: "hello",
  offers: [say],
  async start(context) {
    context.serve(PROTOCOL, async ({ identity, channel }) => {
      context.emit("heard", { identity: identity.name, text: await hear(channel) })
      await writeRecord(channel, { text: "Hello to you" })
      channel.end()
      await channel.delivered
    })
    context.answer(say, async ({ contact: name }, { signal }) => {
      const identity = context.identities.find()
      const contact = context.contacts.find(identity, name)
      const limit = AbortSignal.any([signal, AbortSignal.timeout(60_000)])
      const channel = await context.open({ identity, contact }, PROTOCOL, { signal: limit })
      addAbortSignal(limit, channel)
      await writeRecord(channel, { text: "Hello" })
      channel.end()
      return { contact: contact.name, answer: await hear(channel) }
    })
    return undefined
  },
})

/**
 * Text between contacts: kept until the other side has it on disk, shown once, in order.
 *
 * Events: `messages.received`, `messages.queued`, `messages.delivered`, `messages.failed`, each with the message.
 *
 * @see docs/protocol/messages.md
 * @module
 */
import { definePlugin, type Plugin } from "allium/plugin"
import { Desk } from "./desk.ts"
import { listOffer, sendOffer, watchOffer } from "./offers.ts"

/** The plugin. */
export const messages: Plugin = definePlugin({
  name: "messages",
  offers: [sendOffer, listOffer, watchOffer],
  async start(context) {
    const desk = new Desk(context)
    context.answer(sendOffer, (input, call) => desk.send(input, call))
    context.answer(listOffer, (input) => desk.list(input))
    context.answer(watchOffer, (input, call) => desk.watch(input, call))
    await desk.open()
    return undefined
  },
})

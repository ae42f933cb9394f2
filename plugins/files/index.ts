/**
 * Files between contacts: offered, accepted, fetched part by part, verified, and only then under their name.
 *
 * Events: `files.` and the stage a transfer has come to, such as `files.offered` or `files.done`, and `files.progress`;
 * each with the transfer.
 *
 * @see docs/protocol/files.md
 * @module
 */
import { definePlugin, type Plugin } from "allium/plugin"
import { Desk } from "./desk.ts"
import { type Disk, machineDisk } from "./disk/disk.ts"
import { acceptOffer, autoOffer, cancelOffer, listOffer, sendOffer } from "./offers.ts"

/** The plugin, on a given disk. */
export function makeFiles(options: { disk: Disk }): Plugin {
  return definePlugin({
    name: "files",
    offers: [sendOffer, listOffer, acceptOffer, cancelOffer, autoOffer],
    async start(context) {
      const desk = new Desk(context, options.disk)
      context.answer(sendOffer, (input, call) => desk.send(input, call))
      context.answer(listOffer, async (input) => desk.list(input))
      context.answer(acceptOffer, (input, call) => desk.accept(input, call))
      context.answer(cancelOffer, (input, call) => desk.cancel(input, call))
      context.answer(autoOffer, (input) => desk.auto(input))
      await desk.open()
      return undefined
    },
  })
}

/** The plugin. */
export const files: Plugin = makeFiles({ disk: machineDisk })

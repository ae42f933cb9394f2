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
import {
  acceptOffer,
  autoOffer,
  cancelOffer,
  listOffer,
  pauseOffer,
  resumeOffer,
  sendOffer,
  showOffer,
} from "./offers.ts"
import { TransferOwners } from "./owners.ts"

/** The plugin, on a given disk. */
export function makeFiles(options: { disk: Disk }): Plugin {
  return definePlugin({
    name: "files",
    offers: [
      ...[sendOffer, listOffer, acceptOffer, cancelOffer, autoOffer],
      ...[showOffer, pauseOffer, resumeOffer],
    ],
    async start(context) {
      const desk = new Desk(context, options.disk)
      const owners = new TransferOwners([desk])
      context.answer(sendOffer, (input, call) => desk.send(input, call))
      context.answer(listOffer, async (input) => owners.list(input))
      context.answer(acceptOffer, (input, call) => desk.accept(input, call))
      context.answer(cancelOffer, async (input, call) => {
        const { owner, id } = owners.find(input.id)
        return owner.cancel({ id }, call)
      })
      context.answer(showOffer, async (input) => {
        const { owner, id } = owners.find(input.id)
        return owner.show(id)
      })
      context.answer(pauseOffer, async (input) => {
        const { owner, id } = owners.find(input.id)
        return owner.pause(id)
      })
      context.answer(resumeOffer, async (input) => {
        const { owner, id } = owners.find(input.id)
        return owner.resume(id)
      })
      context.answer(autoOffer, (input) => desk.auto(input))
      await desk.open()
      return undefined
    },
  })
}

/** The plugin. */
export const files: Plugin = makeFiles({ disk: machineDisk })

/**
 * Files between contacts: offered, accepted, fetched part by part, verified, and only then under their name.
 *
 * Events: `files.` and the stage a transfer has come to, such as `files.offered` or `files.done`, and `files.progress`;
 * each with the transfer.
 *
 * @see docs/protocol/transfer.md
 * @module
 */
import { randomBytes } from "node:crypto"
import { definePlugin, type Plugin, Scope } from "allium/plugin"
import { bootOfMachine } from "./boot.ts"
import { ContactDesk } from "./contact/desk.ts"
import { type Disk, machineDisk } from "./disk/disk.ts"
import { openDiskRoom } from "./disk/disk-room.ts"
import { libraryOffers, openLibrary, WelcomeRules } from "./library/index.ts"
import {
  acceptOffer,
  autoOffer,
  cancelOffer,
  listOffer,
  pauseOffer,
  refuseOffer,
  resumeOffer,
  sendOffer,
  showOffer,
  towerLimitOffer,
  verifyOffer,
} from "./offers.ts"
import { TransferOwners } from "./owners.ts"
import { Plays, playOffer } from "./play/index.ts"
import { FileRates, limitOffer } from "./rates.ts"
import { openWorld, worldOffers } from "./world/index.ts"

/** What the plugin stands on. */
export interface FilesOptions {
  readonly disk: Disk
  /** Names this run of the machine. */
  readonly boot: () => Promise<string>
  /** Lanes of one transfer; 8. */
  readonly lanesMax?: number
  /** How long a contact is waited for before a tower is used (a minute), or asked (10 s). */
  readonly towerAfterMs?: number
}

/** The plugin, on a given disk, in a given run of the machine. */
export function makeFiles(options: FilesOptions): Plugin {
  return definePlugin({
    name: "files",
    offers: [
      ...[sendOffer, listOffer, acceptOffer, cancelOffer, autoOffer],
      ...[refuseOffer, showOffer, pauseOffer, resumeOffer, towerLimitOffer, verifyOffer],
      ...[limitOffer, ...worldOffers, ...libraryOffers, playOffer],
    ],
    async start(context) {
      await using scope = new Scope()
      const room = scope.use(openDiskRoom({ disk: options.disk }))
      const rates = await FileRates.open(context.store, context.clock)
      const random = (byteCount: number) => new Uint8Array(randomBytes(byteCount))
      const rules = await WelcomeRules.load(context)
      const { welcome } = rules
      const boot = await options.boot()
      const tools = { ...options, boot, room, rates, random, welcome }
      const desk = scope.use(await ContactDesk.open(context, tools))
      await openLibrary(context, { room, desk, rules })
      const world = scope.use(
        await openWorld(context, { room, boot, down: [rates.down], up: [rates.up] }),
      )
      const owners = new TransferOwners([desk, world.owner])
      scope.use(new Plays(context, owners))
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
      context.answer(verifyOffer, async (input, call) => {
        const { owner, id } = owners.find(input.id)
        return owner.verify(id, call)
      })
      context.answer(refuseOffer, (input, call) => desk.refuse(input, call))
      context.answer(towerLimitOffer, (input) => desk.tower(input))
      context.answer(limitOffer, (input) => rates.change(input))
      context.answer(autoOffer, (input) => desk.auto(input))
      const owned = scope.move()
      return { [Symbol.asyncDispose]: () => owned.close() }
    },
  })
}

/** The plugin. */
export const files: Plugin = makeFiles({ disk: machineDisk, boot: bootOfMachine })

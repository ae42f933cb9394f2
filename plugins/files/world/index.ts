/**
 * Files and the world: torrents inside I2P, apart from every identity.
 *
 * @module
 */
import { type PluginContext, Scope } from "allium/plugin"
import type { DiskRoom } from "../disk/disk-room.ts"
import type { TransferOwner } from "../owners.ts"
import type { Throttle } from "../swarm/index.ts"
import { Addresses } from "./addresses.ts"
import { addTorrent, folderFor, getTarget } from "./getting.ts"
import { KNOWN_TRACKERS, trackerName } from "./known-trackers.ts"
import * as offers from "./offers.ts"
import { OwnTracker } from "./own-tracker.ts"
import { WorldSettings } from "./settings.ts"
import { Shares } from "./shares.ts"
import { type SharingTools, sharePaths } from "./sharing.ts"
import { readTorrentFile } from "./target.ts"
import { Watches } from "./watch.ts"

export { worldOffers } from "./offers.ts"

/** The room, open. */
export interface World extends AsyncDisposable {
  readonly owner: TransferOwner
}

/**
 * Goes on with what was not finished, and answers {@linkcode offers.worldOffers}.
 *
 * @param tools.boot - Names this run of the machine.
 * @param tools.down - Limits of everything that comes in, and of everything that goes out.
 */
export async function openWorld(
  context: PluginContext,
  tools: { room: DiskRoom; boot: string; down: readonly Throttle[]; up: readonly Throttle[] },
): Promise<World> {
  const { room, boot } = tools
  const scope = new Scope()
  const settings = new WorldSettings(context.store)
  await settings.load()
  const addresses = new Addresses(context)
  const openTrackers = () => settings.trackers
  const shares = new Shares({ ...tools, context, addresses, openTrackers })
  const isOurs = (id: string) => shares.get(id) !== undefined
  const ownTracker = scope.use(new OwnTracker(context, settings, isOurs))
  scope.use(shares)
  const all = { context, room, boot, shares, settings, ownTracker, addresses }
  await ownTracker.open()
  await shares.open()
  const watches = openWatches(all)
  await watches.open()
  answer(all, watches)
  return { owner: shares, [Symbol.asyncDispose]: () => scope.close() }
}

type All = SharingTools & { readonly addresses: Addresses }

function openWatches(all: All): Watches {
  const { context, room } = all
  const { signal } = context
  const call = { signal, progress() {} }
  const usual = { ownAddress: false, only: [], sequential: false }
  return new Watches({
    ...{ context, disk: room.disk },
    get: async (path, to) =>
      addTorrent(all, await readTorrentFile(path), usual, await folderFor(all, to)),
    share: (path) =>
      sharePaths(
        all,
        {
          paths: [path],
          ownAddress: false,
          tracker: [],
          private: false,
          secret: false,
          once: false,
        },
        call,
      ),
  })
}

function answer(all: All, watches: Watches): void {
  const { context, ownTracker } = all
  context.answer(offers.shareOffer, (input, call) => sharePaths(all, input, call))
  context.answer(offers.getOffer, (input, call) => getTarget(all, input, call))
  context.answer(offers.trackerRunOffer, ({ open }) => ownTracker.run(open ? "all" : "own"))
  context.answer(offers.trackerStopOffer, () => ownTracker.stop())
  context.answer(offers.trackerStatusOffer, async () => ownTracker.status())
  context.answer(offers.watchAddOffer, ({ folder, to, share }) =>
    watches.add({ folder, kind: share ? "shares" : "torrents", ...(to && { to }) }),
  )
  context.answer(offers.watchListOffer, async () => watches.list())
  context.answer(offers.watchRemoveOffer, ({ folder }) => watches.remove(folder))
  answerTrackers(all)
}

function answerTrackers({ context, settings }: All): void {
  context.answer(offers.trackersListOffer, async () => {
    const known = KNOWN_TRACKERS.map(({ url }) => url)
    return [...new Set([...settings.trackers, ...known])].map((url) => ({
      ...{ name: trackerName(url), url, used: settings.trackers.includes(url) },
      open: KNOWN_TRACKERS.find((one) => one.url === url)?.isOpen ?? true,
    }))
  })
  context.answer(offers.trackersAddOffer, async ({ url }) => ({
    url: await settings.addTracker(url),
  }))
  context.answer(offers.trackersRemoveOffer, async ({ url }) => ({
    url: await settings.removeTracker(url),
  }))
}

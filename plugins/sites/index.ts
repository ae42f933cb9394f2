/**
 * Sites: a folder, some files, a letter box or a web server of this machine, at an I2P address of its own.
 *
 * No site shares its address with an identity, a tunnel or another site. Sites come back after a restart.
 *
 * @module
 */
import { AlliumError, definePlugin, type PluginContext } from "allium/plugin"
import { guestsOf, inviteGuest, isForGuests, tellGuests, uninviteGuest } from "./guests.ts"
import {
  type CommonChoice,
  type SiteReport,
  siteExpose,
  siteInvite,
  siteList,
  siteReceive,
  siteRemove,
  siteServe,
  siteShare,
  siteShow,
  siteStart,
  siteStop,
  siteUninvite,
} from "./offers.ts"
import { openSiteBook, type SiteBook } from "./site-book.ts"
import {
  accessShape,
  backendShape,
  backendShows,
  folderShows,
  receiveShows,
  type SiteShows,
  shareShows,
} from "./site-record.ts"
import { readTime } from "./times.ts"

/** The plugin `sites`. */
export const sites = definePlugin({
  name: "sites",
  offers: [
    ...[siteServe, siteExpose, siteShare, siteReceive],
    ...[siteInvite, siteUninvite],
    ...[siteList, siteShow, siteStop, siteStart, siteRemove],
  ],
  async start(context) {
    const book = await openSiteBook(context)
    const { folder: secrets, clock } = context
    const add = (shows: SiteShows, chosen: CommonChoice) => addSite(shows, chosen, book, context)
    context.answer(siteServe, async (given) =>
      add(await folderShows(given.folder, secrets, given), given),
    )
    context.answer(siteExpose, async (given) =>
      add(await backendShows(given.target, backendShape.parse(given)), given),
    )
    context.answer(siteShare, async (given) =>
      add(await shareShows(given.files, secrets, given.downloads), given),
    )
    context.answer(siteReceive, async (given) =>
      add(await receiveShows(given.folder, secrets, given), given),
    )
    context.answer(siteInvite, (given) => inviteGuest(book, given, context))
    context.answer(siteUninvite, (given) => uninviteGuest(book, given, context))
    context.answer(siteList, async () => book.list())
    context.answer(siteShow, async ({ name }) => book.show(name))
    context.answer(siteStop, ({ name }) => book.stop(name))
    context.answer(siteStart, ({ name, closes }) =>
      book.start(name, closes === undefined ? undefined : readTime(closes, clock.now())),
    )
    context.answer(siteRemove, ({ name }) => book.remove(name))
    return book
  },
})

/** The same thing under the same name again is no error: scripts may say it at every start. */
async function addSite(
  shows: SiteShows,
  chosen: CommonChoice,
  book: SiteBook,
  context: PluginContext,
): Promise<SiteReport> {
  const wish = {
    private: isForGuests(chosen),
    ...(chosen.encrypted && { encrypted: { spare: [] } }),
  }
  const known = book.known(shows, chosen.name, wish)
  if (known !== undefined) return withQr(book.show(known), chosen.qr)
  const guests = guestsOf(chosen, context)
  const site = await book.add(shows, chosen.name, {
    ...{ access: accessShape.parse(chosen), guests, ...wish },
    ...timesOf(chosen, context.clock.now()),
  })
  return {
    ...withQr(site, chosen.qr),
    ...(await tellGuests(site, chosen.identity, context, guests)),
  }
}

function withQr({ qr, ...site }: SiteReport, wanted: boolean): SiteReport {
  return wanted && qr !== undefined ? { ...site, qr } : site
}

function timesOf({ opens, closes }: CommonChoice, nowMs: number) {
  const opensAt = opens === undefined ? undefined : readTime(opens, nowMs)
  const closesAt = closes === undefined ? undefined : readTime(closes, nowMs)
  if (closesAt !== undefined && closesAt <= Math.max(nowMs, opensAt ?? 0))
    throw new AlliumError("BAD_INPUT", "Cannot add site: it closes before it opens")
  return {
    ...(opensAt !== undefined && { opensAt }),
    ...(closesAt !== undefined && { closesAt }),
  }
}

/**
 * Sites: a folder, some files, a letter box or a web server of this machine, at an I2P address of its own.
 *
 * No site shares its address with an identity, a tunnel or another site. Sites come back after a restart.
 *
 * @module
 */
import { AlliumError, definePlugin, type PluginContext, toAlliumError } from "allium/plugin"
import { type Guest, newGuest } from "./lock.ts"
import {
  type CommonChoice,
  type SiteReport,
  siteExpose,
  siteList,
  siteReceive,
  siteRemove,
  siteServe,
  siteShare,
  siteShow,
  siteStart,
  siteStop,
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
  const known = book.known(shows, chosen.name)
  if (known !== undefined) return withQr(book.show(known), chosen.qr)
  const guests = guestsOf(chosen, context)
  const site = await book.add(shows, chosen.name, {
    ...{ access: accessShape.parse(chosen), guests },
    ...timesOf(chosen, context.clock.now()),
  })
  await tellGuests(site, chosen, context)
  return withQr(site, chosen.qr)
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

/** Names of contacts who get a link, each once. @throws {AlliumError} `NO_CONTACT`, `NO_IDENTITY`, `CONTACT_STATE`. */
function invited(chosen: CommonChoice, { contacts, identities }: PluginContext): string[] {
  if (chosen.for.length === 0 && !chosen.contacts) return []
  const identity = identities.find(chosen.identity)
  const named = chosen.for.map((name) => contacts.find(identity, name))
  const all = chosen.contacts ? contacts.list(identity) : []
  const accepted = all.filter(({ state }) => state === "accepted")
  if (named.some(({ state }) => state !== "accepted"))
    throw new AlliumError(
      "CONTACT_STATE",
      "Cannot invite: a contact is not accepted, expected that",
    )
  return [...new Set([...named, ...accepted].map(({ name }) => name))]
}

function guestsOf(chosen: CommonChoice, context: PluginContext): Guest[] {
  const names = invited(chosen, context)
  return chosen.private && names.length === 0 ? [newGuest("anybody")] : names.map(newGuest)
}

/** A letter with their own link for each; who cannot be told is in the log, and the link in `site show`. */
async function tellGuests(
  site: SiteReport,
  chosen: CommonChoice,
  context: PluginContext,
): Promise<void> {
  const names = new Set(invited(chosen, context))
  const { signal, log } = context
  for (const { guest, link } of site.links ?? []) {
    if (!names.has(guest)) continue
    const input = {
      contact: guest,
      text: link,
      ...(chosen.identity && { identity: chosen.identity }),
    }
    await context
      .ask("message send", input, { signal, progress: () => {} })
      .catch((error) => log.warn("site.untold", { code: toAlliumError(error).code }))
  }
}

/**
 * Sites: a folder, or a web server of this machine, at an I2P address of its own.
 *
 * No site shares its address with an identity, a tunnel or another site. Sites come back after a restart.
 *
 * @module
 */
import { AlliumError, definePlugin, type PluginContext, type Table } from "allium/plugin"
import { siteExpose, siteList, siteRemove, siteServe } from "./offers.ts"
import { openSite, type Site } from "./site.ts"
import {
  accessShape,
  backendShape,
  backendShows,
  folderShows,
  nameFor,
  newSiteRecord,
  type SiteAccess,
  type SiteRecord,
  type SiteShows,
  showsSame,
  siteRecordShape,
} from "./site-record.ts"

/** Each site keeps several I2P tunnels of the router busy. */
const SITES_MAX = 16

/** The plugin `sites`. */
export const sites = definePlugin({
  name: "sites",
  offers: [siteServe, siteExpose, siteList, siteRemove],
  async start(context) {
    const book = await openSiteBook(context)
    context.answer(siteServe, async ({ folder, list, name, ...access }) =>
      book.add(await folderShows(folder, list, context.folder), name, access),
    )
    context.answer(siteExpose, async ({ target, name, ...chosen }) =>
      book.add(await backendShows(target, backendShape.parse(chosen)), name, chosen),
    )
    context.answer(siteList, async () => book.list())
    context.answer(siteRemove, ({ name }) => book.remove(name))
    return book
  },
})

async function openSiteBook(context: PluginContext) {
  const table: Table<SiteRecord> = context.store.table("sites", siteRecordShape)
  const open = new Map<string, Site>()
  /** Names being added: a name is taken before its site stands. */
  const coming = new Set<string>()
  for await (const [name, record] of table.entries())
    open.set(name, await openSite(context, record))

  return {
    list: () => [...open.values()].map((site) => site.report()),

    /** The same thing under the same name again is no error: scripts may say it at every start. */
    async add(shows: SiteShows, wanted: string | undefined, access: SiteAccess) {
      const name = wanted ?? nameFor(shows)
      const known = open.get(name)
      if (known !== undefined && showsSame(known.record.shows, shows)) return known.report()
      if (known !== undefined || coming.has(name)) throw taken()
      if (open.size + coming.size >= SITES_MAX)
        throw new AlliumError("LIMIT_REACHED", `Cannot add site: there are ${SITES_MAX} already`)
      coming.add(name)
      try {
        const record = newSiteRecord(name, shows, accessShape.parse(access))
        await context.store.commit([table.put(name, record)])
        const site = await openSite(context, record)
        open.set(name, site)
        return site.report()
      } finally {
        coming.delete(name)
      }
    },

    async remove(name: string) {
      const site = open.get(name)
      if (site === undefined)
        throw new AlliumError("NOT_FOUND", "Cannot remove site: none has that name")
      open.delete(name)
      await context.store.commit([table.remove(name)])
      const { address } = site.report()
      await site[Symbol.asyncDispose]()
      await context.forgetSession(site.record.id)
      return { name, address }
    },

    async [Symbol.asyncDispose]() {
      await Promise.all([...open.values()].map((site) => site[Symbol.asyncDispose]()))
    },
  }
}

function taken(): AlliumError {
  const message = "Cannot add site: that name shows something else already, expected another --name"
  return new AlliumError("ALREADY_EXISTS", message)
}

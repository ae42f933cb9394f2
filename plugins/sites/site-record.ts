/**
 * What is kept of a site, and how it is made.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { stat } from "node:fs/promises"
import { basename, isAbsolute, relative, sep } from "node:path"
import {
  AlliumError,
  backendOptions,
  chooseBackend,
  formatBackend,
  requestOptions,
  webAccessOptions,
  webServerOptions,
  z,
} from "allium/plugin"

/** A web server and how to speak to it. */
export const backendShape = z.object({ ...backendOptions, ...webServerOptions })

/** What a site shows. */
const showsShape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("folder"), folder: z.string(), list: z.boolean() }),
  z.object({
    kind: z.literal("backend"),
    target: z.string(),
    ...backendShape.shape,
  }),
])

/** Who may come in, and how often: the same for all that a site may show. */
export const accessShape = z.object({ ...webAccessOptions, ...requestOptions })

/** A site in the store. */
export const siteRecordShape = z.object({
  name: z.string(),
  /** Names its keys; random, so that a name used again is another site. */
  id: z.string(),
  /** 64 hexadecimal digits. */
  tagKey: z.string(),
  shows: showsShape,
  access: accessShape.prefault({}),
})

export type SiteAccess = z.output<typeof accessShape>
export type SiteShows = z.output<typeof showsShape>
export type SiteRecord = z.output<typeof siteRecordShape>

/** A new site, not yet stored. */
export function newSiteRecord(name: string, shows: SiteShows, access: SiteAccess): SiteRecord {
  const hex = (byteCount: number) => randomBytes(byteCount).toString("hex")
  return { name, id: hex(8), tagKey: hex(32), shows, access }
}

/**
 * Checks a folder that is to become a site.
 *
 * @param secrets - A folder that must never be served; its whole way up to the root must not be either.
 * @throws {AlliumError} `BAD_INPUT`.
 */
export async function folderShows(
  folder: string,
  list: boolean,
  secrets: string,
): Promise<SiteShows> {
  if (!isAbsolute(folder)) throw badFolder("its path is relative, expected an absolute one")
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!isFolder) throw badFolder("there is no such folder")
  if (holds(folder, secrets) || holds(secrets, folder))
    throw badFolder("it holds the router's own data")
  return { kind: "folder", folder, list }
}

function holds(outer: string, inner: string): boolean {
  const way = relative(outer, inner)
  return !isAbsolute(way) && way.split(sep)[0] !== ".."
}

function badFolder(found: string): AlliumError {
  return new AlliumError("BAD_INPUT", `Cannot serve folder: ${found}`)
}

/** @throws {AlliumError} `BAD_INPUT` when the target is not on this machine, or cannot be reached as asked. */
export async function backendShows(
  target: string,
  chosen: z.output<typeof backendShape>,
): Promise<SiteShows> {
  const { address } = await chooseBackend(target, chosen)
  return { kind: "backend", target: formatBackend(address), ...chosen }
}

/** A name from what the site shows: the folder's, or the port. */
export function nameFor(shows: SiteShows): string {
  const name = (
    shows.kind === "backend" ? `port-${shows.target.split(/[:/]/).at(-1)}` : basename(shows.folder)
  )
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
  return name.slice(0, 32).replace(/-$/, "") || "site"
}

/** Both show the same thing the same way. */
export function showsSame(one: SiteShows, other: SiteShows): boolean {
  return JSON.stringify(siteKey(one)) === JSON.stringify(siteKey(other))
}

/** In one order, wherever it comes from. */
function siteKey(shows: SiteShows): unknown[] {
  return Object.entries(shows).sort(([one], [other]) => (one < other ? -1 : 1))
}

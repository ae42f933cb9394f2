/**
 * What is kept of a site, and how it is made.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { stat } from "node:fs/promises"
import { basename, isAbsolute, relative, sep } from "node:path"
import { AlliumError, formatHostPort, parseHostPort, z } from "allium/plugin"

/** What a site shows. */
const showsShape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("folder"), folder: z.string(), list: z.boolean() }),
  z.object({ kind: z.literal("backend"), target: z.string(), host: z.string().optional() }),
])

/** A site in the store. */
export const siteRecordShape = z.object({
  name: z.string(),
  /** Names its keys; random, so that a name used again is another site. */
  id: z.string(),
  /** 64 hexadecimal digits. */
  tagKey: z.string(),
  shows: showsShape,
})

export type SiteShows = z.output<typeof showsShape>
export type SiteRecord = z.output<typeof siteRecordShape>

/** A new site, not yet stored. */
export function newSiteRecord(name: string, shows: SiteShows): SiteRecord {
  const hex = (byteCount: number) => randomBytes(byteCount).toString("hex")
  return { name, id: hex(8), tagKey: hex(32), shows }
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

/** @throws {AlliumError} `BAD_INPUT` when the target is not on this machine. */
export function backendShows(target: string, host: string | undefined): SiteShows {
  const address = formatHostPort(parseHostPort(target))
  return { kind: "backend", target: address, ...(host !== undefined && { host }) }
}

/** A name from what the site shows: the folder's, or the port. */
export function nameFor(shows: SiteShows): string {
  if (shows.kind === "backend") return `port-${parseHostPort(shows.target).port}`
  const name = basename(shows.folder)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
  return name.slice(0, 32).replace(/-$/, "") || "site"
}

/** Both show the same thing the same way. */
export function showsSame(one: SiteShows, other: SiteShows): boolean {
  return JSON.stringify(siteKey(one)) === JSON.stringify(siteKey(other))
}

function siteKey(shows: SiteShows): unknown[] {
  return shows.kind === "folder"
    ? [shows.kind, shows.folder, shows.list]
    : [shows.kind, shows.target, shows.host]
}

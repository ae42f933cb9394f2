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
  z.object({
    kind: z.literal("folder"),
    folder: z.string(),
    list: z.boolean(),
    csp: z.string().optional(),
  }),
  z.object({
    kind: z.literal("backend"),
    target: z.string(),
    ...backendShape.shape,
  }),
  z.object({
    kind: z.literal("share"),
    files: z.array(z.string()),
    downloads: z.number().optional(),
  }),
  z.object({
    kind: z.literal("receive"),
    folder: z.string(),
    title: z.string(),
    fileMib: z.number(),
    roomMib: z.number(),
  }),
])

/** Who may come in, and how often: the same for all that a site may show. */
export const accessShape = z.object({ ...webAccessOptions, ...requestOptions })

const guestShape = z.object({
  name: z.string(),
  secret: z.string(),
  contact: z.string().optional(),
  readerKey: z.string().optional(),
})

/** A site in the store. */
export const siteRecordShape = z.object({
  name: z.string(),
  /** Names its keys; random, so that a name used again is another site. */
  id: z.string(),
  /** 64 hexadecimal digits. */
  tagKey: z.string(),
  shows: showsShape,
  access: accessShape.prefault({}),
  /** Who has a link. */
  guests: z.array(guestShape).default([]),
  /** Only guests come in, also while there are none. Older records say so by having guests. */
  private: z.boolean().optional(),
  /** Only guests find it: reader keys that wait for guests. */
  encrypted: z.object({ spare: z.array(z.string()) }).optional(),
  /** Milliseconds since 1970. */
  opensAt: z.number().optional(),
  closesAt: z.number().optional(),
  /** Known once it was open. */
  address: z.string().default(""),
  /** Closed by its owner, or because its time was over, or everything was given away. */
  stopped: z.boolean().default(false),
  /** Of a share: whole downloads of each file. */
  counts: z.array(z.number()).default([]),
})

export type SiteShows = z.output<typeof showsShape>
export type SiteRecord = z.output<typeof siteRecordShape>

/** What is said of a new site besides what it shows. */
export type SiteWish = Pick<
  SiteRecord,
  "access" | "guests" | "private" | "encrypted" | "opensAt" | "closesAt"
>

/** Whether only guests come in. */
export function isPrivate(record: Pick<SiteRecord, "guests" | "private">): boolean {
  return record.private ?? record.guests.length > 0
}

/** A new site, not yet stored. */
export function newSiteRecord(name: string, shows: SiteShows, wish: SiteWish): SiteRecord {
  const hex = (byteCount: number) => randomBytes(byteCount).toString("hex")
  return {
    name,
    id: hex(8),
    tagKey: hex(32),
    shows,
    ...wish,
    address: "",
    stopped: false,
    counts: [],
  }
}

/**
 * Checks a folder that is to become a site.
 *
 * @param secrets - A folder that must never be served; its whole way up to the root must not be either.
 * @throws {AlliumError} `BAD_INPUT`.
 */
export async function folderShows(
  folder: string,
  secrets: string,
  how: { list: boolean; csp?: string | undefined },
): Promise<SiteShows> {
  await requireFolder(folder, secrets)
  const { list, csp } = how
  return { kind: "folder", folder, list, ...(csp !== undefined && { csp }) }
}

/** As {@linkcode folderShows}, for a folder where strangers drop files. */
export async function receiveShows(
  folder: string,
  secrets: string,
  how: { title: string; fileMib: number; roomMib: number },
): Promise<SiteShows> {
  await requireFolder(folder, secrets)
  const { title, fileMib, roomMib } = how
  return { kind: "receive", folder, title, fileMib, roomMib }
}

/** Files to be given; each must be there now. @throws {AlliumError} `BAD_INPUT`. */
export async function shareShows(
  files: readonly string[],
  secrets: string,
  downloads: number | undefined,
): Promise<SiteShows> {
  for (const path of files) {
    const found = await stat(path).catch(() => undefined)
    if (!isAbsolute(path) || found?.isFile() !== true || holds(secrets, path))
      throw new AlliumError("BAD_INPUT", "Cannot share: one is no file, expected files")
    if (basename(path).startsWith("."))
      throw new AlliumError("BAD_INPUT", "Cannot share: a hidden file is never served")
  }
  return { kind: "share", files: [...files], ...(downloads !== undefined && { downloads }) }
}

async function requireFolder(folder: string, secrets: string): Promise<void> {
  if (!isAbsolute(folder)) throw badFolder("its path is relative, expected an absolute one")
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!isFolder) throw badFolder("there is no such folder")
  if (holds(folder, secrets) || holds(secrets, folder))
    throw badFolder("it holds the router's own data")
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

/** A name from what the site shows: the folder's or file's, or the port. */
export function nameFor(shows: SiteShows): string {
  const name = readableName(shows)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
  return name.slice(0, 32).replace(/-$/, "") || "site"
}

function readableName(shows: SiteShows): string {
  if (shows.kind === "backend") return `port-${shows.target.split(/[:/]/).at(-1)}`
  return basename(shows.kind === "share" ? (shows.files[0] ?? "") : shows.folder)
}

/** What a site shows, for people. */
export function shownAs(shows: SiteShows): string {
  if (shows.kind === "backend") return shows.target
  return shows.kind === "share" ? shows.files.join(", ") : shows.folder
}

/** Both show the same thing the same way. */
export function showsSame(one: SiteShows, other: SiteShows): boolean {
  return JSON.stringify(siteKey(one)) === JSON.stringify(siteKey(other))
}

/** In one order, wherever it comes from. */
function siteKey(shows: SiteShows): unknown[] {
  return Object.entries(shows).sort(([one], [other]) => (one < other ? -1 : 1))
}

/**
 * A folder as a site: GET and HEAD, ranges, "unchanged", and fields that tell nothing of the machine.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { pipeline } from "node:stream/promises"
import { AlliumError, answerWithPage, toAlliumError } from "allium/plugin"
import { type ByteRange, parseByteRange } from "./byte-range.ts"
import { entityTag, namesTag } from "./entity-tag.ts"
import { folderPage } from "./folder-page.ts"
import { mediaType } from "./media-type.ts"
import { findBelow, listFolder, type SiteFile } from "./site-file.ts"
import { formatSitePath, parseSitePath, type SitePath } from "./site-path.ts"

/** A folder and how to show it. */
export interface FolderSiteOptions {
  /** Absolute. */
  readonly folder: string
  /** Show what is in folders that have no `index.html`. */
  readonly list: boolean
  /** 32 random bytes that stay the same for this site. */
  readonly tagKey: Uint8Array
}

/** Answers one request. */
export type SiteHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

const INDEX = "index.html"
/** More names than this are not listed. */
const LISTED_MAX = 10_000
/** The page may load what is on I2P; a browser without a proxy must not be led to the clear net. */
const POLICY =
  "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: http://*.i2p ws://*.i2p; frame-ancestors 'self'"
const SAFE_FIELDS = {
  "Content-Security-Policy": POLICY,
  "Referrer-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "no-cache",
}

/** Serves `options.folder`; whatever goes wrong is answered with a page. */
export function folderSite(options: FolderSiteOptions): SiteHandler {
  return async (request, response) => {
    response.sendDate = false
    try {
      requireMethod(request, response)
      const path = parseSitePath(request.url ?? "")
      await serve(path, options, request, response)
    } catch (thrown) {
      answerWithPage({ request, response }, toAlliumError(thrown))
    }
  }
}

function requireMethod(request: IncomingMessage, response: ServerResponse): void {
  if (request.method === "GET" || request.method === "HEAD") return
  response.setHeader("Allow", "GET, HEAD")
  throw new AlliumError("METHOD_NOT_ALLOWED", "Cannot do that here: this site is for reading")
}

async function serve(
  path: SitePath,
  options: FolderSiteOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const found = await findBelow(options.folder, path.names)
  if (found.kind === "file") {
    if (!path.isFolder) return sendFile(found.file, path, options, request, response)
    await found.file.handle.close()
    throw notFound()
  }
  if (!path.isFolder && path.names.length > 0) return sendToFolder(path, response)
  const index = { names: [...path.names, INDEX], isFolder: false }
  const page = await findBelow(options.folder, index.names).catch((error: AlliumError) => {
    if (error.code !== "NOT_FOUND") throw error
  })
  if (page?.kind === "file") return sendFile(page.file, index, options, request, response)
  if (!options.list) throw notFound()
  sendList(path, await listFolder(found.path, LISTED_MAX), request, response)
}

/** A path of our own making, never the visitor's text: it cannot lead to another site. */
function sendToFolder(path: SitePath, response: ServerResponse): void {
  const location = formatSitePath({ ...path, isFolder: true })
  response.writeHead(301, { ...SAFE_FIELDS, Location: location, "Content-Length": 0 }).end()
}

function sendList(
  path: SitePath,
  names: readonly string[],
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const body = Buffer.from(folderPage(path, names))
  const type = { "Content-Type": "text/html; charset=utf-8", "Content-Length": body.length }
  response.writeHead(200, { ...SAFE_FIELDS, ...type })
  response.end(request.method === "HEAD" ? undefined : body)
}

async function sendFile(
  file: SiteFile,
  path: SitePath,
  options: FolderSiteOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const state = { ...file, path: formatSitePath(path) }
    const tag = entityTag(options.tagKey, state)
    const fields = { ...SAFE_FIELDS, ETag: tag, "Accept-Ranges": "bytes" }
    const { byteCount } = file
    const condition = conditionOf(request, tag)
    if (condition !== undefined) return void response.writeHead(condition, fields).end()
    const range = wantedRange(request, tag, byteCount)
    if (range === "unsatisfiable") {
      const unsatisfied = { "Content-Range": `bytes */${byteCount}`, "Content-Length": 0 }
      return void response.writeHead(416, { ...fields, ...unsatisfied }).end()
    }
    const type = mediaType(path.names.at(-1) ?? "")
    response.writeHead(range ? 206 : 200, {
      ...fields,
      "Content-Type": type,
      ...lengthFields(range, byteCount),
    })
    await sendBytes(file, range ?? { first: 0, last: byteCount - 1 }, request, response)
  } finally {
    await file.handle.close()
  }
}

/** 304 or 412 when the visitor's condition says that no body is wanted. */
function conditionOf({ headers }: IncomingMessage, tag: string): number | undefined {
  const { "if-match": match, "if-none-match": noneMatch } = headers
  if (match !== undefined && !namesTag(match, tag)) return 412
  return noneMatch !== undefined && namesTag(noneMatch, tag) ? 304 : undefined
}

/** A range counts only for the state of the file that the visitor has a part of. */
function wantedRange({ headers }: IncomingMessage, tag: string, byteCount: number) {
  const { range, "if-range": ifRange } = headers
  if (ifRange !== undefined && ifRange !== tag) return undefined
  return parseByteRange(range, byteCount)
}

function lengthFields(
  range: ByteRange | undefined,
  byteCount: number,
): Record<string, string | number> {
  if (range === undefined) return { "Content-Length": byteCount }
  const { first, last } = range
  const stated = `bytes ${first}-${last}/${byteCount}`
  return { "Content-Range": stated, "Content-Length": last - first + 1 }
}

/** Sends exactly what was announced; when the file shrank meanwhile, the connection is cut instead. */
async function sendBytes(
  { handle }: SiteFile,
  { first, last }: ByteRange,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method === "HEAD" || last < first) return void response.end()
  const bytes = handle.createReadStream({ start: first, end: last, autoClose: false })
  await pipeline(bytes, response, { end: false })
  if (bytes.bytesRead === last - first + 1) response.end()
  else response.destroy()
}

function notFound(): AlliumError {
  return new AlliumError("NOT_FOUND", "Cannot find page: there is nothing at this address")
}

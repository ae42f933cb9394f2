/**
 * A folder as a site: GET and HEAD, ranges, "unchanged", and fields that tell nothing of the machine.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { AlliumError, answerWithPage, isAlliumError, toAlliumError } from "allium/plugin"
import { entityTag } from "./entity-tag.ts"
import { folderPage } from "./folder-page.ts"
import { mediaType } from "./media-type.ts"
import { findPrecompressed } from "./precompressed.ts"
import { sendFile } from "./send-file.ts"
import { findBelow, listFolder, type SiteFile } from "./site-file.ts"
import { safeFields, sendPage } from "./site-page.ts"
import { formatSitePath, parseSitePath, type SitePath } from "./site-path.ts"

/** A folder and how to show it. */
export interface FolderSiteOptions {
  /** Absolute. */
  readonly folder: string
  /** Show what is in folders that have no `index.html`. */
  readonly list: boolean
  /** `Content-Security-Policy` instead of ours; `off` for none. */
  readonly csp?: string | undefined
  /** 32 random bytes that stay the same for this site. */
  readonly tagKey: Uint8Array
}

/** Answers one request. */
export type SiteHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

const INDEX = "index.html"
/** Shown in place of our own page for what is not there. */
const ABSENT = "404.html"
/** More names than this are not listed. */
const LISTED_MAX = 10_000
/** Serves `options.folder`; whatever goes wrong is answered with a page. */
export function folderSite(options: FolderSiteOptions): SiteHandler {
  return async (request, response) => {
    response.sendDate = false
    try {
      requireMethod(request, response)
      const path = parseSitePath(request.url ?? "")
      await serve(path, options, request, response)
    } catch (thrown) {
      const error = toAlliumError(thrown)
      const shown = await sendAbsent(error, options, request, response).catch(() => false)
      if (!shown) answerWithPage({ request, response }, error)
    }
  }
}

/** The folder's own page for what is not there. */
async function sendAbsent(
  error: AlliumError,
  options: FolderSiteOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  if (!isAlliumError(error, "NOT_FOUND") || response.headersSent) return false
  const path = { names: [ABSENT], isFolder: false }
  const found = await findBelow(options.folder, path.names)
  if (found.kind === "file") await send(found.file, path, options, request, response, 404)
  return found.kind === "file"
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
    if (!path.isFolder) return send(found.file, path, options, request, response)
    await found.file.handle.close()
    throw notFound()
  }
  if (!path.isFolder && path.names.length > 0) return sendToFolder(path, options, response)
  const index = { names: [...path.names, INDEX], isFolder: false }
  const page = await findBelow(options.folder, index.names).catch((error: AlliumError) => {
    if (error.code !== "NOT_FOUND") throw error
  })
  if (page?.kind === "file") return send(page.file, index, options, request, response)
  if (!options.list) throw notFound()
  const names = await listFolder(found.path, LISTED_MAX)
  sendPage(folderPage(path, names), safeFields(options.csp), request, response)
}

/** A path of our own making, never the visitor's text: it cannot lead to another site. */
function sendToFolder(path: SitePath, { csp }: FolderSiteOptions, response: ServerResponse): void {
  const location = formatSitePath({ ...path, isFolder: true })
  response.writeHead(301, { ...safeFields(csp), Location: location, "Content-Length": 0 }).end()
}

async function send(
  file: SiteFile,
  path: SitePath,
  options: FolderSiteOptions,
  request: IncomingMessage,
  response: ServerResponse,
  status = 200,
): Promise<void> {
  const { folder, tagKey, csp } = options
  const accepts = String(request.headers["accept-encoding"] ?? "")
  const packed = await findPrecompressed(folder, path.names, file, accepts).catch(async (error) => {
    await file.handle.close()
    throw error
  })
  if (packed !== undefined) await file.handle.close()
  const shown = packed?.file ?? file
  const state = { ...shown, path: formatSitePath(path) + (packed?.ending ?? "") }
  const fields = {
    ...safeFields(csp),
    ETag: entityTag(tagKey, state),
    "Content-Type": mediaType(path.names.at(-1) ?? ""),
    Vary: "Accept-Encoding",
    ...(packed && { "Content-Encoding": packed.coding }),
  }
  await sendFile(shown, { status, fields }, request, response)
}

function notFound(): AlliumError {
  return new AlliumError("NOT_FOUND", "Cannot find page: there is nothing at this address")
}

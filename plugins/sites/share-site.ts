/**
 * Some files as a site: a page with their names, and downloads that are counted when they are whole.
 *
 * @module
 */
import { stat } from "node:fs/promises"
import type { IncomingMessage, ServerResponse } from "node:http"
import { basename, dirname } from "node:path"
import {
  AlliumError,
  answerWithPage,
  escapeHtml,
  type StreamAnswers,
  toAlliumError,
  type Visitor,
} from "allium/plugin"
import { entityTag } from "./entity-tag.ts"
import { sendFile } from "./send-file.ts"
import { ShareCount } from "./share-count.ts"
import { findBelow } from "./site-file.ts"
import { OWN_PAGE_POLICY, ownPage, safeFields, sendPage } from "./site-page.ts"

/** Files and how they are given. */
export interface ShareSiteOptions {
  /** Absolute paths. */
  readonly files: readonly string[]
  /** How often each was downloaded whole so far. */
  readonly counts: readonly number[]
  /** Whole downloads of each file; then it is not given any more. */
  readonly downloadsMax?: number | undefined
  readonly tagKey: Uint8Array
  readonly monotonicMs: () => number
  /** Told after each whole download, with the count of each file, and whether that was the last of all. */
  readonly onDownload: (counts: readonly number[], isOver: boolean) => void
}

/** Answers visitors with the page and the files. */
export function shareSite(options: ShareSiteOptions): StreamAnswers {
  const { files, downloadsMax } = options
  const counts = files.map((_, index) => new ShareCount(options.counts[index] ?? 0, downloadsMax))

  const page = async (request: IncomingMessage, response: ServerResponse) => {
    const rows = await Promise.all(files.map((path, index) => row(path, index, counts[index]!)))
    const html = ownPage("Files", `<table>\n${rows.join("\n")}\n</table>`)
    sendPage(html, safeFields(OWN_PAGE_POLICY), request, response)
  }

  const give = async (
    index: number,
    request: IncomingMessage,
    response: ServerResponse,
    { b32 }: Visitor,
  ) => {
    const path = files[index]
    const count = counts[index]
    if (path === undefined || count === undefined || count.isOver) throw gone()
    if (request.method === "GET" && !count.begin(b32, options.monotonicMs())) throw taken()
    const found = await findBelow(dirname(path), [basename(path)])
    if (found.kind !== "file") throw gone()
    const { file } = found
    const fields = {
      ...safeFields(OWN_PAGE_POLICY),
      ETag: entityTag(options.tagKey, { ...file, path }),
      "Content-Type": "application/octet-stream",
      "Content-Disposition": disposition(basename(path)),
    }
    const sent = await sendFile(file, { fields }, request, response)
    if (sent === undefined || !count.sent(b32, sent, file.byteCount)) return
    options.onDownload(
      counts.map((one) => one.count),
      counts.every((one) => one.isOver),
    )
  }

  return {
    async request(request, response, visitor) {
      response.sendDate = false
      try {
        if (request.method !== "GET" && request.method !== "HEAD") throw forReading()
        const [path = ""] = (request.url ?? "").split("?", 1)
        const [, digits] = /^\/get\/(\d{1,4})(?:\/[^/]*)?$/.exec(path) ?? []
        if (path === "/") await page(request, response)
        else if (digits === undefined) throw gone()
        else await give(Number(digits), request, response, visitor)
      } catch (thrown) {
        answerWithPage({ request, response }, toAlliumError(thrown))
      }
    },
  }
}

async function row(path: string, index: number, count: ShareCount): Promise<string> {
  const name = basename(path)
  const size = await stat(path).then(
    (found) => `${found.size.toLocaleString("en")} bytes`,
    () => "not there",
  )
  const link = `<a href="/get/${index}/${encodeURIComponent(name)}">${escapeHtml(name)}</a>`
  const shown = count.isOver ? `${escapeHtml(name)} (given away)` : link
  return `<tr><td>${shown}<td>${size}`
}

/** @see https://www.rfc-editor.org/rfc/rfc6266 */
function disposition(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, "_")
  const encoded = encodeURIComponent(name).replace(/['()*]/g, hex)
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}

function hex(letter: string): string {
  return `%${letter.charCodeAt(0).toString(16).toUpperCase()}`
}

function gone(): AlliumError {
  return new AlliumError("NOT_FOUND", "Cannot find file: it is not given here, or not any more")
}

function taken(): AlliumError {
  const message =
    "Cannot give file: somebody else is downloading it, and it is given away only once"
  return new AlliumError("BUSY", message)
}

function forReading(): AlliumError {
  return new AlliumError("METHOD_NOT_ALLOWED", "Cannot do that here: this site is for reading")
}

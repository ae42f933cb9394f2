/**
 * One file as an answer: ranges, "unchanged", and exactly as many bytes as were announced.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-13
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { finished, pipeline } from "node:stream/promises"
import { type ByteRange, parseByteRange } from "./byte-range.ts"
import { namesTag } from "./entity-tag.ts"
import type { SiteFile } from "./site-file.ts"

/** How a file is shown. */
export interface FileAnswer {
  /** With another status than 200 conditions and ranges do not count. */
  readonly status?: number
  /** Its tag is among them, as `ETag`; its length is not. */
  readonly fields: Readonly<Record<string, string | number>>
}

/**
 * Answers with the file, and closes it.
 *
 * @returns What was sent to the last byte; `undefined` when nothing of the body was.
 */
export async function sendFile(
  file: SiteFile,
  { status = 200, fields: given }: FileAnswer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<ByteRange | undefined> {
  try {
    const { byteCount } = file
    const fields = { ...given, "Accept-Ranges": "bytes" }
    const tag = String(given.ETag)
    const condition = status === 200 ? conditionOf(request, tag) : undefined
    if (condition !== undefined) return void response.writeHead(condition, fields).end()
    const range = status === 200 ? wantedRange(request, tag, byteCount) : undefined
    if (range === "unsatisfiable") {
      const unsatisfied = { "Content-Range": `bytes */${byteCount}`, "Content-Length": 0 }
      return void response.writeHead(416, { ...fields, ...unsatisfied }).end()
    }
    response.writeHead(range ? 206 : status, { ...fields, ...lengthFields(range, byteCount) })
    return await sendBytes(file, range ?? { first: 0, last: byteCount - 1 }, request, response)
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
  range: ByteRange,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<ByteRange | undefined> {
  const { first, last } = range
  if (request.method === "HEAD") return void response.end()
  if (last >= first) {
    const bytes = handle.createReadStream({ start: first, end: last, autoClose: false })
    await pipeline(bytes, response, { end: false })
    if (bytes.bytesRead !== last - first + 1) return void response.destroy()
  }
  response.end()
  await finished(response)
  return range
}

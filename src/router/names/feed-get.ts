/**
 * One visit to a feed: a conditional GET over a stream of a session that has no other use.
 *
 * @module
 */
import { type IncomingMessage, request } from "node:http"
import { AlliumError, isAlliumError } from "../../base/errors.ts"
import { StreamSocket } from "../../base/http/stream-socket.ts"
import type { SamStream } from "../../sam/session.ts"
import { type FeedUrl, parseFeedUrl } from "./feed-url.ts"

/** Largest feed: 9,000 names with whole destinations, more than I2P has. */
const FEED_BYTES_MAX = 5 * 2 ** 20
/** From the first step to the last byte: 5 MiB at 20 kB/s, and what finding the site takes. */
const VISIT_MS = 360_000
/** Redirects followed, each inside I2P. */
const REDIRECTS_MAX = 3
/** Head of an answer. */
const HEAD_BYTES_MAX = 16 * 1_024
/** Longest entity tag or date that is kept for the next visit. */
const MARK_CHARACTERS_MAX = 256

/** What every program over I2P says of itself, in this order: nobody is told apart by it. */
const FIELDS = ["User-Agent", "MYOB/6.66 (AN/ON)", "Accept-Encoding", "identity"] as const

/** How a site names the state of its feed; sent back as it came. */
export interface FeedMarks {
  readonly etag?: string | undefined
  readonly modified?: string | undefined
}

/** What a visit brings. */
export type FeedAnswer =
  | { readonly kind: "unchanged" }
  | { readonly kind: "text"; readonly text: string; readonly marks: FeedMarks }

/** Opens a stream to the site of a feed; `host` is what to call the site. */
export type DialFeed = (
  place: FeedUrl,
  call: { signal: AbortSignal },
) => Promise<{ readonly stream: SamStream; readonly host: string }>

/**
 * Visits a feed.
 *
 * @returns The whole feed, at most 5 MiB; never a part of it.
 * @throws {AlliumError} `BAD_FEED` for an answer that is none, is compressed, too long, cut off or leads out of
 * I2P; `NO_ANSWER`, `ABORTED`, and what `dial` throws.
 */
export async function getFeed(
  dial: DialFeed,
  from: FeedUrl,
  marks: FeedMarks,
  call: { signal: AbortSignal },
): Promise<FeedAnswer> {
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(VISIT_MS)])
  let place = from
  for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
    const answer = await ask(dial, place, marks, signal)
    if (answer.kind !== "redirect") return answer
    place = redirected(place, answer.location)
  }
  throw bad(`it leads on more than ${REDIRECTS_MAX} times`)
}

function redirected(from: FeedUrl, location: string): FeedUrl {
  const isPath = location.startsWith("/") && !location.startsWith("//")
  const port = from.port === 80 ? "" : `:${from.port}`
  const url = parseFeedUrl(isPath ? `http://${from.host}${port}${location}` : location)
  if (url === undefined) throw bad("it leads out of I2P")
  return url
}

type Answer = FeedAnswer | { readonly kind: "redirect"; readonly location: string }

async function ask(
  dial: DialFeed,
  place: FeedUrl,
  marks: FeedMarks,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    const { stream, host } = await dial(place, { signal })
    const connection = new StreamSocket(stream, { lingerMs: 0 })
    connection.on("error", () => {}) // the request is told
    try {
      return await read(await get(connection, { ...place, host }, marks, signal))
    } finally {
      connection.destroy()
    }
  } catch (error) {
    if (signal.aborted) throw late(signal)
    if (isAlliumError(error) || !(error instanceof Error)) throw error
    throw new AlliumError("BAD_FEED", "Cannot read feed: its answer broke off", { cause: error })
  }
}

function get(connection: StreamSocket, place: FeedUrl, marks: FeedMarks, signal: AbortSignal) {
  const { host, port, path } = place
  const conditions = [
    ...(marks.etag === undefined ? [] : ["If-None-Match", marks.etag]),
    ...(marks.modified === undefined ? [] : ["If-Modified-Since", marks.modified]),
  ]
  const named = ["Host", port === 80 ? host : `${host}:${port}`]
  return new Promise<IncomingMessage>((resolve, reject) => {
    const asked = request({
      createConnection: () => connection as never,
      ...{ method: "GET", path, host, signal },
      headers: [...named, ...FIELDS, ...conditions, "Connection", "close"] as never,
      ...{ setHost: false, maxHeaderSize: HEAD_BYTES_MAX, insecureHTTPParser: false },
    })
    asked.on("response", resolve)
    asked.on("error", reject)
    asked.once("close", () => reject(bad("it closed without a word")))
    asked.end()
  })
}

async function read(answer: IncomingMessage): Promise<Answer> {
  const { statusCode = 0, headers } = answer
  if (statusCode === 304) return { kind: "unchanged" }
  if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined)
    return { kind: "redirect", location: headers.location }
  if (statusCode !== 200) throw bad(`it says ${statusCode}`)
  if ((headers["content-encoding"] ?? "identity") !== "identity")
    throw bad("it is compressed, though not asked to be")
  const text = await readBody(answer)
  return { kind: "text", text, marks: marksOf(headers) }
}

function marksOf(headers: IncomingMessage["headers"]): FeedMarks {
  return { etag: mark(headers.etag), modified: mark(headers["last-modified"]) }
}

function mark(text: string | undefined): string | undefined {
  return /^[\x20-\x7e]+$/.test(text ?? "") && (text ?? "").length <= MARK_CHARACTERS_MAX
    ? text
    : undefined
}

async function readBody(answer: IncomingMessage): Promise<string> {
  const stated = Number(answer.headers["content-length"] ?? 0)
  if (stated > FEED_BYTES_MAX) throw bad("it is too long")
  const parts: Buffer[] = []
  let byteCount = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    byteCount += part.length
    if (byteCount > FEED_BYTES_MAX) throw bad("it is too long")
    parts.push(part)
  }
  return Buffer.concat(parts).toString("utf8")
}

function late(signal: AbortSignal): AlliumError {
  const ranOut = (signal.reason as Error | undefined)?.name === "TimeoutError"
  if (ranOut) return new AlliumError("NO_ANSWER", "Cannot read feed: no answer came in time")
  return new AlliumError("ABORTED", "Cannot read feed: it is no longer needed")
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_FEED", `Cannot read feed: ${found}`)
}

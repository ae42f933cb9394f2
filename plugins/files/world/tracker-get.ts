/**
 * One question to a tracker: HTTP GET over a stream of the session that is announced, never through a proxy.
 *
 * A tracker believes only the destination a stream comes from, so a proxy's would be the wrong one.
 *
 * @see https://geti2p.net/en/docs/applications/bittorrent
 * @module
 */
import { type IncomingMessage, request } from "node:http"
import { AlliumError, isAlliumError, type Session, StreamSocket } from "allium/plugin"
import { TRACKER_ANSWER_BYTES_MAX } from "../torrent/announce.ts"
import { METAINFO_BYTES_MAX } from "../torrent/metainfo.ts"
import { parseTrackerUrl, type TrackerUrl } from "../torrent/tracker-url.ts"

/** From the first step to the last byte of the answer: a stream alone may take 75 s. */
const QUESTION_MS = 120_000
/** For a torrent file of 12 MiB at 20 kB/s. */
const FETCH_MS = 600_000
/** Redirects followed, each inside I2P. */
const REDIRECTS_MAX = 3
/** Head of an answer. */
const HEAD_BYTES_MAX = 16 * 1_024
/** A whole destination and `.i2p`. */
const BASE64_HOST_FROM = 516

/** What every program over I2P says of itself, in this order: nobody is told apart by it. */
const FIELDS = ["User-Agent", "MYOB/6.66 (AN/ON)", "Accept-Encoding", "identity"] as const

/** A session that opens streams. */
export type Dialler = Pick<Session, "connect">

/**
 * Asks, and gives the body of the answer.
 *
 * @param url - Of the tracker, and path and query to ask for. What is no URL inside I2P is not followed.
 * @returns At most 256 KiB.
 * @throws {AlliumError} `BAD_TRACKER` for an answer that is none, or leads out of I2P; `NO_ANSWER`, `PEER_UNREACHABLE`.
 */
export async function askTracker(
  dialler: Dialler,
  url: { readonly tracker: string; readonly target: string },
  call: { signal: AbortSignal },
): Promise<Uint8Array> {
  const place = { ...requireUrl(url.tracker), path: url.target }
  return follow(dialler, place, { ...call, ms: QUESTION_MS, bytesMax: TRACKER_ANSWER_BYTES_MAX })
}

/**
 * Gets a torrent file from a site inside I2P.
 *
 * @returns At most 12 MiB.
 * @throws {AlliumError} As {@linkcode askTracker}.
 */
export async function fetchTorrent(
  dialler: Dialler,
  url: string,
  call: { signal: AbortSignal },
): Promise<Uint8Array> {
  return follow(dialler, requireUrl(url), { ...call, ms: FETCH_MS, bytesMax: METAINFO_BYTES_MAX })
}

interface Bounds {
  readonly signal: AbortSignal
  readonly ms: number
  readonly bytesMax: number
}

async function follow(dialler: Dialler, from: TrackerUrl, call: Bounds): Promise<Uint8Array> {
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(call.ms)])
  let place = from
  for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
    const answer = await ask(dialler, place, { ...call, signal })
    if (answer.kind === "body") return answer.bytes
    place = redirected(place, answer.location)
  }
  throw bad(`it leads on more than ${REDIRECTS_MAX} times`)
}

function requireUrl(text: string): TrackerUrl {
  const url = parseTrackerUrl(text)
  if (url === undefined) throw bad("it is no URL inside I2P")
  return url
}

function redirected(from: TrackerUrl, location: string): TrackerUrl {
  const to = location.startsWith("/") ? `http://${from.host}${location}` : location
  const url = parseTrackerUrl(to)
  if (url === undefined) throw bad("it leads out of I2P")
  return url
}

type Answer =
  | { readonly kind: "body"; readonly bytes: Uint8Array }
  | { readonly kind: "redirect"; readonly location: string }

async function ask(dialler: Dialler, place: TrackerUrl, call: Bounds): Promise<Answer> {
  const { signal } = call
  try {
    const stream = await dialler.connect(dialName(place.host), { signal, toPort: place.port })
    const connection = new StreamSocket(stream, { lingerMs: 0 })
    connection.on("error", () => {}) // the request is told
    try {
      return await read(await get(connection, place, signal), call.bytesMax)
    } finally {
      connection.destroy()
    }
  } catch (error) {
    if (isAlliumError(error) || !(error instanceof Error)) throw error
    if (signal.aborted) throw late(signal)
    throw new AlliumError("BAD_TRACKER", "Cannot ask tracker: its answer broke off", {
      cause: error,
    })
  }
}

/** SAM takes a destination without the `.i2p` that URLs put behind it. */
function dialName(host: string): string {
  return host.length > BASE64_HOST_FROM ? host.slice(0, -".i2p".length) : host
}

function get(connection: StreamSocket, place: TrackerUrl, signal: AbortSignal) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const asked = request({
      createConnection: () => connection as never,
      ...{ method: "GET", path: place.path, host: place.host, signal },
      headers: ["Host", hostField(place), ...FIELDS, "Connection", "close"] as never,
      ...{ setHost: false, maxHeaderSize: HEAD_BYTES_MAX, insecureHTTPParser: false },
    })
    asked.on("response", resolve)
    asked.on("error", reject)
    asked.once("close", () => reject(bad("it closed without a word")))
    asked.end()
  })
}

function hostField({ host, port }: TrackerUrl): string {
  return port === 80 ? host : `${host}:${port}`
}

async function read(answer: IncomingMessage, bytesMax: number): Promise<Answer> {
  const { statusCode = 0, headers } = answer
  if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined)
    return { kind: "redirect", location: headers.location }
  if (statusCode !== 200) throw bad(`it says ${statusCode}`)
  const coding = headers["content-encoding"] ?? "identity"
  if (coding !== "identity") throw bad("it is compressed, though not asked to be")
  return { kind: "body", bytes: await readBody(answer, bytesMax) }
}

async function readBody(answer: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const parts: Buffer[] = []
  let byteCount = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    byteCount += part.length
    if (byteCount > bytesMax) throw bad("it is too long")
    parts.push(part)
  }
  return new Uint8Array(Buffer.concat(parts))
}

function late(signal: AbortSignal): AlliumError {
  const ranOut = (signal.reason as Error | undefined)?.name === "TimeoutError"
  if (ranOut) return new AlliumError("NO_ANSWER", "Cannot ask tracker: no answer came in time")
  return new AlliumError("ABORTED", "Cannot ask tracker: it is no longer needed")
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_TRACKER", `Cannot ask tracker: ${found}`)
}

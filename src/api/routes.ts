/**
 * The routes: `GET /v1`, `GET /v1/events`, `GET /metrics`, `POST /v1/<words of a verb>`.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { EventBus } from "../router/events.ts"
import type { Progress } from "../router/offer.ts"
import type { OfferBook } from "../router/offers.ts"
import { type MeteredTunnel, writePrometheus } from "../router/tunnel-metrics.ts"
import { EventStream, failureOf, sendJson, sendText } from "./answer.ts"
import { readJson } from "./body.ts"
import type { Listing } from "./protocol.ts"

/** Progress is told at most this often; the last word always comes. */
const PROGRESS_EVERY_MS = 100
/** Names in one subscription. */
const NAMES_MAX = 64

/** What the routes lead to. */
export interface Rooms {
  readonly offers: OfferBook
  readonly events: EventBus
  readonly clock: Clock
  /** A sentence while the network is embedded. */
  readonly banner: () => string | undefined
  readonly stallMsMax: number
}

/** One request on its way. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Aborts when the caller goes away or the router stops. */
  readonly signal: AbortSignal
}

/**
 * Answers one request that has passed the gate; resolves when the answer is written.
 *
 * @throws {AlliumError} Only while nothing has been sent.
 */
export async function answer(exchange: Exchange, rooms: Rooms): Promise<void> {
  const { method, url = "" } = exchange.request
  const [path = "", query = ""] = url.split("?", 2)
  if (method === "GET" && path === "/v1") return sendListing(exchange, rooms)
  if (method === "GET" && path === "/v1/events") return sendEvents(exchange, rooms, query)
  if (method === "GET" && path === "/metrics") return sendMetrics(exchange, rooms)
  const verb = /^\/v1\/([a-z0-9/-]+)$/.exec(path)?.[1]?.replaceAll("/", " ")
  if (method === "POST" && verb !== undefined) return runOffer(exchange, rooms, verb)
  if (
    ["/v1", "/v1/events", "/metrics"].includes(path) ||
    (verb !== undefined && rooms.offers.has(verb))
  )
    throw new AlliumError("METHOD_NOT_ALLOWED", `Cannot answer: ${method} is not for this path`)
  throw new AlliumError("NOT_FOUND", "Cannot answer: there is nothing at this path")
}

function sendListing({ response }: Exchange, { offers, banner }: Rooms): void {
  const warning = banner()
  const listing: Listing = {
    network: warning === undefined ? "i2p" : "embedded",
    ...(warning !== undefined && { banner: warning }),
    offers: offers.list(),
  }
  sendJson(response, 200, listing)
}

/** Numbers of every tunnel, for Prometheus. */
async function sendMetrics({ response, signal }: Exchange, { offers }: Rooms): Promise<void> {
  const made = await offers.run("tunnel list", {}, { signal, progress: () => {} })
  const tunnels = "document" in made ? (made.document as MeteredTunnel[]) : []
  sendText(response, "text/plain; version=0.0.4; charset=utf-8", writePrometheus(tunnels))
}

async function sendEvents(exchange: Exchange, rooms: Rooms, query: string): Promise<void> {
  const { request, signal } = exchange
  const names = new URLSearchParams(query).getAll("names").flatMap((list) => list.split(","))
  if (names.length > NAMES_MAX)
    throw new AlliumError("BAD_INPUT", `Cannot subscribe: over ${NAMES_MAX} names`)
  const after = rooms.events.readId(request.headersDistinct["last-event-id"]?.[0])
  const filter = { ...(names.length > 0 && { names }), ...(after !== undefined && { after }) }
  const events = rooms.events.subscribe(filter, { signal })
  const stream = openStream(exchange, rooms)
  stream.begin()
  for await (const { id, name, ...event } of events) {
    const data = JSON.stringify({ name, ...event })
    await stream.send({ event: name, id: rooms.events.writeId(id), data })
  }
  exchange.response.end()
}

async function runOffer(exchange: Exchange, rooms: Rooms, verb: string): Promise<void> {
  const { request, response, signal } = exchange
  const input = await readJson(request)
  const streamed = (request.headers.accept ?? "").includes("text/event-stream")
  if (streamed || (rooms.offers.has(verb) && rooms.offers.describe(verb).stream))
    return streamOffer(exchange, rooms, verb, input)
  const made = await rooms.offers.run(verb, input, { signal, progress: () => {} })
  if ("document" in made) sendJson(response, 200, made.document)
}

async function streamOffer(
  exchange: Exchange,
  rooms: Rooms,
  verb: string,
  input: unknown,
): Promise<void> {
  const { response, signal } = exchange
  const stream = openStream(exchange, rooms)
  const teller = tellProgress(stream, rooms.clock)
  try {
    const made = await rooms.offers.run(verb, input, { signal, progress: teller.tell })
    if ("documents" in made) await sendItems(stream, made.documents)
    teller.flush()
    await stream.send({
      event: "done",
      data: JSON.stringify("document" in made ? made.document : null),
    })
  } catch (thrown) {
    if (!stream.begun) throw thrown
    const error = toAlliumError(thrown)
    if (!response.closed) stream.trySend({ event: "error", data: JSON.stringify(failureOf(error)) })
    throw error
  } finally {
    if (stream.begun) response.end()
  }
}

async function sendItems(stream: EventStream, documents: AsyncIterable<unknown>): Promise<void> {
  stream.begin()
  for await (const document of documents)
    await stream.send({ event: "item", data: JSON.stringify(document) })
}

function openStream({ response, signal }: Exchange, { clock, stallMsMax }: Rooms): EventStream {
  return new EventStream(response, { clock, stallMsMax, signal })
}

/** The newest progress counts; older ones are left out when there are many or the reader is slow. */
function tellProgress(stream: EventStream, clock: Clock) {
  let latest: Progress | undefined
  let nextMs = 0
  const flush = () => {
    if (latest !== undefined) stream.trySend({ event: "progress", data: JSON.stringify(latest) })
    latest = undefined
  }
  const tell = (progress: Progress) => {
    latest = progress
    if (clock.monotonicMs() < nextMs || stream.behind) return
    nextMs = clock.monotonicMs() + PROGRESS_EVERY_MS
    flush()
  }
  return { tell, flush }
}

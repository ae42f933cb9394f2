/**
 * A tracker of our own, on a session of its own: announces and scrapes over HTTP, believed only about the destination
 * they come from.
 *
 * @see https://geti2p.net/en/docs/applications/bittorrent
 * @module
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import {
  AlliumError,
  answerWithPage,
  type Clock,
  Counters,
  decodeBase32,
  makeHttpServer,
  requestFault,
  type SamStream,
  Scope,
  type Session,
  StreamSocket,
  startWithoutListening,
  toAlliumError,
} from "allium/plugin"
import { decodeAnnounceQuery, encodeTrackerAnswer } from "../torrent/announce-query.ts"
import { RequestRate } from "./request-rate.ts"
import { decodeScrapeQuery, encodeScrape } from "./scrape.ts"
import { TRACKER_INTERVAL_S, TrackerSwarms } from "./tracker-swarms.ts"

/** Where announces go. */
export const ANNOUNCE_PATH = "/announce"
const SCRAPE_PATH = "/scrape"
/** A query with a whole destination has 900 characters. */
const HEAD_BYTES_MAX = 8 * 1_024
const LIMITS = {
  ...{ headBytesMax: HEAD_BYTES_MAX, headMs: 30_000, requestMs: 30_000, keepAliveMs: 5_000 },
}
/** After the answer the asker closes; until then its last bytes may be on their way. */
const LINGER_MS = 30_000
const IDLE_MS = 60_000
const STREAMS_MAX = 256
const STREAMS_PER_PEER_MAX = 8
/** A peer with many torrents announces all of them at its start. */
const RATE = { each: { burst: 64, perSecond: 0.5 }, all: { burst: 512, perSecond: 64 } }
const SWEEP_MS = 60_000

/** A tracker that answers. */
export interface TrackerServer extends AsyncDisposable {
  /** Torrents and peers it knows now, and what it has counted: `announces`, `scrapes`, `refused`. */
  report(): { torrents: number; peers: number; counts: Readonly<Record<string, number>> }
}

/** What {@linkcode openTrackerServer} needs. */
export interface TrackerServerOptions {
  /** Stays its owner's; nobody else reads its `incoming`. */
  readonly session: Session
  /** Which torrents are tracked. */
  readonly admits: (infohash: Uint8Array) => boolean
  readonly clock: Clock
  readonly chance: () => number
}

/** Answers until it is closed. */
export function openTrackerServer(options: TrackerServerOptions): TrackerServer {
  const scope = new Scope()
  const swarms = new TrackerSwarms(options)
  const desk = new Desk(swarms, new RequestRate(options.clock, RATE))
  const server = makeHttpServer(LIMITS)
  server.timeout = IDLE_MS
  server.on("request", (request: IncomingMessage, response: ServerResponse) =>
    desk.answer(request, response),
  )
  startWithoutListening(server)
  const sweeping = setInterval(() => swarms.sweep(), SWEEP_MS).unref()
  scope.defer(() => {
    clearInterval(sweeping)
    server.close()
    desk.close()
  })
  void takeStreams(options.session, server, desk, scope.signal).catch(() => {}) // the session closed
  return {
    report: () => ({
      torrents: swarms.torrentCount,
      peers: swarms.peerCount,
      counts: desk.counters.read(),
    }),
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

async function takeStreams(session: Session, server: Server, desk: Desk, signal: AbortSignal) {
  for await (const stream of session.incoming) {
    if (signal.aborted) {
      stream.destroy()
      continue
    }
    const connection = new StreamSocket(stream, { lingerMs: LINGER_MS })
    connection.on("error", () => {}) // who vanishes gets no answer
    if (desk.enter(connection, stream)) server.emit("connection", connection)
    else connection.destroy()
  }
}

/** Who asks, and what they are told. */
class Desk {
  readonly counters = new Counters(["announces", "scrapes", "refused"])
  readonly #swarms: TrackerSwarms
  readonly #rate: RequestRate
  readonly #peers = new Map<Duplex, string>()

  constructor(swarms: TrackerSwarms, rate: RequestRate) {
    this.#swarms = swarms
    this.#rate = rate
  }

  /** `false`: too many streams, of this peer or of all. */
  enter(connection: Duplex, { peer: { b32 } }: SamStream): boolean {
    const own = [...this.#peers.values()].filter((other) => other === b32).length
    if (this.#peers.size >= STREAMS_MAX || own >= STREAMS_PER_PEER_MAX) return this.#refuse()
    this.#peers.set(connection, b32)
    connection.once("close", () => this.#peers.delete(connection))
    return true
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    response.sendDate = false
    try {
      const body = this.#bodyFor(request)
      response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": body.length })
      response.end(request.method === "HEAD" ? undefined : body)
    } catch (thrown) {
      answerWithPage({ request, response }, toAlliumError(thrown))
    }
  }

  close(): void {
    for (const connection of this.#peers.keys()) connection.destroy()
  }

  #bodyFor(request: IncomingMessage): Uint8Array {
    const from = this.#peers.get(request.socket)
    const fault = requestFault(request) ?? methodFault(request)
    if (fault !== undefined) throw fault
    if (from === undefined || !this.#rate.take(from)) {
      this.#refuse()
      return refusal("too many questions")
    }
    const [path = "", query = ""] = split(request.url ?? "")
    if (path === SCRAPE_PATH) return this.#scrape(query)
    if (path === ANNOUNCE_PATH || path === `${ANNOUNCE_PATH}.php` || path === "/a")
      return this.#announce(query, request, from)
    throw new AlliumError("NOT_FOUND", "Cannot answer: this is a tracker, ask /announce")
  }

  /** A proxy puts its visitor's name here, and its own destination is what we would take down. */
  #announce(query: string, { headers }: IncomingMessage, from: string): Uint8Array {
    this.counters.add("announces")
    if (headers["x-forwarded-for"] !== undefined) return refusal("ask without a proxy")
    const hash = decodeBase32(from.slice(0, 52))
    if (hash === undefined) return refusal("no destination")
    try {
      const answer = this.#swarms.announce(decodeAnnounceQuery(query), hash)
      if (answer.kind === "refused") this.#refuse()
      return encodeTrackerAnswer(answer)
    } catch {
      this.#refuse()
      return refusal("no infohash or no peer id")
    }
  }

  #scrape(query: string): Uint8Array {
    this.counters.add("scrapes")
    return encodeScrape(
      decodeScrapeQuery(query).flatMap((infohash) => {
        const counts = this.#swarms.counts(infohash)
        return counts === undefined ? [] : [[infohash, counts] as const]
      }),
    )
  }

  #refuse(): false {
    this.counters.add("refused")
    return false
  }
}

function split(target: string): [path: string, query: string] {
  const at = target.indexOf("?")
  return at < 0 ? [target, ""] : [target.slice(0, at), target.slice(at + 1)]
}

function methodFault({ method }: IncomingMessage): AlliumError | undefined {
  if (method === "GET" || method === "HEAD") return undefined
  return new AlliumError("METHOD_NOT_ALLOWED", "Cannot do that here: this is a tracker")
}

function refusal(reason: string): Uint8Array {
  return encodeTrackerAnswer({ kind: "refused", reason, intervalS: TRACKER_INTERVAL_S })
}

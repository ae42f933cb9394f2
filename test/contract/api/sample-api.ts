/**
 * A local API over the sample offers, and a plain client for it.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises"
import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
  request,
} from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { type ApiOptions, openApi } from "../../../src/api/api.ts"
import { systemClock } from "../../../src/base/clock.ts"
import { silentLog } from "../../../src/base/log.ts"
import { Scope } from "../../../src/base/scope.ts"
import { EventBus } from "../../../src/router/events.ts"
import { sampleOffers } from "./sample-offers.ts"

/** What came back, whole. */
export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** One request; JSON by default. */
export interface Ask {
  readonly method?: string
  readonly path: string
  readonly headers?: Record<string, string>
  readonly body?: string | Uint8Array
  readonly signal?: AbortSignal
}

/** Opens everything in a folder of its own; closing removes it. */
export async function openSampleApi(change: Partial<ApiOptions> = {}) {
  await using scope = new Scope()
  const folder = await mkdtemp(join(tmpdir(), "allium-api-"))
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  const { book, seen } = sampleOffers()
  const events = new EventBus({ clock: systemClock, epoch: "run1" })
  const socketPath = join(folder, "run", "api.sock")
  const defaults = { token: "right", log: silentLog, clock: systemClock, banner: () => undefined }
  const api = await openApi({ offers: book, events, socketPath, port: 0, ...defaults, ...change })
  scope.use(api)
  const doors = {
    socket: { socketPath, headers: { host: "allium" } },
    loopback: {
      host: "127.0.0.1",
      port: api.port,
      headers: { host: `127.0.0.1:${api.port}`, authorization: "Bearer right" },
    },
  }
  const owned = scope.move()
  return {
    api,
    folder,
    socketPath,
    events,
    seen,
    book,
    doors,
    start: (door: keyof typeof doors, ask: Ask) => start(doors[door], ask),
    ask: async (door: keyof typeof doors, ask: Ask) => readReply(await start(doors[door], ask)),
    [Symbol.asyncDispose]: () => owned.close(),
  }
}

/** Sends, and resolves with the answer's beginning. */
function start(door: RequestOptions, { body, headers, ...ask }: Ask): Promise<IncomingMessage> {
  const all = { ...(door.headers as object), "content-type": "application/json", ...headers }
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { method: "POST", agent: false, ...door, ...ask, headers: all },
      resolve,
    )
    outgoing.on("error", reject)
    outgoing.end(body ?? "")
  })
}

async function readReply(response: IncomingMessage): Promise<Reply> {
  const body = await text(response)
  return { status: response.statusCode ?? 0, headers: response.headers, body }
}

/**
 * One site that runs: a session of its own, and what answers on it.
 *
 * @module
 */
import {
  chooseBackend,
  openBackendAnswers,
  openGate,
  openStreamServer,
  type PluginContext,
  readWebServer,
  requestLimits,
  Scope,
  type Session,
  SpoolPlace,
  type StreamAnswers,
  type StreamServerLimits,
  toAlliumError,
} from "allium/plugin"
import { folderSite } from "./folder-site.ts"
import type { SiteReport } from "./offers.ts"
import type { SiteRecord } from "./site-record.ts"

/** Disk for WebSockets whose program reads slowly, in bytes, for one site. */
const SPOOL_BYTES_MAX = 256 * 2 ** 20
/** Requests to a folder have no body worth waiting for. */
const FOLDER_LIMITS: StreamServerLimits = { requestMs: 60_000, idleMs: 120_000 }
/** Uploads may be long, events rare. */
const BACKEND_LIMITS: StreamServerLimits = { requestMs: 0, idleMs: 3_600_000 }

/** A site that was opened, or says why it could not be. */
export interface Site extends AsyncDisposable {
  readonly record: SiteRecord
  report(): SiteReport
}

/** Opens a site; the session comes up by itself. Never rejects: a failure is part of the report. */
export async function openSite(context: PluginContext, record: SiteRecord): Promise<Site> {
  const scope = new Scope()
  try {
    const { clock, log } = context
    const watched = { clock, log, signal: scope.signal }
    const gate = await openGate(record.access, watched, requestLimits(record.access))
    const session = scope.use(await context.session({ name: record.id, keys: "persistent" }))
    const { answers, limits } = await answersFor(record, session, context, scope)
    const { incoming } = session
    const server = scope.use(openStreamServer({ incoming, answers, limits, gate }))
    scope.defer(
      session.watch(({ name }) => context.emit("state", { site: record.name, state: name })),
    )
    const report = () => {
      const { streams = 0, requests = 0 } = server.counters()
      return { ...describe(record, session), streams, requests }
    }
    return { record, report, [Symbol.asyncDispose]: () => scope.close() }
  } catch (thrown) {
    await scope.close()
    const { code, message } = toAlliumError(thrown)
    context.log.error("site.failed", { code })
    const nothing = { address: "", url: "", streams: 0, requests: 0 }
    const failed = { name: record.name, state: "failed", reason: message, shows: shown(record) }
    return { record, report: () => ({ ...nothing, ...failed }), async [Symbol.asyncDispose]() {} }
  }
}

async function answersFor(
  { shows, tagKey }: SiteRecord,
  session: Session,
  context: PluginContext,
  scope: Scope,
): Promise<{ answers: StreamAnswers; limits: StreamServerLimits }> {
  if (shows.kind === "folder") {
    const handle = folderSite({ ...shows, tagKey: Buffer.from(tagKey, "hex") })
    return {
      answers: { request: (...[request, response]) => handle(request, response) },
      limits: FOLDER_LIMITS,
    }
  }
  const { headBytesMax, ...chosen } = readWebServer(shows)
  const answers = openBackendAnswers({
    ...chosen,
    backend: await chooseBackend(shows.target, shows),
    host: shows.host ?? session.destination.b32,
    site: session.destination.b32,
    place: new SpoolPlace(context.folder, SPOOL_BYTES_MAX),
    signal: scope.signal,
  })
  scope.use(answers)
  return { answers, limits: { ...BACKEND_LIMITS, headBytesMax } }
}

function describe(record: SiteRecord, { destination, state }: Session) {
  const { b32 } = destination
  const url = `http://${b32}/`
  return { name: record.name, address: b32, url, state: state.name, shows: shown(record) }
}

function shown({ shows }: SiteRecord): string {
  return shows.kind === "folder" ? shows.folder : shows.target
}

/**
 * One site that runs: a session of its own, and what answers on it.
 *
 * @module
 */
import {
  type AlliumError,
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
import { DropRoom } from "./drop-folder.ts"
import { folderSite } from "./folder-site.ts"
import { DOOR_COOKIE, type Guest, openLock } from "./lock.ts"
import type { SiteReport } from "./offers.ts"
import { addressOf, readersOf, requireEncryption } from "./readers.ts"
import { receiveSite } from "./receive-site.ts"
import { shareSite } from "./share-site.ts"
import { isPrivate, type SiteRecord, shownAs } from "./site-record.ts"

/** Disk for WebSockets whose program reads slowly, in bytes, for one site. */
const SPOOL_BYTES_MAX = 256 * 2 ** 20
const MIB = 2 ** 20
/** Files of one form together, as many times the largest. */
const FORM_FILES = 4
/** Requests to a folder have no body worth waiting for. */
const FOLDER_LIMITS: StreamServerLimits = { requestMs: 60_000, idleMs: 120_000 }
/** Uploads may be long, events rare. */
const BACKEND_LIMITS: StreamServerLimits = { requestMs: 0, idleMs: 3_600_000 }

/** A site that was opened, or says why it could not be. */
export interface Site extends AsyncDisposable {
  report(): SiteReport
  /** Changes who comes in by a link, while it stands. */
  setGuests(guests: readonly Guest[]): void
  /** Why it could not be opened. */
  readonly failure?: AlliumError
}

/** What a site tells its owner. */
export interface SiteEvents {
  /** Whole downloads of each file of a share, and whether that was the last one. */
  counted(counts: readonly number[], isOver: boolean): void
}

/** Opens a site; the session comes up by itself. Never rejects: a failure is part of the report. */
export async function openSite(
  context: PluginContext,
  record: SiteRecord,
  events: SiteEvents,
): Promise<Site> {
  const scope = new Scope()
  try {
    const { clock, log } = context
    const watched = { clock, log, signal: scope.signal }
    const gate = await openGate(record.access, watched, requestLimits(record.access))
    const readers = readersOf(record)
    const session = scope.use(
      await context.session({ name: record.id, keys: "persistent", ...(readers && { readers }) }),
    )
    if (readers !== undefined) await requireEncryption(session, context)
    const opened = await answersFor(record, { session, context, scope, events })
    const { limits } = opened
    const key = Buffer.from(record.tagKey, "hex")
    const lock = isPrivate(record) ? openLock(opened.answers, record.guests, key) : undefined
    const answers = lock?.answers ?? opened.answers
    const { incoming } = session
    const server = scope.use(openStreamServer({ incoming, answers, limits, gate }))
    scope.defer(
      session.watch(({ name }) => context.emit("state", { site: record.name, state: name })),
    )
    const report = () => {
      const { connections: streams = 0, requests = 0 } = server.counters()
      return { ...describe(record, session), streams, requests }
    }
    const setGuests = (guests: readonly Guest[]) => lock?.setGuests(guests)
    return { report, setGuests, [Symbol.asyncDispose]: () => scope.close() }
  } catch (thrown) {
    await scope.close()
    const failure = toAlliumError(thrown)
    const { code, message } = failure
    context.log.error("site.failed", { code })
    const nothing = { address: "", url: "", streams: 0, requests: 0 }
    const failed = {
      name: record.name,
      state: "failed",
      reason: message,
      shows: shownAs(record.shows),
    }
    const report = () => ({ ...nothing, ...failed })
    return { report, failure, setGuests: () => {}, async [Symbol.asyncDispose]() {} }
  }
}

interface Opening {
  readonly session: Session
  readonly context: PluginContext
  readonly scope: Scope
  readonly events: SiteEvents
}

interface Opened {
  readonly answers: StreamAnswers
  readonly limits: StreamServerLimits
}

async function answersFor(record: SiteRecord, opening: Opening): Promise<Opened> {
  const { shows, tagKey, counts } = record
  const { context, events } = opening
  const key = Buffer.from(tagKey, "hex")
  if (shows.kind === "backend")
    return backendAnswers(shows, addressOf(record, opening.session), opening)
  if (shows.kind === "folder") {
    const handle = folderSite({ ...shows, tagKey: key })
    const answers: StreamAnswers = { request: (request, response) => handle(request, response) }
    return { answers, limits: FOLDER_LIMITS }
  }
  if (shows.kind === "share") {
    const answers = shareSite({
      ...{ files: shows.files, counts, downloadsMax: shows.downloads, tagKey: key },
      monotonicMs: () => context.clock.monotonicMs(),
      onDownload: events.counted,
    })
    return { answers, limits: FOLDER_LIMITS }
  }
  const answers = receiveSite({
    room: await DropRoom.open(shows.folder, shows.roomMib * MIB),
    title: shows.title,
    fileBytesMax: shows.fileMib * MIB,
    formBytesMax: shows.fileMib * FORM_FILES * MIB,
    now: () => context.clock.now(),
    onDrop: (files) => context.emit("drop", { files }),
  })
  return { answers, limits: BACKEND_LIMITS }
}

async function backendAnswers(
  shows: Extract<SiteRecord["shows"], { kind: "backend" }>,
  address: string,
  { context, scope }: Opening,
): Promise<Opened> {
  const { headBytesMax, ...chosen } = readWebServer(shows)
  const answers = openBackendAnswers({
    ...chosen,
    backend: await chooseBackend(shows.target, shows),
    host: shows.host ?? address,
    site: address,
    ownCookie: DOOR_COOKIE,
    place: new SpoolPlace(context.folder, SPOOL_BYTES_MAX),
    signal: scope.signal,
  })
  scope.use(answers)
  return { answers, limits: { ...BACKEND_LIMITS, headBytesMax } }
}

function describe(record: SiteRecord, session: Session) {
  const { name, shows } = record
  const { state } = session
  const address = addressOf(record, session)
  return { name, address, url: `http://${address}/`, state: state.name, shows: shownAs(shows) }
}

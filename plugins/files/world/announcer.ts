/**
 * One torrent and its trackers: told when we come, while we are there, when we have everything, and when we go.
 *
 * Every tier is announced to. Within a tier one tracker after the other is asked until one answers; it is asked first next
 * time (BEP 12). After that the tracker's interval is held; after failures, longer and longer waits.
 *
 * @see https://www.bittorrent.org/beps/bep_0012.html
 * @module
 */
import {
  Alarm,
  AlliumError,
  type Backoff,
  type Clock,
  type Log,
  openBackoff,
  Scope,
  Slots,
  toAlliumError,
} from "allium/plugin"
import type { Announce, TrackerAnswer } from "../torrent/announce.ts"
import type { PeerAddress } from "../torrent/peer-hash.ts"

/** First wait after a failure of all trackers of a tier, and the longest. */
const RETRY = { firstMs: 60_000, mostMs: 1_800_000 }
/** An interval is made longer by up to this part, so that programs started together part. */
const INTERVAL_JITTER = 0.1
/** How long saying goodbye may take. */
const GOODBYE_MS = 5_000
/** Questions of one torrent at once; others wait in line. */
const QUESTIONS_MAX = 4

/** What changes between announces. */
export type AnnounceFacts = Pick<Announce, "uploaded" | "downloaded" | "left" | "wanted">

/** What {@linkcode openAnnouncer} needs. */
export interface AnnouncerOptions {
  /** Announce URLs inside I2P. */
  readonly tiers: readonly (readonly string[])[]
  /** Asks one tracker. @throws {AlliumError} when nothing useful came. */
  readonly ask: (
    tracker: string,
    announce: AnnounceFacts & Pick<Announce, "event">,
    call: { signal: AbortSignal },
  ) => Promise<TrackerAnswer>
  /** How we stand now. */
  readonly facts: () => AnnounceFacts
  /** Told of peers; maybe ourselves among them. */
  readonly found: (peers: readonly PeerAddress[]) => void
  readonly clock: Clock
  readonly chance: () => number
  readonly log: Log
}

/** What is known of one tracker of a torrent. */
export interface TrackerReport {
  readonly url: string
  /** `asking`: no answer yet. */
  readonly state: "asking" | "answered" | "refused" | "failed"
  /** Code of the failure, or the tracker's own words. */
  readonly reason?: string
  /** Peers it named last, and those it counts. */
  readonly peers?: number
  readonly complete?: number
  readonly incomplete?: number
}

/** Announces until it is closed; closing says goodbye, for 5 s at most. */
export interface Announcer extends AsyncDisposable {
  /** The download is whole: who was told that we began hears it at once. */
  completed(): void
  report(): readonly TrackerReport[]
}

interface Tracker {
  readonly url: string
  /** It knows that we are there. */
  isTold: boolean
  /** It is still to hear that we have everything. */
  owesCompleted: boolean
  report: TrackerReport
}

/** Begins to announce. */
export function openAnnouncer(options: AnnouncerOptions): Announcer {
  const scope = new Scope()
  const tiers = options.tiers.map(
    (urls) => new Tier(shuffled(urls, options.chance), options, scope.signal),
  )
  const slots = new Slots(QUESTIONS_MAX)
  const running = tiers.map((tier) => tier.run(slots))
  let closing: Promise<void> | undefined
  const close = async () => {
    await scope.close()
    await Promise.all(running)
    await goodbye(
      tiers.flatMap(({ trackers }) => trackers),
      options,
    )
  }
  return {
    completed() {
      for (const tier of tiers) tier.completed()
    },
    report: () => tiers.flatMap(({ trackers }) => trackers.map(({ report }) => report)),
    [Symbol.asyncDispose]: () => {
      closing ??= close()
      return closing
    },
  }
}

/** BEP 12: the order within a tier is by chance, so that trackers share the load. */
function shuffled(urls: readonly string[], chance: () => number): string[] {
  return urls
    .map((url) => ({ url, place: chance() }))
    .sort((one, other) => one.place - other.place)
    .map(({ url }) => url)
}

class Tier {
  trackers: Tracker[]
  readonly #options: AnnouncerOptions
  readonly #signal: AbortSignal
  readonly #alarm = new Alarm()
  readonly #backoff: Backoff

  constructor(urls: readonly string[], options: AnnouncerOptions, signal: AbortSignal) {
    this.trackers = urls.map((url) => ({
      ...{ url, isTold: false, owesCompleted: false },
      report: { url, state: "asking" },
    }))
    this.#options = options
    this.#signal = signal
    this.#backoff = openBackoff({ ...RETRY, chance: options.chance })
  }

  async run(slots: Slots): Promise<void> {
    const call = { signal: this.#signal }
    try {
      for (;;) {
        const waitMs = await slots.take(() => this.#round(), call)
        await this.#alarm.wait({ ...call, clock: this.#options.clock, atMostMs: waitMs })
      }
    } catch (error) {
      const { code } = toAlliumError(error)
      if (!this.#signal.aborted) this.#options.log.error("announce.broken", { code })
    }
  }

  completed(): void {
    for (const tracker of this.trackers) tracker.owesCompleted = tracker.isTold
    this.#alarm.ring()
  }

  /** Asks until one answers. @returns How long to wait. */
  async #round(): Promise<number> {
    let refusedMs = 0
    for (const tracker of [...this.trackers]) {
      const answer = await this.#ask(tracker)
      this.#signal.throwIfAborted()
      const intervalMs = (answer?.intervalS ?? 0) * 1_000
      if (answer?.kind === "refused") refusedMs = Math.max(refusedMs, intervalMs)
      if (answer?.kind !== "peers") continue
      this.trackers = [tracker, ...this.trackers.filter((other) => other !== tracker)]
      this.#backoff.reset()
      return intervalMs * (1 + this.#options.chance() * INTERVAL_JITTER)
    }
    return Math.max(refusedMs, this.#backoff.next())
  }

  async #ask(tracker: Tracker): Promise<TrackerAnswer | undefined> {
    const { ask, facts, found, log } = this.#options
    const event = eventFor(tracker)
    try {
      const announce = { ...facts(), ...(event && { event }) }
      const answer = await ask(tracker.url, announce, { signal: this.#signal })
      tracker.report = reportOf(tracker.url, answer)
      if (answer.kind === "refused") return answer
      tracker.isTold = true
      if (event === "completed") tracker.owesCompleted = false
      found(answer.peers)
      return answer
    } catch (error) {
      const { code } = toAlliumError(error)
      if (!this.#signal.aborted) log.debug("tracker.failed", { code })
      tracker.report = { url: tracker.url, state: "failed", reason: code }
      return undefined
    }
  }
}

function eventFor({ owesCompleted, isTold }: Tracker): Announce["event"] {
  if (owesCompleted) return "completed"
  return isTold ? undefined : "started"
}

function reportOf(url: string, answer: TrackerAnswer): TrackerReport {
  if (answer.kind === "refused") return { url, state: "refused", reason: answer.reason }
  const { complete, incomplete, warning } = answer
  return {
    ...{ url, state: "answered", peers: answer.peers.length },
    ...(complete !== undefined && { complete }),
    ...(incomplete !== undefined && { incomplete }),
    ...(warning !== undefined && { reason: warning }),
  }
}

/** Tells everybody who knows of us that we go; whoever does not answer in time finds out by himself. */
async function goodbye(trackers: readonly Tracker[], options: AnnouncerOptions): Promise<void> {
  const told = trackers.filter(({ isTold }) => isTold)
  if (told.length === 0) return
  const end = new AbortController()
  const timer = setTimeout(
    () => end.abort(new AlliumError("TIMED_OUT", "Cannot take leave: time ran out")),
    GOODBYE_MS,
  )
  const announce = { ...options.facts(), wanted: 0, event: "stopped" as const }
  const over = new Promise<void>((resolve) => end.signal.addEventListener("abort", () => resolve()))
  const asked = told.map(({ url }) => options.ask(url, announce, { signal: end.signal }))
  await Promise.race([Promise.allSettled(asked), over])
  clearTimeout(timer)
}

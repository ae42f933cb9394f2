/**
 * The feeds a user subscribed to: visited one after the other, at times of chance, and never given up.
 *
 * @module
 */
import { z } from "zod"
import { Alarm } from "../../base/alarm.ts"
import type { Clock } from "../../base/clock.ts"
import { AlliumError, toAlliumError } from "../../base/errors.ts"
import type { Log } from "../../base/log.ts"
import type { Chance } from "../../base/random.ts"
import { Turns } from "../../base/turns.ts"
import type { StoreRoom, Table } from "../../store/store.ts"
import type { FeedAnswer, FeedMarks } from "./feed-get.ts"
import type { FeedCounts, FeedNames } from "./feed-names.ts"
import { type FeedUrl, requireFeedUrl } from "./feed-url.ts"

/** Feeds of one router: each is a site that learns that somebody visits it. */
const FEEDS_MAX = 32
/** Shortest and longest time between two visits; evenly by chance, so that nobody is known by their hours. */
const VISIT_AFTER_MS = 8 * 3_600_000
const VISIT_BEFORE_MS = 16 * 3_600_000
/** First and longest wait after a visit that failed. */
const RETRY_FIRST_MS = 600_000
const RETRY_MOST_MS = 12 * 3_600_000
/** After a start, by chance up to this: a start is not to be seen from outside. */
const START_MS = 600_000

const countsShape = z.object({
  added: z.number(),
  same: z.number(),
  changed: z.number(),
  removed: z.number(),
  conflicts: z.number(),
  rejected: z.number(),
})

const feedShape = z.object({
  etag: z.string().optional(),
  modified: z.string().optional(),
  /** Wall clock, milliseconds since 1970. */
  nextAt: z.number(),
  /** Last visit that succeeded. */
  lastAt: z.number().optional(),
  failures: z.number(),
  /** Why the last visit failed. */
  error: z.string().optional(),
  /** What the last visit with news came to. */
  counts: countsShape.optional(),
})
type Feed = z.output<typeof feedShape>

/** A feed as people see it. */
export type FeedReport = Partial<FeedCounts> & {
  readonly url: string
  readonly names: number
  readonly nextAt: number
  readonly lastAt?: number
  readonly error?: string
}

/** Visits a feed on a session that has no other use. */
export type VisitFeed = (
  place: FeedUrl,
  marks: FeedMarks,
  call: { signal: AbortSignal },
) => Promise<FeedAnswer>

/** What the keeper works with. */
export interface FeedKeeperParts {
  readonly store: StoreRoom
  readonly names: FeedNames
  readonly visit: VisitFeed
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

/** Reads which feeds there are. */
export async function openFeedKeeper(parts: FeedKeeperParts): Promise<FeedKeeper> {
  const table: Table<Feed> = parts.store.table("feeds", feedShape)
  const feeds = new Map<string, Feed>()
  for await (const [url, feed] of table.entries()) feeds.set(url, feed)
  return new FeedKeeper(parts, table, feeds)
}

/** Feeds and when they are visited. */
export class FeedKeeper {
  readonly #parts: FeedKeeperParts
  readonly #table: Table<Feed>
  readonly #feeds: Map<string, Feed>
  readonly #turns = new Turns()
  readonly #alarm = new Alarm()

  constructor(parts: FeedKeeperParts, table: Table<Feed>, feeds: Map<string, Feed>) {
    this.#parts = parts
    this.#table = table
    this.#feeds = feeds
  }

  async list(): Promise<FeedReport[]> {
    return Promise.all([...this.#feeds.keys()].sort().map((url) => this.#report(url)))
  }

  /** Adds a feed and visits it soon. @throws {AlliumError} `BAD_FEED`, `ALREADY_EXISTS`, `LIMIT_REACHED`. */
  async add(text: string): Promise<FeedReport> {
    const { url } = requireFeedUrl(text)
    if (this.#feeds.has(url))
      throw new AlliumError("ALREADY_EXISTS", "Cannot add feed: it is there already")
    if (this.#feeds.size >= FEEDS_MAX)
      throw new AlliumError("LIMIT_REACHED", `Cannot add feed: there are ${FEEDS_MAX} already`)
    await this.#keep(url, { nextAt: this.#parts.clock.now(), failures: 0 })
    this.#alarm.ring()
    return this.#report(url)
  }

  /** Forgets a feed and the names it told first; the others are read anew. @throws {AlliumError} `NOT_FOUND`. */
  async remove(text: string): Promise<FeedReport> {
    const url = this.#require(text)
    const report = await this.#report(url)
    await this.#parts.store.commit([this.#table.remove(url)])
    this.#feeds.delete(url)
    await this.#turns.take(() => this.#parts.names.forget(url))
    for (const [other, feed] of this.#feeds)
      await this.#put(other, { ...feed, etag: undefined, modified: undefined })
    return report
  }

  /**
   * Visits one feed, or all, now.
   * @throws {AlliumError} `NOT_FOUND`; with one feed, what the visit failed with.
   */
  async update(text: string | undefined, call: { signal: AbortSignal }): Promise<FeedReport[]> {
    const urls = text === undefined ? [...this.#feeds.keys()] : [this.#require(text)]
    for (const url of urls) {
      const failed = await this.#visit(url, call.signal)
      if (failed !== undefined && text !== undefined) throw failed
      call.signal.throwIfAborted()
    }
    return Promise.all(urls.filter((url) => this.#feeds.has(url)).map((url) => this.#report(url)))
  }

  /** Visits feeds when it is time, until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, chance } = this.#parts
    let atMostMs = START_MS * (0.1 + 0.9 * chance())
    while (!signal.aborted) {
      const stopped = await this.#alarm.wait({ signal, clock, atMostMs }).then(
        () => false,
        () => true,
      )
      if (stopped) return
      for (const url of this.#due()) if (!signal.aborted) await this.#visit(url, signal)
      atMostMs = this.#untilNextMs()
    }
  }

  /** A clock that was set back must not silence a feed for years. */
  #due(): string[] {
    const now = this.#parts.clock.now()
    const isDue = ({ nextAt }: Feed) => nextAt <= now || nextAt > now + VISIT_BEFORE_MS
    return [...this.#feeds].filter(([, feed]) => isDue(feed)).map(([url]) => url)
  }

  #untilNextMs(): number {
    const now = this.#parts.clock.now()
    const waits = [...this.#feeds.values()].map(({ nextAt }) => nextAt - now)
    return Math.max(1_000, Math.min(VISIT_BEFORE_MS, ...waits))
  }

  /** @returns What it failed with. */
  #visit(url: string, signal: AbortSignal): Promise<AlliumError | undefined> {
    return this.#turns.take(async () => {
      const feed = this.#feeds.get(url)
      if (feed === undefined || signal.aborted) return undefined
      try {
        const { etag, modified } = feed
        const answer = await this.#parts.visit(requireFeedUrl(url), { etag, modified }, { signal })
        await this.#succeeded(url, feed, answer)
        return undefined
      } catch (thrown) {
        const error = toAlliumError(thrown)
        if (!signal.aborted) await this.#failed(url, feed, error)
        return error
      }
    })
  }

  async #succeeded(url: string, feed: Feed, answer: FeedAnswer): Promise<void> {
    const { clock, chance, names, log } = this.#parts
    const now = clock.now()
    const nextAt = now + VISIT_AFTER_MS + chance() * (VISIT_BEFORE_MS - VISIT_AFTER_MS)
    const well = { nextAt, lastAt: now, failures: 0, error: undefined }
    if (answer.kind === "unchanged") return this.#put(url, { ...feed, ...well })
    const counts = await names.apply(url, answer.text, now)
    log.info("feed.read", { ...counts })
    await this.#put(url, { ...answer.marks, ...well, counts })
  }

  async #failed(url: string, feed: Feed, { code, message }: AlliumError): Promise<void> {
    const { clock, chance, log } = this.#parts
    const boundMs = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** Math.min(feed.failures, 30))
    const nextAt = clock.now() + boundMs * (1 - chance() / 2)
    log.warn("feed.failed", { code })
    const error = `${message} (${code})`
    await this.#put(url, { ...feed, nextAt, failures: feed.failures + 1, error })
  }

  /** Unless it was removed meanwhile. */
  async #put(url: string, feed: Feed): Promise<void> {
    if (this.#feeds.has(url)) await this.#keep(url, feed)
  }

  async #keep(url: string, feed: Feed): Promise<void> {
    this.#feeds.set(url, feed)
    await this.#parts.store.commit([this.#table.put(url, feed)])
  }

  async #report(url: string): Promise<FeedReport> {
    const { nextAt = 0, lastAt, error, counts } = this.#feeds.get(url) ?? {}
    const told = { ...(lastAt !== undefined && { lastAt }), ...(error !== undefined && { error }) }
    return { ...counts, url, names: await this.#parts.names.countOf(url), nextAt, ...told }
  }

  #require(text: string): string {
    const { url } = requireFeedUrl(text)
    if (this.#feeds.has(url)) return url
    throw new AlliumError("NOT_FOUND", "Cannot find feed: you have not added it")
  }
}

/**
 * What happens in the router, told to whoever listens.
 *
 * One ring of recent events serves everybody: a listener is only a place in it. So memory is bounded
 * by the ring however slow a listener is, and coming back with the last id seen is the same thing as
 * having been slow.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"

/** One event. `id` counts up by one from 1, without gaps. */
export interface RouterEvent {
  readonly id: number
  /** Milliseconds since 1970. */
  readonly at: number
  /** `<plugin>.<event>`. */
  readonly name: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Tells a listener how many events, of any name, went by unseen: `{ count }`. */
const EVENTS_MISSED = "events.missed"
/** Longest data of one event, as JSON: a message's text of 64 KiB fits, whatever must be escaped in it. */
export const EVENT_CHARS_MAX = 524_288
/** All data that is kept: the oldest events go first. */
const RING_CHARS_MAX = 4_194_304

/** Which events a listener wants. */
export interface EventFilter {
  /** Whole names, or `messages.*` for all of a plugin; every event when absent. */
  readonly names?: readonly string[]
  /** Begin after this id; only events to come when absent. */
  readonly after?: number
}

/** Bounded, in memory, for the life of the process. */
export class EventBus {
  readonly #clock: Pick<Clock, "now">
  readonly #epoch: string
  readonly #eventsMax: number
  readonly #ring: RouterEvent[] = []
  /** Characters of each event in the ring, and of all. */
  readonly #chars: number[] = []
  #charsKept = 0
  readonly #waiting = new Set<() => void>()
  #lastId = 0

  /**
   * @param options.epoch - Names this run of the router; letters and digits. Ids of another run are
   * not mistaken for ours.
   * @param options.eventsMax - How many events are kept, default 1,024 (and at most 4 Mi characters).
   */
  constructor(options: { clock: Pick<Clock, "now">; epoch: string; eventsMax?: number }) {
    this.#clock = options.clock
    this.#epoch = options.epoch
    this.#eventsMax = options.eventsMax ?? 1024
  }

  /**
   * Tells everybody. `data` is copied through JSON.
   *
   * @throws {TypeError} when JSON cannot hold it. @throws {RangeError} beyond {@linkcode EVENT_CHARS_MAX}.
   */
  emit(name: string, data: Readonly<Record<string, unknown>> = {}): void {
    const json = JSON.stringify(data)
    if (json.length > EVENT_CHARS_MAX)
      throw new RangeError(`Cannot emit ${name}: data has ${json.length} characters`)
    const id = ++this.#lastId
    this.#ring.push({ id, at: this.#clock.now(), name, data: JSON.parse(json) })
    this.#charsKept += json.length
    this.#chars.push(json.length)
    while (this.#ring.length > this.#eventsMax || this.#charsKept > RING_CHARS_MAX) this.#forget()
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  /**
   * Events from now on, or after `filter.after`. A listener that falls out of the ring gets one
   * `events.missed` and goes on with the oldest event kept. Ends when `signal` aborts.
   */
  subscribe(filter: EventFilter, call: { signal: AbortSignal }): AsyncIterable<RouterEvent> {
    return this.#follow(filter.after ?? this.#lastId, matcher(filter.names), call.signal)
  }

  /** The id as others see it, for {@linkcode EventBus.readId}. */
  writeId(id: number): string {
    return `${this.#epoch}-${id}`
  }

  /** Where to resume: the id, 0 (all that is kept) when it is of another run, or nothing at all. */
  readId(text: string | undefined): number | undefined {
    if (text === undefined) return undefined
    const [epoch, digits] = text.split("-")
    const id = epoch === this.#epoch && /^\d{1,15}$/.test(digits ?? "") ? Number(digits) : 0
    return Math.min(id, this.#lastId)
  }

  async *#follow(
    seen: number,
    wants: (name: string) => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<RouterEvent, void, undefined> {
    while (!signal.aborted) {
      const oldest = this.#ring[0]
      if (oldest !== undefined && seen < oldest.id - 1) {
        yield this.#missed(oldest.id - 1 - seen, oldest.id - 1)
        seen = oldest.id - 1
        continue // the ring may have moved on while the listener was busy
      }
      const event = oldest && this.#ring[seen + 1 - oldest.id]
      if (event === undefined) await this.#news(signal)
      else {
        seen = event.id
        if (wants(event.name)) yield event
      }
    }
  }

  #forget(): void {
    this.#ring.shift()
    this.#charsKept -= this.#chars.shift() ?? 0
  }

  #missed(count: number, id: number): RouterEvent {
    return { id, at: this.#clock.now(), name: EVENTS_MISSED, data: { count } }
  }

  #news(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", wake)
        this.#waiting.delete(wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener("abort", wake, { once: true })
    })
  }
}

function matcher(names: readonly string[] | undefined): (name: string) => boolean {
  if (names === undefined) return () => true
  const whole = new Set(names)
  const rooms = names.filter((name) => name.endsWith(".*")).map((name) => name.slice(0, -1))
  return (name) => whole.has(name) || rooms.some((room) => name.startsWith(room))
}

/**
 * The courier of one conversation: carries what waits to the contact, in order, until all of it is acknowledged.
 *
 * Woken by a new message and whenever the contact is reachable; otherwise it tries again by itself, at
 * longer and longer intervals. It gives up only what can never be delivered, and says why.
 *
 * @module
 */
import {
  Alarm,
  AlliumError,
  type Backoff,
  type Channel,
  type Clock,
  keepTrying,
  type Log,
  readRecords,
  toAlliumError,
  writeRecord,
} from "allium/plugin"
import { type Conversation, type Numbered, toHex } from "./conversation.ts"
import { ACK_IDS_MAX, ID_BYTES, readAck } from "./wire.ts"

/** How many messages may be under way unacknowledged: what one round trip of several seconds can carry. */
const FLIGHT_MESSAGES_MAX = 64
/** Bytes of text under way; beyond, the credit window of a link is full anyway. */
const FLIGHT_BYTES_MAX = 256 * 1024
/** No acknowledgement for so long, with messages under way: the channel is given up. */
const ACK_PATIENCE_MS = 90_000
/** An idle channel is kept so long, so that an answer finds it open. */
const LINGER_MS = 20_000
/** How long the contact may take to end its side after we have ended ours. */
const END_PATIENCE_MS = 10_000
/** Longest acknowledgement that is read: {@linkcode ACK_IDS_MAX} ids, and room for the rest. */
const ACK_BYTES_MAX = ACK_IDS_MAX * (ID_BYTES + 2) + 64

/** What a courier needs of the world. */
export interface CourierOptions {
  readonly conversation: Conversation
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  readonly backoff: Backoff
  /** Code of why nothing can be delivered to this contact any more; `undefined` while it can. */
  readonly hopeless: () => string | undefined
  /** Opens a channel to the contact. */
  readonly open: (call: { signal: AbortSignal }) => Promise<Channel>
  /** Told about messages that were delivered or failed; they are on disk. */
  readonly settled: (messages: readonly Numbered[]) => void
}

/** See the module. */
export class Courier {
  readonly #options: CourierOptions
  /** The contact may be reachable, or there is more to carry. */
  readonly #retry = new Alarm()
  /** While carrying: an acknowledgement or a new message came. */
  readonly #news = new Alarm()
  #running: Promise<void> | undefined

  constructor(options: CourierOptions) {
    this.#options = options
  }

  /** There is something to carry, or the contact is reachable now. */
  wake(): void {
    this.#retry.ring()
    this.#news.ring()
    if (this.#options.conversation.waitingCount > 0) this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    const { conversation, signal, log } = this.#options
    const failed = (error: unknown) =>
      log.debug("courier.again", { code: toAlliumError(error).code })
    while (conversation.waitingCount > 0 && !signal.aborted)
      await keepTrying(() => this.#attempt(), { ...this.#options, alarm: this.#retry, failed })
    this.#running = undefined
  }

  async #attempt(): Promise<"done" | "again"> {
    const { conversation, hopeless, open, signal, settled } = this.#options
    if (conversation.waitingCount === 0) return "done"
    const reason = hopeless()
    if (reason !== undefined)
      settled(await conversation.settle([...conversation.waiting()], { state: "failed", reason }))
    else await this.#carry(await open({ signal }))
    return conversation.waitingCount === 0 ? "done" : "again"
  }

  /** Owns the channel. Resolves when nothing waits any more; rejects when the channel is lost before. */
  async #carry(channel: Channel): Promise<void> {
    const { conversation, clock, signal, backoff } = this.#options
    const flight = new Flight(clock)
    const over = new AbortController()
    const end = () => channel.destroy()
    channel.on("error", () => {}) // told to the reader below, too
    signal.addEventListener("abort", end)
    const reading = this.#readAcks(channel, flight).finally(() => over.abort())
    reading.catch(() => {}) // awaited below, when the sender has ended
    try {
      await this.#send(channel, flight, over.signal)
      channel.end()
      await Promise.race([reading, clock.sleep(END_PATIENCE_MS, { signal: over.signal })])
    } catch (error) {
      channel.destroy()
      await reading // why the channel was lost says more than that it was
      if (conversation.waitingCount > 0) throw error
    } finally {
      channel.destroy()
      signal.removeEventListener("abort", end)
    }
    backoff.reset()
  }

  /** Sends until nothing came for a while; the channel stays open so long, for the next message. */
  async #send(channel: Channel, flight: Flight, signal: AbortSignal): Promise<void> {
    const { conversation, clock } = this.#options
    let last = 0
    for (;;) {
      const number = flight.hasRoom ? after(conversation, last) : undefined
      last = number ?? last
      if (number !== undefined) await this.#sendOne(channel, flight, number)
      else if (await this.#news.wait({ signal, clock, atMostMs: flight.patienceMs() })) continue
      else if (flight.size === 0) return
      else flight.requirePatience()
    }
  }

  async #sendOne(channel: Channel, flight: Flight, number: number): Promise<void> {
    const entry = await this.#options.conversation.get(number)
    if (entry === undefined) return void (await this.#options.conversation.settle([number], LOST))
    const { id, sequence, sentAt, text } = entry
    flight.add(id, number, Buffer.byteLength(text))
    await writeRecord(channel, { kind: "text", id, sequence, sentAt, text })
  }

  async #readAcks(channel: Channel, flight: Flight): Promise<void> {
    const { conversation, settled } = this.#options
    for await (const values of readRecords(channel, { bytesMax: ACK_BYTES_MAX })) {
      const ids = values.flatMap((value) => readAck(value).ids)
      const numbers = ids.map((id) => flight.take(id))
      settled(await conversation.settle(numbers, { state: "delivered" }))
      this.#news.ring()
    }
    if (flight.size > 0)
      throw new AlliumError("CHANNEL_RESET", "Cannot deliver: the contact ended the channel early")
  }
}

/** A message whose text is no longer in the history: there is nothing to send. */
const LOST = { state: "failed", reason: "NOT_FOUND" } as const

/** The first number in the outbox after `last`. */
function after(conversation: Conversation, last: number): number | undefined {
  for (const number of conversation.waiting()) if (number > last) return number
  return undefined
}

/** What is under way on one channel. */
class Flight {
  readonly #clock: Clock
  readonly #messages = new Map<string, { number: number; byteCount: number }>()
  #byteCount = 0
  #quietSinceMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#messages.size
  }

  get hasRoom(): boolean {
    return this.size < FLIGHT_MESSAGES_MAX && this.#byteCount < FLIGHT_BYTES_MAX
  }

  add(id: Uint8Array, number: number, byteCount: number): void {
    if (this.size === 0) this.#quietSinceMs = this.#clock.monotonicMs()
    this.#messages.set(toHex(id), { number, byteCount })
    this.#byteCount += byteCount
  }

  /** @throws {AlliumError} `BAD_RECORD`: only what is under way can be acknowledged. */
  take(id: Uint8Array): number {
    const message = this.#messages.get(toHex(id))
    if (message === undefined)
      throw new AlliumError("BAD_RECORD", "Cannot take acknowledgement: its message was not sent")
    this.#messages.delete(toHex(id))
    this.#byteCount -= message.byteCount
    this.#quietSinceMs = this.#clock.monotonicMs()
    return message.number
  }

  /** How long to wait on: for an acknowledgement, or for the next message when nothing is under way. */
  patienceMs(): number {
    if (this.size === 0) return LINGER_MS
    return Math.max(0, this.#quietSinceMs + ACK_PATIENCE_MS - this.#clock.monotonicMs())
  }

  requirePatience(): void {
    if (this.patienceMs() > 0) return
    throw new AlliumError("TIMED_OUT", "Cannot deliver: no acknowledgement came")
  }
}

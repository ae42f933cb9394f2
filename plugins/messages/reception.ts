/**
 * The receiving side of a `/messages/1` channel: to disk first, then the acknowledgement.
 *
 * @module
 */
import { type Channel, type Clock, readRecords, writeRecord } from "allium/plugin"
import type { Conversation, Numbered } from "./conversation.ts"
import { ACK_IDS_MAX, RECORD_BYTES_MAX, readText } from "./wire.ts"

/** Messages a contact may send at once before we slow it down: a whole queue of a long absence. */
const BURST_MESSAGES = 1_000
/** Messages a second afterwards: more than an I2P stream carries of real talk, less than fills a disk unseen. */
const MESSAGES_PER_SECOND = 100

/** What the receiver needs of the world. */
export interface ReceptionOptions {
  readonly conversation: Conversation
  readonly pace: Pace
  readonly signal: AbortSignal
  /** Told about new messages; they are on disk. */
  readonly received: (messages: readonly Numbered[]) => void
}

/**
 * Takes messages until the contact ends the channel.
 *
 * @throws {AlliumError} `BAD_RECORD`, `BAD_PACK` when the contact sends anything else, `STORE_FULL`, or why the
 * channel was lost. What was acknowledged until then is kept. The caller closes the channel.
 */
export async function receiveMessages(channel: Channel, options: ReceptionOptions): Promise<void> {
  for await (const values of readRecords(channel, { bytesMax: RECORD_BYTES_MAX }))
    for (let at = 0; at < values.length; at += ACK_IDS_MAX)
      await receiveSome(channel, values.slice(at, at + ACK_IDS_MAX), options)
}

async function receiveSome(
  channel: Channel,
  values: readonly unknown[],
  { conversation, pace, signal, received }: ReceptionOptions,
): Promise<void> {
  const records = values.map(readText)
  await pace.take(records.length, { signal })
  received(await conversation.receive(records))
  await writeRecord(channel, { kind: "ack", ids: records.map(({ id }) => id) })
}

/** A bucket of tokens: lets a burst through and then so many a second. Who waits reads nothing meanwhile. */
export class Pace {
  readonly #clock: Clock
  #tokens = BURST_MESSAGES
  #filledAtMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#filledAtMs = clock.monotonicMs()
  }

  /** Resolves when `count` more may come; `count` is at most the burst. */
  async take(count: number, call: { signal: AbortSignal }): Promise<void> {
    this.#fill()
    this.#tokens -= count
    if (this.#tokens < 0)
      await this.#clock.sleep((-this.#tokens / MESSAGES_PER_SECOND) * 1_000, call)
  }

  #fill(): void {
    const nowMs = this.#clock.monotonicMs()
    const fresh = ((nowMs - this.#filledAtMs) / 1_000) * MESSAGES_PER_SECOND
    this.#tokens = Math.min(BURST_MESSAGES, this.#tokens + fresh)
    this.#filledAtMs = nowMs
  }
}

/**
 * Finding a new stream for a link that lost its own.
 *
 * @module
 */
import { openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import { isAlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { RandomBytes } from "../base/random.ts"
import { callPeer, type ExchangeOptions, type LinkStream, underDeadline } from "./exchange.ts"
import { linkLostError } from "./link-errors.ts"
import type { StandingLink } from "./standing-link.ts"

/** Gives a new stream to the same destination. May fail; it is asked again, with back-off. */
export type Redial = (call: { signal: AbortSignal }) => Promise<LinkStream>

/** What recovery needs. */
export interface RecoverOptions extends Omit<ExchangeOptions, "signal"> {
  readonly redial: Redial
  readonly clock: Clock
  readonly log: Log
  readonly random: RandomBytes
  readonly handshakeMs: number
  /** Before the first try: the side that did not dial at first lets the other one begin. */
  readonly patienceMs: number
}

/** First and longest wait between two tries. */
const BACKOFF = { firstMs: 1_000, mostMs: 30_000 } as const

/**
 * Dials and resumes until it works; the link is attached then, which aborts `signal`.
 *
 * @throws {AlliumError} `LINK_LOST`, `PEER_MISMATCH` when trying again is of no use.
 */
export async function recoverLink(
  link: StandingLink,
  options: RecoverOptions,
  call: { signal: AbortSignal },
): Promise<void> {
  const backoff = openBackoff({ ...BACKOFF, chance: chanceFrom(options.random) })
  if (options.patienceMs > 0) await options.clock.sleep(options.patienceMs, call)
  while (!call.signal.aborted) {
    try {
      return await recoverOnce(link, options, call)
    } catch (error) {
      if (call.signal.aborted || isAlliumError(error, "LINK_LOST", "PEER_MISMATCH")) throw error
      options.log.debug("link.redial-failed", { code: toAlliumError(error).code })
    }
    await options.clock.sleep(backoff.next(), call)
  }
}

async function recoverOnce(
  link: StandingLink,
  options: RecoverOptions,
  call: { signal: AbortSignal },
): Promise<void> {
  const stream = await options.redial(call)
  const { clock, handshakeMs: timeoutMs } = options
  const { peer, linkId, received } = link
  const agreement = await underDeadline(stream, { clock, timeoutMs, ...call }, (signal) =>
    callPeer(stream, {
      ...options,
      expectedPeer: peer.identityKey,
      standing: { linkId, received },
      signal,
    }),
  )
  if (!call.signal.aborted && link.canResume(agreement.received))
    return link.attach(stream, agreement.received)
  stream.destroy()
  throw linkLostError("the other side resumes from where we never were")
}

/** A jitter need not be secret, but the source at hand is. */
function chanceFrom(random: RandomBytes): () => number {
  return () => new DataView(random(4).buffer).getUint32(0) / 2 ** 32
}

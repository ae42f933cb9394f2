/**
 * Dials contacts until a link stands, and again when it is lost.
 *
 * After a restart others hold our old LeaseSet and reach nobody, for minutes; they can dial in again
 * once the restarted side has dialled them. So every router dials its contacts, at once and always.
 *
 * @module
 */
import { type Backoff, openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import type { Chance } from "../base/random.ts"
import type { Link } from "../link/link.ts"
import type { Session } from "../sam/session.ts"

/** First waits are short: a dial right after a restart often fails, and one of the next succeeds. */
const FIRST_WAIT_MS = 3_000
/** An away contact is asked for about every five minutes. */
const MOST_WAIT_MS = 300_000
/** Who was here within the hour may come back any moment, on a new machine too. */
const MOST_WAIT_AFTER_LOSS_MS = 45_000
const AFTER_LOSS_MS = 3_600_000
const WAIT_GROWTH = 1.5

/** Keeps one link alive until `signal` aborts; then it resolves. */
export async function keepInTouch(options: {
  readonly session: Session
  readonly link: (call: { signal: AbortSignal }) => Promise<Link>
  readonly clock: Clock
  readonly chance: Chance
  readonly signal: AbortSignal
}): Promise<void> {
  const { session, clock, chance, signal } = options
  const backoff = openBackoff({
    firstMs: FIRST_WAIT_MS,
    mostMs: MOST_WAIT_MS,
    factor: WAIT_GROWTH,
    chance,
  })
  let lostMs = -Infinity
  while (!signal.aborted) {
    await session.ready({ signal })
    if (await holdOnce(options, backoff)) lostMs = clock.monotonicMs()
    const isRecent = clock.monotonicMs() - lostMs < AFTER_LOSS_MS
    const mostMs = isRecent ? MOST_WAIT_AFTER_LOSS_MS : MOST_WAIT_MS
    await sleepUntilUp(session, clock, { backoff, mostMs, signal })
  }
}

/** Dials and waits for the link's end; a failed dial is no news. @returns Whether a link stood. */
async function holdOnce(
  options: { link: (call: { signal: AbortSignal }) => Promise<Link>; signal: AbortSignal },
  backoff: Backoff,
): Promise<boolean> {
  try {
    const link = await options.link(options)
    backoff.reset()
    await link.closed
    return true
  } catch {
    return false // tried again after the wait; who waits for this contact is told by the call that failed
  }
}

/** Waits the back-off's time, or until the session has come up anew: then everything is worth a try. */
async function sleepUntilUp(
  session: Session,
  clock: Clock,
  { backoff, mostMs, signal }: { backoff: Backoff; mostMs: number; signal: AbortSignal },
): Promise<void> {
  const up = new AbortController()
  const unwatch = session.watch((state) => {
    if (state.name !== "up") return
    backoff.reset()
    up.abort()
  })
  try {
    await clock.sleep(Math.min(backoff.next(), mostMs), {
      signal: AbortSignal.any([signal, up.signal]),
    })
  } catch {
    // Woken early: by the session, or by the end, which the caller's loop sees.
  } finally {
    unwatch()
  }
}

/**
 * Connecting to a destination that may not be known yet: a new LeaseSet takes up to 90 s to be found.
 *
 * @module
 */
import { openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import type { Chance } from "../base/random.ts"
import type { SamStream, Session } from "../sam/session.ts"

/** How long {@linkcode dial} tries unless told otherwise. */
export const DIAL_WAIT_MS = 60_000

/**
 * Connects, trying again while the peer's LeaseSet is being found.
 *
 * @param address - What {@linkcode Session.connect} takes.
 * @throws {AlliumError} `PEER_UNREACHABLE` when `waitMs` is over, and at once what more tries cannot mend.
 */
export async function dial(
  session: Session,
  address: string,
  call: { signal: AbortSignal; waitMs?: number; toPort?: number },
  tools: { clock: Clock; chance: Chance },
): Promise<SamStream> {
  const { clock, chance } = tools
  const endMs = clock.monotonicMs() + (call.waitMs ?? DIAL_WAIT_MS)
  const backoff = openBackoff({ firstMs: 1_000, mostMs: 8_000, chance })
  const timeLimit = AbortSignal.any([call.signal, AbortSignal.timeout(call.waitMs ?? DIAL_WAIT_MS)])
  for (;;) {
    try {
      const { toPort } = call
      return await session.connect(address, {
        signal: timeLimit,
        ...(toPort !== undefined && { toPort }),
      })
    } catch (error) {
      if (call.signal.aborted) throw error
      if (timeLimit.aborted || clock.monotonicMs() >= endMs) throw unreachable(error)
      if (!isAlliumError(error, "PEER_UNREACHABLE", "NAME_NOT_FOUND")) throw error
    }
    await clock.sleep(backoff.next(), { signal: call.signal })
  }
}

function unreachable(cause: unknown): AlliumError {
  if (cause instanceof AlliumError && !isAlliumError(cause, "ABORTED", "TIMED_OUT")) return cause
  return new AlliumError("PEER_UNREACHABLE", "Cannot connect: the peer did not answer in time", {
    cause,
  })
}

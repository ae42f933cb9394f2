/**
 * Several destinations for one service: the one that answered last is asked first.
 *
 * @module
 */
import { AlliumError } from "../../base/errors.ts"
import type { SamStream, Session } from "../../sam/session.ts"
import type { TunnelContext } from "../tunnel.ts"

/** Where to dial. */
export interface DialSettings {
  readonly targets: readonly string[]
  readonly toPort: number
  /** For each target. */
  readonly waitMs: number
}

/**
 * Returns a function that connects to the first target that can be reached, beginning with the one that
 * answered last time. It throws the last target's error when none can.
 */
export function dialInTurn(
  context: TunnelContext,
  settings: DialSettings,
): (session: Session, signal: AbortSignal) => Promise<SamStream> {
  let preferred = 0
  return async (session, signal) => {
    const { targets, toPort, waitMs } = settings
    let failure: unknown = new AlliumError("NO_ANSWER", "Cannot connect: no destination was given")
    for (let turn = 0; turn < targets.length; turn++) {
      const index = (preferred + turn) % targets.length
      try {
        const stream = await context.dial(session, targets[index]!, { signal, waitMs, toPort })
        preferred = index
        return stream
      } catch (error) {
        if (signal.aborted) throw error
        failure = error
      }
    }
    throw failure
  }
}

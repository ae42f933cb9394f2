/**
 * Does the router still answer, and for our destination? Asked with `NAMING LOOKUP NAME=ME`, which every router
 * answers at once on the control socket; PING would kill sessions on i2pd.
 *
 * @module
 */
import { AlliumError, isAlliumError } from "../base/errors.ts"
import type { OpenedSession } from "./open-session.ts"
import { lookupRequest } from "./requests.ts"
import { within } from "./within.ts"

/** How often. */
export const HEARTBEAT_MS = 30_000
/** A heartbeat answered later than this is told to the log; twice this, and the bridge is dead. */
const LATE_MS = 10_000
/**
 * Asks until the session is over.
 *
 * @returns Never resolves; rejects with the signal's reason, or
 * @throws {AlliumError} `SESSION_LOST` when the session is a zombie: the router answers but another
 * destination is behind it, or it does not know its id; `BRIDGE_SILENT`, `BRIDGE_UNREACHABLE`.
 */
export async function watchSession(
  session: OpenedSession,
  call: { signal: AbortSignal; everyMs: number },
): Promise<never> {
  const { clock } = session.context
  const { signal } = call
  for (;;) {
    await clock.sleep(call.everyMs, { signal })
    await beat(session, signal)
  }
}

/** One heartbeat on the control socket. */
async function beat(session: OpenedSession, signal: AbortSignal): Promise<void> {
  const { clock, log } = session.context
  const answer = session.control.ask(lookupRequest("ME"), { signal, timeoutMs: 2 * LATE_MS })
  const late = () => new AlliumError("BRIDGE_SILENT", "Cannot hear heartbeat: it is late")
  const me = await within(answer, { clock, ms: LATE_MS, late }).catch((error) => {
    if (!isAlliumError(error, "BRIDGE_SILENT")) throw error
    log.warn("sam.heartbeat-late", { ms: LATE_MS })
    return answer
  })
  if (me.b32 === session.destination.b32) return
  const found = "router answers for another destination, expected ours"
  throw new AlliumError("SESSION_LOST", `Cannot keep session: ${found}`)
}

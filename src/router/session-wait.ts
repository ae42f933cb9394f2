/**
 * Waiting for a session: tunnels take 20 to 40 s to build, but a router that is not there is no reason to
 * wait so long.
 *
 * @module
 */
import { AlliumError, isAlliumError } from "../base/errors.ts"
import type { Session } from "../sam/session.ts"

/** A bridge that is away for longer is told to the user; a restart takes less. */
const BRIDGE_AWAY_MS = 10_000

/**
 * Resolves when the session is up.
 *
 * @throws {AlliumError} `BRIDGE_UNREACHABLE` when there has been no bridge for `bridgeAwayMs` (ten seconds), `SESSION_LOST`
 * after `waitMs`, or the signal's reason.
 */
export async function awaitSession(
  session: Session,
  call: { signal: AbortSignal; waitMs: number; bridgeAwayMs?: number },
): Promise<void> {
  const { signal, waitMs, bridgeAwayMs = BRIDGE_AWAY_MS } = call
  if (session.state.name === "up") return
  const patience = new AbortController()
  const late = setTimeout(() => patience.abort(stillBuilding()), waitMs).unref()
  let away: NodeJS.Timeout | undefined
  const look = () => {
    const { state } = session
    const isAway = state.name === "down" && isAlliumError(state.reason, "BRIDGE_UNREACHABLE")
    if (!isAway) clearTimeout(away)
    if (!isAway) away = undefined
    else away ??= setTimeout(() => patience.abort(state.reason), bridgeAwayMs).unref()
  }
  const stop = session.watch(look)
  try {
    look()
    await session.ready({ signal: AbortSignal.any([signal, patience.signal]) })
  } catch (error) {
    throw patience.signal.aborted ? patience.signal.reason : error
  } finally {
    stop()
    clearTimeout(late)
    clearTimeout(away)
  }
}

function stillBuilding(): AlliumError {
  const message = "Cannot reach site: your I2P router is still building tunnels"
  return new AlliumError("SESSION_LOST", message)
}

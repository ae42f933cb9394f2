/**
 * Has the router quietly buried the session?
 *
 * Keys used again within 5 s of closing (by a run of ours that crashed, by another program) give a
 * zombie on i2pd: SESSION CREATE, ACCEPT and NAMING LOOKUP ME all answer OK for ever, but 5 s later
 * the destination is gone. Measured on 2.45.1: what changes is CONNECT, to a stranger into INVALID_ID,
 * to ourselves from OK into CANT_REACH_PEER. So we connect to ourselves, where nothing leaves the router.
 *
 * @module
 */
import { AlliumError, isAlliumError, toAlliumError } from "../base/errors.ts"
import type { OpenedSession } from "./open-session.ts"
import { connectStream } from "./stream.ts"

/** While a zombie still lives. */
const BASELINE_MS = 1_500
/** When it has died. */
const PROBE_MS = 12_000
const AGAIN_MS = 5_000
/** One failure may be chance; so many in a row, after a success, are not. */
const FAILURES_MAX = 3
/** Later on, only INVALID_ID counts. */
const LATER_MS = 300_000

/**
 * Probes in the first half minute of a session, and every five minutes after that.
 *
 * @returns Never resolves; rejects with the signal's reason, or
 * @throws {AlliumError} `SESSION_LOST` when the session is a zombie.
 */
export async function probeSession(session: OpenedSession, signal: AbortSignal): Promise<never> {
  const { clock } = session.context
  await clock.sleep(BASELINE_MS, { signal })
  const begun = await reachesItself(session, signal)
  await clock.sleep(PROBE_MS - BASELINE_MS, { signal })
  // Newer i2pd refuses to connect to itself, so only a change tells something.
  if (begun) await requireStillReached(session, signal)
  for (;;) {
    await reachesItself(session, signal)
    await clock.sleep(LATER_MS, { signal })
  }
}

async function requireStillReached(session: OpenedSession, signal: AbortSignal): Promise<void> {
  for (let failures = 0; failures < FAILURES_MAX; failures++) {
    if (failures > 0) await session.context.clock.sleep(AGAIN_MS, { signal })
    if (await reachesItself(session, signal)) return
  }
  const found = "its destination reached itself and no longer does, expected it to live"
  throw new AlliumError("SESSION_LOST", `Cannot keep session: ${found}`)
}

/** @throws {AlliumError} `SESSION_LOST` when the router does not know the session. */
async function reachesItself(session: OpenedSession, signal: AbortSignal): Promise<boolean> {
  try {
    const stream = await connectStream(session, session.destination, { signal })
    stream.destroy()
    return true
  } catch (error) {
    if (signal.aborted || isAlliumError(error, "SESSION_LOST")) throw error
    session.context.log.debug("sam.probe", { code: toAlliumError(error).code })
    return false
  }
}

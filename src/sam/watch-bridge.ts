/**
 * Tells a slow bridge from a dead one while a long answer is awaited: a router that hangs keeps its
 * sockets open, and `SESSION CREATE` may take minutes.
 *
 * @module
 */
import { AlliumError, isAlliumError } from "../base/errors.ts"
import type { SamContext } from "./context.ts"
import { openConversation } from "./conversation.ts"

/** How often the bridge is asked. */
const WATCH_EVERY_MS = 30_000
/** Silent so often in a row, it is dead. */
const SILENT_TIMES_MAX = 2

/**
 * Says HELLO on a socket of its own every 30 s.
 *
 * @returns Never resolves; rejects with `BRIDGE_SILENT` or `BRIDGE_UNREACHABLE` when the bridge is dead,
 * and with the signal's reason when the watch shall end.
 */
export async function watchBridge(context: SamContext, signal: AbortSignal): Promise<never> {
  let failures = 0
  for (;;) {
    await context.clock.sleep(WATCH_EVERY_MS, { signal })
    try {
      const { conversation } = await openConversation(context, { signal })
      conversation.close()
      failures = 0
    } catch (error) {
      if (!isAlliumError(error, "BRIDGE_SILENT", "BRIDGE_UNREACHABLE") || signal.aborted)
        throw error
      context.log.warn("sam.bridge-does-not-answer", { code: error.code })
      if (++failures >= SILENT_TIMES_MAX) throw dead(error)
    }
  }
}

function dead(cause: AlliumError): AlliumError {
  const found = "bridge no longer says HELLO to anybody, expected it to be alive"
  return new AlliumError("BRIDGE_SILENT", `Cannot open session: ${found}`, { cause })
}

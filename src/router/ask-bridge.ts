/**
 * Questions to the bridge that belong to no session: what it is, and where a name leads.
 *
 * @module
 */
import { systemClock } from "../base/clock.ts"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import { silentLog } from "../base/log.ts"
import { EMBEDDED_MARKER_NAME, markerKeys } from "../bridge/marker.ts"
import type { BridgeAddress } from "../sam/bridge-address.ts"
import { type Greeted, openConversation } from "../sam/conversation.ts"
import { lookupRequest } from "../sam/requests.ts"

/** What answers at an address. */
export interface BridgeReport {
  /** SAM version: `3.1` on i2pd 2.45.1. */
  readonly version: string
  /** It is an embedded network, so not anonymous. */
  readonly embedded: boolean
}

/**
 * Greets a bridge, and asks whether it is an embedded network.
 *
 * @param call.patienceMs - For everything together; after it the bridge counts as silent.
 * @throws {AlliumError} `BRIDGE_UNREACHABLE`, `BRIDGE_SILENT`, `BRIDGE_BAD_REPLY`, `ABORTED`.
 */
export async function probeBridge(
  bridge: BridgeAddress,
  call: { signal: AbortSignal; patienceMs: number },
): Promise<BridgeReport> {
  const limit = AbortSignal.timeout(call.patienceMs)
  try {
    return await ask(bridge, { signal: AbortSignal.any([call.signal, limit]) })
  } catch (cause) {
    if (call.signal.aborted || !limit.aborted) throw cause
    const found = `no answer after ${call.patienceMs / 1_000} s, expected one at once`
    throw new AlliumError("BRIDGE_SILENT", `Cannot speak to SAM bridge: ${found}`, { cause })
  }
}

function ask(bridge: BridgeAddress, call: { signal: AbortSignal }): Promise<BridgeReport> {
  return withBridge(bridge, call, async ({ conversation, profile }) => {
    const found = await conversation.ask(lookupRequest(EMBEDDED_MARKER_NAME), call).catch(unknown)
    return {
      version: profile.version,
      embedded: found?.b32 === markerKeys().destination.b32,
    }
  })
}

/** Runs `ask` on a control socket of its own, closed afterwards. */
export async function withBridge<T>(
  bridge: BridgeAddress,
  call: { signal: AbortSignal },
  ask: (greeted: Greeted) => Promise<T>,
): Promise<T> {
  const greeted = await openConversation({ bridge, clock: systemClock, log: silentLog }, call)
  await using _ = greeted.conversation
  return await ask(greeted)
}

/** I2P routers do not know the marker; anything else that goes wrong is no answer at all. */
function unknown(error: unknown): undefined {
  if (isAlliumError(error, "NAME_NOT_FOUND", "BAD_NAME")) return undefined
  throw error
}

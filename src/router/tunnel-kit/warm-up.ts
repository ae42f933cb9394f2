/**
 * Opens a tunnel's session before anybody asks for it.
 *
 * @module
 */
import type { Meter } from "../../base/meter.ts"
import type { TunnelContext } from "../tunnel.ts"

/** Begins; a failure is counted and logged: the first connection tries again. */
export function warmUp(
  open: () => Promise<unknown>,
  { context, meter }: { context: Pick<TunnelContext, "log">; meter: Meter },
): void {
  open().catch((error) => context.log.warn("session.failed", { code: meter.fail(error) }))
}

/**
 * Tells listeners what becomes of tunnels: changes of state at once, numbers now and then.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import type { TunnelReport } from "./tunnel-host.ts"

/** Numbers are told at most this often, of all tunnels together: the ring of events is for more than these. */
const NUMBERS_EVERY_MS = 15_000

/** Where events go. */
export type Emit = (event: string, data: Readonly<Record<string, unknown>>) => void

/** Emits `tunnel.state` with what is nobody's secret: name, kind and state. */
export function tellState(emit: Emit, { name, kind, state }: TunnelReport): void {
  emit("tunnel.state", { name, kind, state })
}

/** Emits `tunnel.numbers`, one event for all tunnels whose numbers changed, until `signal` aborts. */
export async function tellNumbers(
  list: () => readonly TunnelReport[],
  emit: Emit,
  { clock, signal }: { readonly clock: Pick<Clock, "sleep">; readonly signal: AbortSignal },
): Promise<void> {
  const told = new Map<string, string>()
  while (!signal.aborted) {
    await clock.sleep(NUMBERS_EVERY_MS, { signal }).catch(() => {})
    const all = signal.aborted ? [] : list().map(numbersOf)
    const changed = all.filter((one) => told.get(one.name) !== JSON.stringify(one))
    told.clear()
    for (const one of all) told.set(one.name, JSON.stringify(one))
    if (changed.length > 0) emit("tunnel.numbers", { tunnels: changed })
  }
}

function numbersOf({ name, kind, sessions, counters, firstByte }: TunnelReport) {
  return { name, kind, sessions, counters, firstByte }
}

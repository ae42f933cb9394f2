/**
 * Faults that happen once, when they are called.
 *
 * @module
 */
import type { BridgeContext } from "./context.ts"
import type { BridgeServer } from "./server.ts"

/** Things that befall a bridge. */
export interface BridgeFaults {
  /** Cuts the open streams of one destination, or all; says how many. */
  cutStreams(b32?: string): number
  /** Cuts each open stream with this chance (0 to 1), decided by the bridge's seed. */
  dropStreams(share: number): number
  /** Closes the control sockets of a destination's sessions; says how many. */
  killSession(b32: string): number
  /** Closes the listener and every socket; the bridge is back, empty, after `downMs`. */
  restart(call?: { downMs?: number }): Promise<void>
}

/** Binds the faults to a running bridge. */
export function faultsOf(context: BridgeContext, server: BridgeServer): BridgeFaults {
  const { network } = context
  const openStreams = (b32?: string) =>
    [...network.endpoints].flatMap(({ destination, streams }) =>
      b32 === undefined || destination.b32 === b32 ? [...streams] : [],
    )
  const cutAll = (streams: ReturnType<typeof openStreams>) => {
    const once = new Set(streams)
    for (const stream of once) stream.cut()
    return once.size
  }
  return {
    cutStreams: (b32) => cutAll(openStreams(b32)),
    dropStreams: (share) =>
      cutAll([...new Set(openStreams())].filter(() => network.strikes(share))),
    killSession(b32) {
      const owners = [...server.connections].filter(
        ({ session }) => session?.endpoint.destination.b32 === b32,
      )
      for (const owner of owners) owner.destroy()
      return owners.length
    },
    restart: ({ downMs = 0 } = {}) => server.restart(downMs),
  }
}

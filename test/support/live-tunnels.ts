/**
 * Tunnels on the routers of `npm run testnet`, for live tests.
 *
 * @module
 */
import { systemClock } from "../../src/base/clock.ts"
import type { Scope } from "../../src/base/scope.ts"
import { dial } from "../../src/router/dial.ts"
import type { TunnelContext } from "../../src/router/tunnel.ts"
import { openSupervisedSession } from "../../src/sam/index.ts"
import type { FakeNetwork } from "./fake-session.ts"
import { openFakeTunnelContext } from "./fake-tunnel-context.ts"

/** SAM ports of the first and the last router; nothing outside `npm run testnet`. */
export function livePorts(): { near: number; far: number } | undefined {
  const words = (process.env.ALLIUM_TESTNET_SAM_PORTS ?? "").split(",").filter(Boolean)
  const [near, far] = [Number(words[0]), Number(words.at(-1))]
  return words.length < 2 ? undefined : { near, far }
}

/** What a tunnel on one router is given; dialling waits for a LeaseSet, as the router's own does. */
export async function liveContext(port: number, scope: Scope): Promise<TunnelContext> {
  const context = scope.use(await openFakeTunnelContext(liveSide(port)))
  const tools = { clock: systemClock, chance: Math.random }
  return { ...context, dial: (session, host, call) => dial(session, host, call, tools) }
}

/** Sessions of one router. */
function liveSide(port: number): FakeNetwork {
  const bridge = { host: "127.0.0.1", port }
  return {
    faults: { tailLoss: true },
    open: () => openSupervisedSession({ bridge, keys: "transient" }),
  }
}

/**
 * Torrents alive: what other rooms of the plugin may use.
 *
 * @module
 */

export { SwarmRegistry } from "./registry.ts"
export { openSwarm } from "./swarm.ts"
export { type RateSpan, Throttle } from "./throttle.ts"
export type * from "./types.ts"

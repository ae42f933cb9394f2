/**
 * The embedded network, as the rest of the house uses it.
 *
 * @module
 */
export { type EmbeddedBridge, type EmbeddedBridgeOptions, openEmbeddedBridge } from "./bridge.ts"
export { type EmbeddedMembership, openOrJoinEmbedded } from "./join.ts"
export { isEmbeddedBridge } from "./marker.ts"

/**
 * The embedded network, as the rest of the house uses it.
 *
 * @module
 */
export { type EmbeddedBridge, openEmbeddedBridge } from "./bridge.ts"

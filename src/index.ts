/**
 * The door for embedders: a router without API and command line.
 *
 * @module
 */
export { AlliumError, isAlliumError } from "./base/errors.ts"
export { type Log, type LogLevel, openLog } from "./base/log.ts"
export { type EmbeddedBridge, openEmbeddedBridge } from "./bridge/index.ts"
export type { RouterEvent } from "./router/events.ts"
export { createRouter, type Router, type RouterOptions } from "./router/router.ts"

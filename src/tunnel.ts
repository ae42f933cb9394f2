/**
 * The door for tunnel authors: the other end of a tunnel knows nothing of Allium.
 *
 * @module
 */
export { z } from "zod"
export { AlliumError, isAlliumError, toAlliumError } from "./base/errors.ts"
export type { Log } from "./base/log.ts"
export { Queue } from "./base/queue.ts"
export { relay } from "./base/relay.ts"
export { Scope } from "./base/scope.ts"
export {
  defineTunnel,
  type OpenTunnel,
  type TunnelContext,
  type TunnelKind,
} from "./router/tunnel.ts"
export type { SamStream, Session } from "./sam/session.ts"

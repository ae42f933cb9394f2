/**
 * The door for tunnel authors: the other end of a tunnel knows nothing of Allium.
 *
 * @module
 */
export { z } from "zod"
export * from "./base/access/index.ts"
export * from "./base/backend/index.ts"
export type { Clock } from "./base/clock.ts"
export { Counters } from "./base/counters.ts"
export { AlliumError, isAlliumError, toAlliumError } from "./base/errors.ts"
export { formatHostPort, type HostPort, isLoopback, parseHostPort } from "./base/host-port.ts"
export * from "./base/http/index.ts"
export { isHostName, readI2pHost } from "./base/i2p-host.ts"
export * from "./base/irc/index.ts"
export { listen } from "./base/listen.ts"
export type { Log } from "./base/log.ts"
export { Meter } from "./base/meter.ts"
export { Queue } from "./base/queue.ts"
export { relay } from "./base/relay.ts"
export { Scope } from "./base/scope.ts"
export { Spool, SpoolPlace } from "./base/spool.ts"
export { type RelayReport, spoolRelay } from "./base/spool-relay.ts"
export * from "./base/udp/index.ts"
export { type Credentials, openUserFile, readUserLine, type Users } from "./base/user-file.ts"
export { OwnSession, type OwnSessionRules } from "./router/own-session.ts"
export { awaitSession } from "./router/session-wait.ts"
export {
  type DatagramWish,
  defineTunnel,
  type FoundName,
  type OpenTunnel,
  type SessionWish,
  type TunnelContext,
  type TunnelKind,
} from "./router/tunnel.ts"
export * from "./router/tunnel-kit/index.ts"
export { type Way, type WayRules, Ways } from "./router/ways.ts"
export type { Datagram } from "./sam/datagram-format.ts"
export { type Destination, parseDestination } from "./sam/destination.ts"
export { isReaderKey } from "./sam/reader-keys.ts"
export type { SamStream, Session } from "./sam/session.ts"
export type { DatagramSession } from "./sam/supervised-datagrams.ts"

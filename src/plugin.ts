/**
 * The door for plugin authors: both ends of what a plugin speaks run Allium.
 *
 * @module
 */
export { z } from "zod"
export * from "./base/access/index.ts"
export { Alarm } from "./base/alarm.ts"
export * from "./base/backend/index.ts"
export { type Backoff, openBackoff } from "./base/backoff.ts"
export { decodeBase32, encodeBase32 } from "./base/base32.ts"
export type { Clock } from "./base/clock.ts"
export { Counters } from "./base/counters.ts"
export { AlliumError, isAlliumError, toAlliumError } from "./base/errors.ts"
export { syncFolder } from "./base/files.ts"
export { forget, isReturning, type Returning, writeAndForget } from "./base/forget.ts"
export { formatHostPort, type HostPort, isLoopback, parseHostPort } from "./base/host-port.ts"
export * from "./base/http/index.ts"
export { type KeepTryingOptions, keepTrying } from "./base/keep-trying.ts"
export type { Log } from "./base/log.ts"
export {
  PACK_LIMITS,
  type PackLimits,
  packValue as pack,
  unpackValue as unpack,
} from "./base/pack.ts"
export { Queue } from "./base/queue.ts"
export { readRecords, writeRecord } from "./base/records.ts"
export { relay } from "./base/relay.ts"
export { freeName, safeName } from "./base/safe-name.ts"
export { Scope } from "./base/scope.ts"
export { SpoolPlace } from "./base/spool.ts"
export { type RelayReport, spoolRelay } from "./base/spool-relay.ts"
export { Slots, Turns } from "./base/turns.ts"
export { contactQr as drawQr } from "./identity/contact-uri.ts"
export type { Contact } from "./identity/contacts.ts"
export { AGREEMENT_DOMAIN, type Identity } from "./identity/identity.ts"
export { verifySignature } from "./identity/keys.ts"
export type { Channel } from "./link/link.ts"
export { UploadBudget } from "./mail/mailbox/assembly.ts"
export { serveMailbox } from "./mail/mailbox/server.ts"
export { openTowerEngine, type TowerEngine } from "./mail/mailbox/tower/engine.ts"
export { MAILBOX_PROTOCOL } from "./mail/mailbox/wire.ts"
export type { LetterState, Reception } from "./mail/post/post.ts"
export type { ContactNews } from "./router/contact-news.ts"
export { type Offer, type OfferCall, offer, type Progress } from "./router/offer.ts"
export {
  type ArrivedLetter,
  type BackupPart,
  definePlugin,
  type LetterReport,
  type OwnSessionOptions,
  type PeerChannel,
  type Plugin,
  type PluginBlobs,
  type PluginContext,
  type PluginMail,
} from "./router/plugin.ts"
export type { Listener, Visit } from "./router/plugin-listen.ts"
export {
  formatTowerUri,
  parseTowerUri,
  type TowerAddress,
  type TowerInvitation,
} from "./router/tower-uri.ts"
export type { Destination } from "./sam/destination.ts"
export { encryptedAddress, newReaderKey, READERS_MAX } from "./sam/reader-keys.ts"
export type { SamStream, Session, SessionState } from "./sam/session.ts"
export type { Change, Journal, StoreRoom, Table } from "./store/store.ts"

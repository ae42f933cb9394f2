/**
 * The door for whoever wants to speak SAM v3 to an I2P router.
 *
 * @module
 */
export {
  type Address,
  type BlindedAddress,
  formatAddress,
  type HashAddress,
  parseAddress,
} from "./address.ts"
export { decodeBase64, encodeBase64 } from "./base64.ts"
export { type BridgeAddress, type BridgeTls, parseBridgeAddress } from "./bridge-address.ts"
export type { SamContext, SamOptions } from "./context.ts"
export type { AskCall, Conversation, TakePayload } from "./conversation.ts"
export { type DatagramOptions, type Datagrams, openDatagrams } from "./datagram.ts"
export {
  DATAGRAM_BYTES_MAX,
  type Datagram,
  type DatagramPorts,
  type DatagramStyle,
} from "./datagram-format.ts"
export { deriveDestinationKeys } from "./derive.ts"
export {
  type Destination,
  type KeyTypes,
  keyTypes,
  parseDestination,
  readDestination,
  signingKey,
  toB32,
} from "./destination.ts"
export { type Forwarding, openForward } from "./forward.ts"
export { generateDestination } from "./generate.ts"
export {
  COOL_DOWN_MS,
  type KeyGuard,
  type KeyHold,
  type KeyMemory,
  type KeyUse,
  openKeyGuard,
} from "./key-guard.ts"
export { LINE_BYTES_MAX, LineReader } from "./line-reader.ts"
export {
  formatPing,
  formatSamLine,
  parseSamLine,
  type SamLine,
  type SamLineFormat,
  SENT_LINE_BYTES_MAX,
} from "./message.ts"
export { lookupName } from "./names.ts"
export { type OpenedSession, type OpenSessionOptions, openSession } from "./open-session.ts"
export {
  type DestinationKeys,
  type OfflineSignature,
  readDestinationKeys,
  signedPart,
  writeDestinationKeys,
} from "./private-keys.ts"
export type { RouterProfile } from "./profile.ts"
export { redactSamLine } from "./redact.ts"
export type { Arrival, SamRequest } from "./requests.ts"
export type { ConnectCall, SamStream, Session, SessionState } from "./session.ts"
export type { I2cpOptions, SessionStyle } from "./session-options.ts"
export { acceptStream, connectStream, type StreamSession } from "./stream.ts"
export { addSubsession, type Subsession, type SubsessionOptions } from "./subsession.ts"
export {
  type DatagramSession,
  openSupervisedDatagrams,
  type SupervisedDatagramsOptions,
} from "./supervised-datagrams.ts"
export { openSupervisedSession, type SupervisedSessionOptions } from "./supervised-session.ts"

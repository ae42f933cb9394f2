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
export { LINE_BYTES_MAX, LineReader } from "./line-reader.ts"
export {
  formatPing,
  formatSamLine,
  parseSamLine,
  type SamLine,
  type SamLineFormat,
  SENT_LINE_BYTES_MAX,
} from "./message.ts"
export {
  type DestinationKeys,
  type OfflineSignature,
  readDestinationKeys,
  signedPart,
  writeDestinationKeys,
} from "./private-keys.ts"
export { redactSamLine } from "./redact.ts"
export type { ConnectCall, SamStream, Session, SessionState } from "./session.ts"

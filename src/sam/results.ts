/**
 * What a router's RESULT means to us: *the bridge is broken* and *that peer is away* are different codes.
 *
 * @see https://geti2p.net/en/docs/api/samv3#result
 * @module
 */
import type { ErrorCode } from "../base/error-codes.ts"
import { AlliumError } from "../base/errors.ts"
import type { SamLine } from "./message.ts"
import { redactMessage } from "./redact.ts"

/** RESULT to code. A request may know better, see {@linkcode failure}. */
export type ResultCodes = Readonly<Record<string, ErrorCode>>

const CODES: ResultCodes = {
  ALREADY_ACCEPTING: "BUSY",
  CANT_REACH_PEER: "PEER_UNREACHABLE",
  CONNECTION_REFUSED: "PEER_REFUSED",
  DUPLICATED_DEST: "DESTINATION_TAKEN",
  DUPLICATED_ID: "SESSION_ID_TAKEN",
  I2P_ERROR: "BRIDGE_FAILED",
  INVALID_ID: "SESSION_LOST",
  INVALID_KEY: "BAD_DESTINATION",
  KEY_NOT_FOUND: "NAME_NOT_FOUND",
  LEASESET_NOT_FOUND: "PEER_UNREACHABLE",
  NOVERSION: "BRIDGE_REFUSED",
  PEER_NOT_FOUND: "PEER_UNREACHABLE",
  TIMEOUT: "PEER_TIMED_OUT",
}

/**
 * The error a reply stands for.
 *
 * @param deed - What we wanted, such as "open session".
 * @param shown - The request, redacted.
 * @param codes - What some results mean in answer to this very request.
 */
export function failure(
  reply: SamLine,
  request: { deed: string; shown: string; codes?: ResultCodes },
): AlliumError {
  const result = reply.values.get("RESULT") ?? ""
  const code = request.codes?.[result] ?? CODES[result] ?? "BRIDGE_FAILED"
  const message = redactMessage(reply.values.get("MESSAGE") ?? "")
  const words = message === "" ? redactMessage(result) : `${redactMessage(result)} (${message})`
  const found = `router answered ${words} to ${request.shown}`
  return new AlliumError(code, `Cannot ${request.deed}: ${found}, expected OK`)
}

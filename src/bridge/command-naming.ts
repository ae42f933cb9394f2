/**
 * NAMING LOOKUP and DEST GENERATE.
 *
 * @module
 */

import { parseAddress } from "../sam/address.ts"
import { type Destination, parseDestination } from "../sam/destination.ts"
import type { SamLine } from "../sam/message.ts"
import type { BridgeContext, Caller } from "./context.ts"
import { generateKeys, padBase64, parseSignatureType } from "./keys.ts"
import { EMBEDDED_MARKER_NAME, markerKeys } from "./marker.ts"
import { formatReply, refuse } from "./replies.ts"

/** NAMING LOOKUP: ME, addresses of those alive, registered names, and the marker. */
export async function lookupName(
  caller: Caller,
  line: SamLine,
  context: BridgeContext,
): Promise<void> {
  const name = line.values.get("NAME") ?? ""
  const found = resolveName(name, caller, context)
  const isFound = typeof found !== "string"
  const values = {
    RESULT: isFound ? "OK" : found,
    NAME: name,
    VALUE: isFound ? found.base64 : undefined,
  }
  await caller.reply(formatReply("NAMING", "REPLY", { ...values, ...options(name, line, context) }))
}

/** How a process that joins learns where datagrams go. */
function options(name: string, line: SamLine, context: BridgeContext): Record<string, string> {
  const isAsked = line.values.get("OPTIONS") === "true" && context.traits.namingOptions
  return isAsked && name === EMBEDDED_MARKER_NAME ? { "OPTION:udp": `${context.udpPort()}` } : {}
}

type NameFailure = "KEY_NOT_FOUND" | "INVALID_KEY"

function resolveName(
  name: string,
  caller: Caller,
  context: BridgeContext,
): Destination | NameFailure {
  const { traits, knobs, network } = context
  const unknown = knobs.faults.has("nameNotFoundInvalidKey") ? "INVALID_KEY" : traits.nameNotFound
  if (name === EMBEDDED_MARKER_NAME) return markerKeys().destination
  if (name === "ME") {
    if (caller.session) return caller.session.endpoint.destination
    return traits.meWithoutSession ? markerKeys().destination : "INVALID_KEY"
  }
  const b32 = resolveTarget(name, context)
  if (b32 === undefined) return /^[^.\s]+(\.[^.\s]+)*\.i2p$/.test(name) ? unknown : "INVALID_KEY"
  const registered = network.names.get(name)
  if (registered !== undefined) return asDestination(registered, context) ?? unknown
  return network.find(b32)?.destination ?? asDestination(name, context) ?? unknown
}

/**
 * The address behind what CONNECT and SEND call DESTINATION.
 *
 * @param target - Base64 destination, `.b32.i2p` address, or a registered name.
 * @returns 60 characters, `.b32.i2p`; `undefined` for nothing any router could look for.
 */
export function resolveTarget(target: string, context: BridgeContext): string | undefined {
  const registered = context.network.names.get(target)
  if (registered !== undefined) return asDestination(registered, context)?.b32
  if (!target.toLowerCase().endsWith(".b32.i2p")) return asDestination(target, context)?.b32
  try {
    parseAddress(target)
    return target.toLowerCase()
  } catch {
    return undefined
  }
}

function asDestination(base64: string, { knobs }: BridgeContext): Destination | undefined {
  try {
    return parseDestination(knobs.faults.has("unpaddedRefused") ? base64 : padBase64(base64))
  } catch {
    return undefined
  }
}

/** DEST GENERATE; DSA unless SIGNATURE_TYPE says better, as the specification has it. */
export async function generateDestination(
  caller: Caller,
  line: SamLine,
  context: BridgeContext,
): Promise<void> {
  const type = parseSignatureType(line.values.get("SIGNATURE_TYPE"))
  if (type === undefined)
    return refuse(caller, context, "DEST", {
      RESULT: "I2P_ERROR",
      MESSAGE: "SIGNATURE_TYPE unsupported",
    })
  const { destination, privateBase64 } = generateKeys(type, context.random)
  const values = { PUB: destination.base64, PRIV: privateBase64 }
  await caller.reply(formatReply("DEST", "REPLY", values))
}

/**
 * What SESSION CREATE and ADD ask for, and the session that answers it.
 *
 * @module
 */
import { isIP } from "node:net"
import type { SamLine } from "../sam/message.ts"
import { asksForEncryption } from "../sam/reader-keys.ts"
import type { BridgeContext, Caller } from "./context.ts"
import { receiverOf } from "./datagrams.ts"
import { type DatagramStyle, type Endpoint, PROTOCOLS } from "./endpoint.ts"
import { Listener } from "./listener.ts"
import { parsePort } from "./replies.ts"
import type { BridgeSession, ForwardAddress } from "./session.ts"

/** Protocols of streams and repliable datagrams; RAW may not use them. */
const FORBIDDEN_PROTOCOLS = new Set([6, 17, 19, 20])

/** The options of one session, checked. */
export interface SessionShape {
  readonly style: string
  readonly isPrimary: boolean
  readonly fromPort: number
  readonly toPort: number
  /** `undefined`: not stated. */
  readonly listenPort: number | undefined
  readonly protocol: number
  readonly listenProtocol: number
  readonly header: boolean
  readonly forwardTo: ForwardAddress | undefined
}

/** Reads a SESSION line. @returns A sentence about what is wrong, for MESSAGE. */
export function describeSession(
  { values, subcommand }: SamLine,
  styles: ReadonlySet<string>,
): SessionShape | string {
  const style = values.get("STYLE") ?? ""
  if (!styles.has(style)) return "Unknown STYLE"
  if (asksForEncryption(values)) return "encrypted LeaseSets are not supported"
  const ports = ["FROM_PORT", "TO_PORT", "LISTEN_PORT"].map((key) => values.get(key))
  const numbers = ports.map((text) => (text === undefined ? 0 : parsePort(text)))
  if (numbers.includes(undefined)) return "a port is not a number from 0 to 65535"
  const protocol = readProtocol(values.get("PROTOCOL"))
  const listenProtocol = readProtocol(values.get("LISTEN_PROTOCOL") ?? values.get("PROTOCOL"))
  if (protocol === undefined || listenProtocol === undefined) return "PROTOCOL is not allowed"
  const forwardTo = readForward(values)
  if (typeof forwardTo === "string") return forwardTo
  const [fromPort = 0, toPort = 0, listenPort = 0] = numbers
  return {
    style,
    isPrimary: style === "PRIMARY" || style === "MASTER",
    fromPort,
    toPort,
    listenPort: subcommand === "ADD" ? (ports[2] === undefined ? fromPort : listenPort) : undefined,
    protocol,
    listenProtocol,
    header: values.get("HEADER") === "true",
    forwardTo: style === "STREAM" ? undefined : forwardTo,
  }
}

function readProtocol(text: string | undefined): number | undefined {
  if (text === undefined) return PROTOCOLS.RAW
  const protocol = /^\d{1,3}$/.test(text) ? Number(text) : 256
  return protocol > 255 || FORBIDDEN_PROTOCOLS.has(protocol) ? undefined : protocol
}

/** PORT=0 means no forwarding, as some clients send it. */
function readForward(values: ReadonlyMap<string, string>): ForwardAddress | string | undefined {
  const host = values.get("HOST") ?? "127.0.0.1"
  const text = values.get("PORT")
  if (text === undefined || text === "0") return undefined
  const port = parsePort(text)
  if (port === undefined) return "PORT is not a number from 0 to 65535"
  if (isIP(host) === 0 && host !== "localhost") return "Invalid IP Address in HOST"
  return { host, port }
}

/** Makes the session; it hears nothing until it is added. */
export function makeSession(
  id: string,
  shape: SessionShape,
  options: { caller: Caller; endpoint: Endpoint; context: BridgeContext; parent?: BridgeSession },
): BridgeSession {
  const { caller, endpoint, context, parent } = options
  const { traits, knobs, clock } = context
  const port = shape.listenPort
  const isStream = shape.style === "STREAM"
  return {
    id,
    style: shape.style,
    endpoint,
    connection: caller.number,
    parent,
    fromPort: shape.fromPort,
    toPort: shape.toPort,
    protocol: shape.protocol,
    listener: isStream ? new Listener({ port, traits, knobs, clock }) : undefined,
    receiver:
      isStream || shape.isPrimary
        ? undefined
        : receiverOf(shape as SessionShape & { style: DatagramStyle }, caller, context),
  }
}

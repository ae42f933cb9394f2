/**
 * How datagrams reach a client: over its control socket, or forwarded by UDP.
 *
 * @see https://geti2p.net/en/docs/api/samv3#datagrams
 * @module
 */
import { createHash } from "node:crypto"
import { encodeBase64 } from "../sam/base64.ts"
import type { BridgeContext, Caller } from "./context.ts"
import type { Datagram, DatagramStyle, Receiver } from "./endpoint.ts"
import { formatReply } from "./replies.ts"
import type { SessionShape } from "./session-shape.ts"

/** The receiving half of a datagram session. */
export function receiverOf(
  shape: SessionShape & { readonly style: DatagramStyle },
  caller: Caller,
  context: BridgeContext,
): Receiver {
  const { style, listenPort: port, listenProtocol: protocol, forwardTo } = shape
  const deliver = (datagram: Datagram) => {
    if (forwardTo === undefined) deliverOnSocket(datagram, caller, context)
    else context.sendUdp(forwarded(datagram, shape, caller, context), forwardTo)
  }
  return { style, port, protocol, deliver }
}

function deliverOnSocket(datagram: Datagram, caller: Caller, context: BridgeContext): void {
  const { style, payload, fromPort, toPort, protocol } = datagram
  const isRaw = style === "RAW"
  const tellsPorts = caller.version >= 2 && context.traits.ports
  const line = formatReply(isRaw ? "RAW" : "DATAGRAM", "RECEIVED", {
    DESTINATION: isRaw ? undefined : senderName(datagram, context),
    SIZE: payload.length,
    FROM_PORT: tellsPorts ? fromPort : undefined,
    TO_PORT: tellsPorts ? toPort : undefined,
    PROTOCOL: tellsPorts && isRaw ? protocol : undefined,
  })
  caller.deliver(line, payload)
}

function forwarded(
  datagram: Datagram,
  { header }: SessionShape,
  caller: Caller,
  context: BridgeContext,
): Uint8Array {
  const { style, payload, fromPort, toPort, protocol } = datagram
  if (style === "RAW" && !header) return payload
  const tellsPorts = caller.version >= 2 && context.traits.ports
  const ports = `FROM_PORT=${fromPort} TO_PORT=${toPort}`
  const raw = `${ports} PROTOCOL=${protocol}`
  const sender = senderName(datagram, context)
  const line = style === "RAW" ? raw : tellsPorts ? `${sender} ${ports}` : sender
  return Buffer.concat([Buffer.from(`${line}\n`), payload])
}

/** DATAGRAM3 names its sender by hash only: 44 characters; i2pd hands over the whole destination. */
function senderName({ style, from }: Datagram, { traits }: BridgeContext): string {
  return style === "DATAGRAM3" && traits.ports
    ? encodeBase64(createHash("sha256").update(from.bytes).digest())
    : from.base64
}

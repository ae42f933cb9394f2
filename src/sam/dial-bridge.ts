/**
 * The TCP or TLS connection to a bridge.
 *
 * @module
 */
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import { AlliumError } from "../base/errors.ts"
import type { BridgeAddress } from "./bridge-address.ts"
import { abortError } from "./within.ts"

/**
 * Connects. The socket writes at once (no Nagle) and ends both ways together, as streams of SAM do. Its
 * failures never become an uncaught exception; whoever listens for them is told.
 *
 * @returns A socket the caller owns.
 * @throws {AlliumError} `BRIDGE_UNREACHABLE`, `ABORTED`, `TIMED_OUT`.
 */
export async function dialBridge(
  bridge: BridgeAddress,
  call: { signal: AbortSignal },
): Promise<Socket> {
  if (call.signal.aborted) throw abortError(call.signal)
  const socket = bridge.tls ? openTls(bridge, bridge.tls) : openTcp(bridge)
  socket.on("error", () => {})
  try {
    await once(socket, bridge.tls ? "secureConnect" : "connect", { signal: call.signal })
    return socket
  } catch (cause) {
    socket.destroy()
    throw call.signal.aborted ? abortError(call.signal) : unreachable(bridge, cause)
  }
}

function openTcp({ host, port }: BridgeAddress): Socket {
  return connect({ host, port, noDelay: true, allowHalfOpen: false })
}

function openTls({ host, port }: BridgeAddress, tls: NonNullable<BridgeAddress["tls"]>): Socket {
  const { ca, serverName } = tls
  const socket = connectTls({
    host,
    port,
    ...(ca !== undefined && { ca }),
    ...(serverName !== undefined && { servername: serverName }),
  })
  return socket.setNoDelay(true)
}

function unreachable({ host, port }: BridgeAddress, cause: unknown): AlliumError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "no connection"
  const found = `nothing answers at ${host}:${port} (${code})`
  return new AlliumError("BRIDGE_UNREACHABLE", `Cannot reach SAM bridge: ${found}, expected one`, {
    cause,
  })
}

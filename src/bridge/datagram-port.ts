/**
 * The UDP side of the bridge: datagrams to send arrive here, and forwarded ones leave from here.
 *
 * @module
 */
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { isIPv6 } from "node:net"
import { receiveUdp } from "./command-datagram.ts"
import type { BridgeContext } from "./context.ts"
import { portProblem } from "./server.ts"

/** An open UDP port. */
export interface DatagramPort extends AsyncDisposable {
  readonly port: number
  readonly send: BridgeContext["sendUdp"]
}

/** Opens the port; 0 takes a free one. @throws {AlliumError} `EMBEDDED_PORT_TAKEN`. */
export async function openDatagramPort(
  context: BridgeContext,
  host: string,
  port: number,
): Promise<DatagramPort> {
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4")
  socket.bind(port, host)
  await once(socket, "listening").catch((error) => {
    socket.close()
    throw portProblem(error, port)
  })
  socket.on("error", () => context.log.warn("udp.failed"))
  socket.on("message", (message) => {
    if (context.knobs.faults.has("hang")) return
    if (!receiveUdp(message, context)) context.log.debug("udp.dropped", { bytes: message.length })
  })
  return {
    port: socket.address().port,
    send: (bytes, to) =>
      socket.send(bytes, to.port, to.host, (error) => {
        if (error) context.log.debug("udp.unsent", { bytes: bytes.length })
      }),
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  }
}

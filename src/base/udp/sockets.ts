/**
 * UDP sockets of this machine.
 *
 * @module
 */
import { createSocket, type Socket } from "node:dgram"
import { isIPv6 } from "node:net"
import { AlliumError } from "../errors.ts"
import { formatHostPort, type HostPort } from "../host-port.ts"

/** What a slow program may leave unread before datagrams for it are lost, in bytes, for each socket. */
export const UNSENT_BYTES_MAX = 1 << 20

/**
 * Opens a socket at an address; it belongs to the caller. With `peer` it hears that address only.
 *
 * @throws {AlliumError} `PORT_TAKEN`, `LISTEN_FAILED`.
 */
export function bindUdp(at: HostPort, peer?: HostPort): Promise<Socket> {
  const socket = createSocket(isIPv6(at.host) ? "udp6" : "udp4")
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException) => {
      socket.close()
      reject(cannotBind(at, error))
    }
    const ready = (error?: NodeJS.ErrnoException) => {
      if (error) return refuse(error)
      socket.off("error", refuse)
      resolve(socket)
    }
    socket.once("error", refuse)
    socket.bind({ address: at.host, port: at.port, exclusive: true }, () => {
      if (peer === undefined) ready()
      else socket.connect(peer.port, peer.host, ready)
    })
  })
}

/** Where it listens, as people type it. */
export function udpAddress(socket: Socket): string {
  const { address, port } = socket.address()
  return formatHostPort({ host: address, port })
}

function cannotBind(at: HostPort, error: NodeJS.ErrnoException): AlliumError {
  const taken = error.code === "EADDRINUSE"
  const found = taken ? "another program has this port" : `the system says ${error.code}`
  const message = `Cannot listen on UDP ${formatHostPort(at)}: ${found}`
  return new AlliumError(taken ? "PORT_TAKEN" : "LISTEN_FAILED", message, { cause: error })
}

/**
 * Listening on an address of this machine.
 *
 * @module
 */
import type { AddressInfo, Server } from "node:net"
import { AlliumError } from "./errors.ts"
import { formatHostPort, type HostPort } from "./host-port.ts"

/**
 * Resolves when `server` listens, with the address as people type it.
 *
 * @throws {AlliumError} `PORT_TAKEN` when another program has it; `LISTEN_FAILED` for everything else.
 */
export function listen(server: Server, at: HostPort): Promise<string> {
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException) => reject(cannotListen(at, error))
    server.once("error", refuse)
    server.listen({ ...at, exclusive: true }, () => {
      server.off("error", refuse)
      const { address, port } = server.address() as AddressInfo
      resolve(formatHostPort({ host: address, port }))
    })
  })
}

function cannotListen(at: HostPort, error: NodeJS.ErrnoException): AlliumError {
  const taken = error.code === "EADDRINUSE"
  const found = taken ? "another program has this port" : `the system says ${error.code}`
  const message = `Cannot listen on ${formatHostPort(at)}: ${found}`
  return new AlliumError(taken ? "PORT_TAKEN" : "LISTEN_FAILED", message, { cause: error })
}

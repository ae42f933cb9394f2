/**
 * Where a program of this machine listens: `8080`, `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/web.sock`.
 *
 * @module
 */
import { isAbsolute } from "node:path"
import { AlliumError } from "../errors.ts"
import { formatHostPort, type HostPort, parseHostPort } from "../host-port.ts"

/** A port, or a Unix socket by its absolute path. */
export type BackendAddress = HostPort | { readonly path: string }

/** Paths of Unix sockets; Linux takes 107 bytes, macOS 103. */
const SOCKET_PATH_BYTES_MAX = 103

/**
 * Reads such an address.
 *
 * @throws {AlliumError} `BAD_INPUT` also for another machine, unless `allowLan`.
 */
export function parseBackend(text: string, rules: { allowLan?: boolean } = {}): BackendAddress {
  if (!text.startsWith("unix:")) return parseHostPort(text, rules)
  const path = text.slice("unix:".length)
  if (!isAbsolute(path) || path.includes("\0") || Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX)
    throw new AlliumError(
      "BAD_INPUT",
      `Cannot use socket: expected unix: and an absolute path of at most ${SOCKET_PATH_BYTES_MAX} bytes`,
    )
  return { path }
}

/** As {@linkcode parseBackend} reads it. */
export function formatBackend(address: BackendAddress): string {
  return "path" in address ? `unix:${address.path}` : formatHostPort(address)
}

/**
 * Leads a stream to an IRC server of this machine, which is told who it is.
 *
 * @module
 */
import {
  type Backend,
  connectBackend,
  filterLines,
  type Lead,
  type SamStream,
  uniqueLocalFor,
} from "allium/tunnel"
import { readRegistration } from "./read-registration.ts"
import { filterClient, webircLine } from "./registration.ts"

/** The server. */
export interface IrcBackend {
  readonly backend: Backend
  /** With which the server believes us; without it, the host in USER is all we can say. */
  readonly webircPassword: string | undefined
}

/** The server is not bothered before the client says who it is; it hears of the client before it hears the client. */
export function leadToIrc(stream: SamStream, { backend, webircPassword }: IrcBackend): Lead {
  const { b32 } = stream.peer
  return async ({ signal, meter }) => {
    await readRegistration(stream, signal)
    const local = await connectBackend(backend, b32, signal)
    const isTrusted = webircPassword !== undefined
    if (isTrusted)
      local.write(`${webircLine(webircPassword, { b32, address: uniqueLocalFor(b32) })}\r\n`)
    return filterLines(local, {
      read: (line) => line,
      write: (line) => filterClient(line, isTrusted ? undefined : b32),
      onDropped: (count) => meter.add("dropped", count),
    })
  }
}

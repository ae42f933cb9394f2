/**
 * Leads each stream of a destination to a program of this machine, by its port.
 *
 * @module
 */
import { once } from "node:events"
import { AlliumError, type Backend, connectBackend, type Lead, type SamStream } from "allium/tunnel"
import { type PortRule, ruleFor } from "./port-rules.ts"

/** A client that is to speak first, and does not. */
const SILENT_CLIENT_MS = 30_000

/** Which programs there are. */
export interface TcpServerRules {
  /** The first that fits a stream's port counts; without a backend, or when none fits, the stream is refused. */
  readonly rules: readonly { port: PortRule["port"]; backend: Backend | undefined }[]
  readonly clientFirst: boolean
}

/** Where a stream leads. */
export function leadByPort(
  stream: SamStream,
  { rules, clientFirst }: TcpServerRules,
): Lead | undefined {
  const backend = ruleFor(rules, stream.toPort ?? 0)?.backend
  if (backend === undefined) return undefined
  return async ({ signal }) => {
    if (clientFirst) await firstWord(stream, signal)
    return connectBackend(backend, stream.peer.b32, signal)
  }
}

/** Waits until there is something to read; nothing is taken. @throws {AlliumError} `TOO_SLOW`. */
async function firstWord(stream: SamStream, signal: AbortSignal): Promise<void> {
  if (stream.readableLength > 0) return
  const patience = AbortSignal.any([signal, AbortSignal.timeout(SILENT_CLIENT_MS)])
  try {
    await once(stream, "readable", { signal: patience })
  } catch (cause) {
    throw new AlliumError("TOO_SLOW", "Cannot lead on: the client says nothing", { cause })
  }
}

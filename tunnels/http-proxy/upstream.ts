/**
 * The way to sites: one session, and connections kept for several requests.
 *
 * Everything that could tie two requests together hangs here; isolation is having more than one.
 *
 * @module
 */
import {
  AlliumError,
  isAlliumError,
  type SamStream,
  Scope,
  type SpoolPlace,
  StreamAgent,
  StreamSocket,
  type TunnelContext,
} from "allium/tunnel"

/** Streams to one site at a time, as many as browsers open. */
const STREAMS_PER_SITE_MAX = 8
const STREAMS_MAX = 256
/** Unused streams are closed before the site does: who closes first may lose nothing. */
const KEEP_MS = 30_000
/** The answer is complete by then; this only lets the site close first. */
const LINGER_MS = 5_000

/** A way to sites. */
export interface Upstream extends AsyncDisposable {
  readonly agent: StreamAgent
  /** A bare stream, for CONNECT. */
  dial(address: string, call: { port: number; signal: AbortSignal }): Promise<SamStream>
}

/** Opens a way; its session begins to open at once. */
export function openUpstream(
  context: TunnelContext,
  options: { place: SpoolPlace; waitMs: number },
): Upstream {
  const scope = new Scope()
  const { waitMs, place } = options
  const dial: Upstream["dial"] = async (address, { port, signal }) => {
    const session = await context.session({ keys: "transient" })
    const call = { signal, waitMs, toPort: port }
    return context.dial(session, address, call).catch((error) => {
      throw isAlliumError(error, "NAME_NOT_FOUND") ? notFound(error) : error
    })
  }
  const dialForAgent = async ({ host, port }: { host: string; port: number }) => {
    const stream = await dial(host, { port, signal: scope.signal })
    return new StreamSocket(stream, { place, lingerMs: LINGER_MS })
  }
  const agent = new StreamAgent(dialForAgent, {
    perHostMax: STREAMS_PER_SITE_MAX,
    totalMax: STREAMS_MAX,
    keepMs: KEEP_MS,
  })
  scope.defer(() => agent.destroy())
  return { agent, dial, [Symbol.asyncDispose]: () => scope.close() }
}

/** A router that finds no LeaseSet says "no such name"; here it was an address, so somebody is away. */
function notFound(cause: AlliumError): AlliumError {
  const message = "Cannot reach site: it was not found in the network"
  return new AlliumError("PEER_UNREACHABLE", message, { cause })
}

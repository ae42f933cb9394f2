/**
 * What hangs at a way to sites: connections kept for several requests, and bare streams.
 *
 * @module
 */
import {
  AlliumError,
  awaitSession,
  isAlliumError,
  type SamStream,
  type Session,
  type SpoolPlace,
  StreamAgent,
  StreamSocket,
  type TunnelContext,
  type Way,
  type WayRules,
  Ways,
} from "allium/tunnel"
import { ANY_OUTPROXY, type Outproxy, outproxyInTurn } from "./outproxy.ts"

/** Streams to one site at a time: what two or three browsers open. */
const STREAMS_PER_SITE_MAX = 16
/** Of one way, to all sites. */
const STREAMS_MAX = 256
/** Unused streams are closed before the site does: who closes first may lose nothing. */
const KEEP_MS = 30_000
/** The answer is complete by then; this only lets the site close first. */
const LINGER_MS = 5_000

/** What all ways of a proxy have in common. */
export interface WaySettings extends WayRules {
  /** How long to look for a site, once the session is up. */
  readonly waitMs: number
  /** How long to wait for the session. */
  readonly sessionWaitMs: number
  readonly outproxies: readonly Outproxy[]
  readonly place: SpoolPlace
  readonly onBytes: (bytesIn: number, bytesOut: number) => void
}

/** What hangs at each. */
interface Kit {
  readonly agent: StreamAgent
  /** A bare stream, for CONNECT. `host` is an address, or {@linkcode ANY_OUTPROXY}. */
  readonly dial: (host: string, call: { port: number; signal: AbortSignal }) => Promise<SamStream>
  destroy(): void
}

/** The ways of one proxy. */
export type SiteWays = Ways<Kit>
/** One of them, in use. */
export type SiteWay = Way<Kit>

/** Opens them; none stands yet. */
export function openWays(context: TunnelContext, settings: WaySettings): SiteWays {
  const { place, onBytes } = settings
  return new Ways(context, settings, (session) => {
    const dial = dialBy(context, settings, session)
    const agent = new StreamAgent(
      async ({ host, port }) => {
        const stream = await dial(host, { port, signal: context.signal })
        return new StreamSocket(stream, { place, onBytes, lingerMs: LINGER_MS })
      },
      { perHostMax: STREAMS_PER_SITE_MAX, totalMax: STREAMS_MAX, keepMs: KEEP_MS },
    )
    return { agent, dial, destroy: () => agent.destroy() }
  })
}

function dialBy(
  context: TunnelContext,
  { waitMs, sessionWaitMs, outproxies }: WaySettings,
  session: () => Promise<Session>,
): Kit["dial"] {
  const inTurn = outproxyInTurn(outproxies)
  return async (host, { port, signal }) => {
    const own = await session()
    await awaitSession(own, { signal, waitMs: sessionWaitMs })
    const dial = (to: Outproxy) =>
      context.dial(own, to.host, { signal, waitMs, toPort: to.port }).catch((error) => {
        throw isAlliumError(error, "NAME_NOT_FOUND") ? notFound(error) : error
      })
    return host === ANY_OUTPROXY ? inTurn(dial) : dial({ host, port })
  }
}

/** A router that finds no LeaseSet says "no such name"; here it was an address, so somebody is away. */
function notFound(cause: AlliumError): AlliumError {
  const message = "Cannot reach site: it was not found in the network"
  return new AlliumError("PEER_UNREACHABLE", message, { cause })
}

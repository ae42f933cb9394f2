/**
 * What hangs at a way of a `socks`: bare streams, and datagrams.
 *
 * @module
 */
import {
  awaitSession,
  type Meter,
  type ProxyRules,
  type SamStream,
  type TunnelContext,
  Ways,
} from "allium/tunnel"
import { WayDatagrams } from "./way-datagrams.ts"

/** What hangs at each. */
export interface WayKit {
  readonly dial: (host: string, call: { port: number; signal: AbortSignal }) => Promise<SamStream>
  readonly datagrams: WayDatagrams
  destroy(): void
}

/** The ways of one proxy. */
export type SocksWays = Ways<WayKit>

/** Opens them; none stands yet. */
export function openWays(
  context: TunnelContext,
  settings: ProxyRules & { readonly isPlain: boolean; readonly meter: Meter },
): SocksWays {
  const { waitMs, sessionWaitMs } = settings
  return new Ways(context, settings, (session, datagramSession) => {
    const dial: WayKit["dial"] = async (host, { port, signal }) => {
      const own = await session()
      await awaitSession(own, { signal, waitMs: sessionWaitMs })
      return context.dial(own, host, { signal, waitMs, toPort: port })
    }
    const datagrams = new WayDatagrams({ ...settings, context, session: datagramSession })
    return { dial, datagrams, destroy: () => datagrams.destroy() }
  })
}

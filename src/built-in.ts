/**
 * What comes with Allium: the only file that knows every plugin and every kind of tunnel.
 *
 * @module
 */
import { readFileSync } from "node:fs"
import type { Parts } from "./cli/commands/run.ts"
import type { OfferDescription } from "./router/offer-description.ts"

/**
 * The offers' descriptions, written by the build: zod and every plugin take five times as long to load as
 * all else that `allium --help` needs. In the source it holds `null`, and the build begins without one, so it is
 * never older than the code beside it.
 */
export const OFFERS_FILE = `${import.meta.dirname}/offers.json`

/** Everything that comes with Allium. */
export async function loadParts(): Promise<Parts> {
  const [{ messages }, { files }, { sites }, { tower }, ...kinds] = await Promise.all([
    import("../plugins/messages/index.ts"),
    import("../plugins/files/index.ts"),
    import("../plugins/sites/index.ts"),
    import("../plugins/tower/index.ts"),
    import("../tunnels/http-proxy/index.ts"),
    import("../tunnels/tcp-client/index.ts"),
    import("../tunnels/tcp-server/index.ts"),
    import("../tunnels/http-server/index.ts"),
    import("../tunnels/socks/index.ts"),
    import("../tunnels/irc-client/index.ts"),
    import("../tunnels/irc-server/index.ts"),
    import("../tunnels/udp-client/index.ts"),
    import("../tunnels/udp-server/index.ts"),
  ])
  const [{ httpProxy }, { tcpClient }, { tcpServer }, { httpServer }, ...more] = kinds
  const [{ socks }, { ircClient }, { ircServer }, { udpClient }, { udpServer }] = more
  const plugins = [messages, files, sites, tower]
  const chat = [ircClient, ircServer]
  const web = [httpProxy, tcpClient, tcpServer, httpServer, socks]
  return { plugins, tunnels: [...web, ...chat, udpClient, udpServer] }
}

/** What the command line offers while no router runs; a router tells its own. */
export async function builtInOffers(): Promise<readonly OfferDescription[]> {
  const built: OfferDescription[] | null = JSON.parse(readFileSync(OFFERS_FILE, "utf8"))
  return built ?? describeOffers()
}

/** The same, from the declarations. */
export async function describeOffers(): Promise<OfferDescription[]> {
  const { plugins, tunnels } = await loadParts()
  const { coreOffers } = await import("./router/core/index.ts")
  const { describeOffer } = await import("./router/offer-description.ts")
  const offers = [...coreOffers(tunnels), ...plugins.flatMap((plugin) => plugin.offers)]
  return offers.map(describeOffer)
}

/**
 * Before anything is sent: who asks, where the request goes, as whom, and how it looks there.
 *
 * @module
 */
import type { IncomingMessage } from "node:http"
import { AlliumError, type ExchangeTarget, readFields, requestFault } from "allium/tunnel"
import { type Isolation, isolationKey, loadingHost } from "./isolation.ts"
import { ANY_OUTPROXY, type Outproxy } from "./outproxy.ts"
import { fieldsForSite } from "./request-fields.ts"
import type { SiteNames } from "./site-names.ts"
import {
  formatAuthority,
  hostAgrees,
  type ProxyTarget,
  parseProxyUrl,
  type TargetRules,
} from "./target.ts"
import type { ProxyUsers } from "./users.ts"
import type { SiteWay, SiteWays } from "./ways.ts"

/** What decides over requests. */
export interface PlanSettings {
  readonly isolation: Isolation
  readonly users: ProxyUsers
  readonly outproxies: readonly Outproxy[]
}

/** Who asks for what. */
export interface Visit {
  readonly user: string | undefined
  readonly wanted: ProxyTarget
}

/** A request that may pass, and the way it takes; whoever has it releases that. */
interface Plan {
  readonly way: SiteWay
  readonly target: ExchangeTarget
}

/** Makes plans of requests. */
export class Plans {
  readonly rules: TargetRules
  readonly #names: SiteNames
  readonly #ways: SiteWays
  readonly #settings: PlanSettings

  constructor(names: SiteNames, ways: SiteWays, settings: PlanSettings) {
    this.rules = { allowOutside: settings.outproxies.length > 0 }
    this.#names = names
    this.#ways = ways
    this.#settings = settings
  }

  /** Who asks, when the request is sound and they may. */
  admit(request: IncomingMessage): string | undefined {
    const fault = requestFault(request) ?? methodFault(request)
    if (fault !== undefined) throw fault
    const { headers, socket } = request
    return this.#settings.users.admit(headers["proxy-authorization"], socket.remoteAddress ?? "")
  }

  wanted(request: IncomingMessage): ProxyTarget {
    const wanted = parseProxyUrl(request.url ?? "", this.rules)
    if (hostAgrees(request.headers.host, wanted)) return wanted
    throw new AlliumError("BAD_REQUEST", "Cannot open page: URL and Host field name two sites")
  }

  async plan(request: IncomingMessage, visit: Visit): Promise<Plan> {
    const { wanted } = visit
    const { typedHost, port, path, isOutside } = wanted
    const site = isOutside ? undefined : await this.#names.find(wanted.host)
    const saidHost = site === undefined || site.isPublic ? wanted.host : site.b32
    const raw = readFields(request.rawHeaders)
    const fields = fieldsForSite(raw, { typedHost, port, saidHost, isOutside })
    const way = await this.wayFor(request, visit)
    const { agent } = way
    if (site !== undefined)
      return { way, target: { agent, host: site.address, port, path, fields } }
    const url = `http://${formatAuthority(typedHost, port)}${path}`
    return { way, target: { agent, host: ANY_OUTPROXY, port, path: url, fields } }
  }

  /** The way of a request; whoever has it releases it. @throws {AlliumError} `SESSION_LIMIT`. */
  async wayFor(request: IncomingMessage, visit: Visit): Promise<SiteWay> {
    const { readerKey, host } = visit.wanted
    if (readerKey === undefined) return this.#ways.take(await this.#keyFor(request, visit))
    // A session reads with one key, so each guest of each encrypted site has a way, however isolation is set.
    const whose = visit.user === undefined ? "" : ` user ${visit.user}`
    return this.#ways.take(`reader ${readerKey} ${host}${whose}`, readerKey)
  }

  /** Requests of one site, or user, share a way; several names of one site are one. */
  async #keyFor(request: IncomingMessage, { user, wanted }: Visit): Promise<string> {
    const { isolation } = this.#settings
    if (isolation !== "site") return isolationKey(isolation, { user, site: "" })
    const host = loadingHost(request.headers) ?? wanted.host
    const known = host.endsWith(".i2p")
      ? await this.#names.known(host).catch(() => undefined)
      : undefined
    return isolationKey(isolation, { user, site: known?.b32 ?? host })
  }
}

function methodFault({ method }: IncomingMessage): AlliumError | undefined {
  if (method !== "TRACE") return undefined
  return new AlliumError("METHOD_NOT_ALLOWED", "Cannot trace: it would show what the proxy hides")
}

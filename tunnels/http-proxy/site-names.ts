/**
 * What the proxy knows of names: answers of the router, for a short while, and what a user let pass once.
 *
 * @module
 */
import {
  AlliumError,
  type FoundName,
  isAlliumError,
  parseDestination,
  type TunnelContext,
} from "allium/tunnel"

/** How long an answer is believed: a page asks for one name many times. */
const BELIEVED_MS = 10_000
const NAMES_MAX = 512

/** Where a site is. */
export interface Site extends FoundName {
  /** Its `.b32.i2p` name. */
  readonly b32: string
}

/** Names of one proxy. */
export class SiteNames {
  readonly #context: TunnelContext
  readonly #asked = new Map<string, { readonly site: Promise<Site>; readonly sinceMs: number }>()
  /** Confirmed by the user, not saved; forgotten with the proxy. */
  readonly #once = new Map<string, string>()

  constructor(context: TunnelContext) {
    this.#context = context
  }

  /**
   * Many who ask for one name at once wait for one answer.
   * @throws {AlliumError} `NAME_NOT_FOUND`, `BAD_NAME`, `BRIDGE_UNREACHABLE`.
   */
  find(host: string): Promise<Site> {
    const nowMs = this.#context.clock.monotonicMs()
    const known = this.#asked.get(host)
    if (known !== undefined && nowMs - known.sinceMs < BELIEVED_MS) return known.site
    const site = this.#ask(host)
    remember(this.#asked, host, { site, sinceMs: nowMs })
    site.catch(() => {
      if (this.#asked.get(host)?.site === site) this.#asked.delete(host)
    })
    return site
  }

  /** As {@linkcode SiteNames.find}; `undefined` when nobody knows the name. */
  async known(host: string): Promise<Site | undefined> {
    try {
      return await this.find(host)
    } catch (error) {
      if (isAlliumError(error, "NAME_NOT_FOUND")) return undefined
      throw error
    }
  }

  /** Believes `address` for a name nobody else knows, until the proxy ends. */
  useOnce(host: string, address: string): void {
    remember(this.#once, host, address)
    this.#asked.delete(host)
  }

  /**
   * Keeps a name for good.
   * @throws {AlliumError} `ALREADY_EXISTS`, `BAD_NAME`.
   */
  async pin(host: string, address: string): Promise<void> {
    await this.#context.pin(host, address)
    this.#asked.delete(host)
  }

  async #ask(host: string): Promise<Site> {
    const { signal } = this.#context
    const found = await this.#context.lookup(host, { signal }).catch((error) => {
      const address = this.#once.get(host)
      if (address === undefined || !isAlliumError(error, "NAME_NOT_FOUND")) throw error
      return { address, source: "address", isPublic: false } as const
    })
    return { ...found, b32: addressOf(found.address) }
  }
}

/** The newest are kept. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  const [oldest] = map.keys()
  map.delete(key)
  if (map.size >= NAMES_MAX && oldest !== undefined) map.delete(oldest)
  map.set(key, value)
}

/**
 * The `.b32.i2p` name of a destination, or the name itself.
 * @throws {AlliumError} `BAD_DESTINATION`, `BAD_BASE64`.
 */
export function addressOf(text: string): string {
  if (/^(?:[a-z2-7]{52}|[a-z2-7]{56,63})\.b32\.i2p$/.test(text)) return text
  if (text.endsWith(".i2p"))
    throw new AlliumError("BAD_DESTINATION", "Cannot use address: it is no .b32.i2p name")
  return parseDestination(text).b32
}

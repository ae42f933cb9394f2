/**
 * Links that say where a name leads (`?i2paddresshelper=`): nothing is believed before a person confirms
 * it, and nothing that is known is ever overwritten.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { AlliumError, escapeHtml } from "allium/tunnel"
import type { Extra } from "./pages.ts"
import { addressOf, type Site, type SiteNames } from "./site-names.ts"
import { formatAuthority, type ProxyTarget } from "./target.ts"

const PARAMETER = "i2paddresshelper"
/** The longest destination in base64 and some escapes. */
const VALUE_CHARACTERS_MAX = 2_000
/** Pages that wait for an answer; the oldest are forgotten. */
const PAGES_MAX = 256
const PAGE_MS = 15 * 60_000
const FORM_BYTES_MAX = 4_096
const NONCE_BYTES = 16

/** A link's claim. */
export interface HelperLink {
  /** Destination in base64, or a `.b32.i2p` name. */
  readonly address: string
  readonly b32: string
  /** Path and query without the claim. */
  readonly cleanPath: string
}

/** What becomes of a request with a claim. */
export type HelperOutcome =
  /** It says what is known: the request goes on, without the claim. */
  | { readonly do: "go"; readonly path: string }
  /** The person has answered: back to the page itself. */
  | { readonly do: "return"; readonly location: string }
  /** The person is asked, or told of a conflict. */
  | { readonly do: "show"; readonly error: AlliumError; readonly extra: Extra }

/**
 * Reads the claim of a path.
 *
 * @returns `undefined` when there is none.
 * @throws {AlliumError} `BAD_REQUEST` for two of them or for escapes that are none, `BAD_DESTINATION`,
 * `BAD_BASE64`.
 */
export function readHelperLink(path: string): HelperLink | undefined {
  const [start = "", query] = cut(path, "?")
  const parts = query?.split("&") ?? []
  const claims = parts.filter((part) => nameOf(part) === PARAMETER)
  if (claims.length === 0) return undefined
  if (claims.length > 1) throw new AlliumError("BAD_REQUEST", "Cannot open page: two addresses")
  const address = readEscapes(cut(claims[0]!, "=")[1] ?? "")
  const rest = parts.filter((part) => nameOf(part) !== PARAMETER).join("&")
  return { address, b32: addressOf(address), cleanPath: rest === "" ? start : `${start}?${rest}` }
}

function nameOf(part: string): string {
  const [name = ""] = cut(part, "=")
  try {
    return decodeURIComponent(name).toLowerCase()
  } catch {
    return name.toLowerCase()
  }
}

function readEscapes(text: string): string {
  if (text.length > VALUE_CHARACTERS_MAX)
    throw new AlliumError("BAD_DESTINATION", "Cannot read address of link: it is too long")
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new AlliumError("BAD_REQUEST", "Cannot read address of link: its escapes are broken", {
      cause,
    })
  }
}

function cut(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + mark.length)]
}

interface Asked {
  readonly host: string
  readonly b32: string
  readonly user: string | undefined
  readonly untilMs: number
}

/** Asks people about claims, and remembers whom it asked what. */
export class AddressHelper {
  readonly #names: SiteNames
  readonly #now: () => number
  readonly #asked = new Map<string, Asked>()

  /** @param now - Monotonic milliseconds. */
  constructor(names: SiteNames, now: () => number) {
    this.#names = names
    this.#now = now
  }

  /**
   * Judges a request with a claim.
   *
   * @throws {AlliumError} `BAD_NAME` for names nobody may give away, `NAME_UNCONFIRMED` for an answer that
   * does not come from our page, or too late.
   */
  async judge(
    link: HelperLink,
    wanted: ProxyTarget,
    { request, user }: { request: IncomingMessage; user: string | undefined },
  ): Promise<HelperOutcome> {
    if (wanted.isOutside || wanted.host.endsWith(".b32.i2p")) throw notToBeGiven()
    const known = await this.#names.known(wanted.host)
    if (known?.b32 === link.b32) return { do: "go", path: link.cleanPath }
    if (known !== undefined) return conflict(known, link, wanted)
    if (request.method === "POST") return this.#answered(link, wanted, { request, user })
    if (request.method !== "GET") throw unconfirmed()
    return this.#ask(link, wanted, user)
  }

  #ask(link: HelperLink, wanted: ProxyTarget, user: string | undefined): HelperOutcome {
    const nonce = randomBytes(NONCE_BYTES).toString("base64url")
    const [oldest] = this.#asked.keys()
    if (this.#asked.size >= PAGES_MAX && oldest !== undefined) this.#asked.delete(oldest)
    const untilMs = this.#now() + PAGE_MS
    this.#asked.set(nonce, { host: wanted.host, b32: link.b32, user, untilMs })
    return { do: "show", error: unconfirmed(), extra: askExtra(link, wanted, nonce) }
  }

  async #answered(
    link: HelperLink,
    wanted: ProxyTarget,
    { request, user }: { request: IncomingMessage; user: string | undefined },
  ): Promise<HelperOutcome> {
    if (!comesFromPage(request, originOf(wanted))) throw unconfirmed()
    const form = new URLSearchParams(await readForm(request))
    const nonce = form.get("nonce") ?? ""
    const asked = this.#asked.get(nonce)
    this.#asked.delete(nonce)
    const isThis = asked?.host === wanted.host && asked.b32 === link.b32 && asked.user === user
    if (!isThis || this.#now() > asked.untilMs) throw unconfirmed()
    if (form.get("do") === "save") await this.#names.pin(wanted.host, link.address)
    else this.#names.useOnce(wanted.host, link.address)
    return { do: "return", location: `${originOf(wanted)}${link.cleanPath}` }
  }
}

/** Browsers say where a form was; a page of another site could not read our nonce, nor send it from here. */
function comesFromPage({ headers }: IncomingMessage, origin: string): boolean {
  const { "sec-fetch-site": from = "same-origin", "content-type": type } = headers
  return (
    headers.origin?.toLowerCase() === origin &&
    from === "same-origin" &&
    type === "application/x-www-form-urlencoded"
  )
}

async function readForm(request: IncomingMessage): Promise<string> {
  let text = ""
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    text += (chunk as Buffer).toString("latin1")
    if (text.length > FORM_BYTES_MAX) throw unconfirmed()
  }
  return text
}

function originOf({ typedHost, port }: ProxyTarget): string {
  return `http://${formatAuthority(typedHost, port)}`
}

function askExtra(link: HelperLink, wanted: ProxyTarget, nonce: string): Extra {
  return {
    hasForm: true,
    html: (say) => `<p><b>${escapeHtml(wanted.host)}</b><br><code>${escapeHtml(link.b32)}</code></p>
<form method="post">
<input type="hidden" name="nonce" value="${nonce}">
<button name="do" value="once">${say("once")}</button>
<button name="do" value="save">${say("save")}</button>
</form>`,
  }
}

function conflict(known: Site, link: HelperLink, wanted: ProxyTarget): HelperOutcome {
  const ours = escapeHtml(`${originOf(wanted)}${link.cleanPath}`)
  const theirs = escapeHtml(`http://${formatAuthority(link.b32, wanted.port)}${link.cleanPath}`)
  const extra: Extra = {
    html: (say) => `<p><b>${escapeHtml(wanted.host)}</b></p>
<p>${say("known")}: <a href="${ours}"><code>${escapeHtml(known.b32)}</code></a></p>
<p>${say("offered")}: <a href="${theirs}"><code>${escapeHtml(link.b32)}</code></a></p>`,
  }
  const message = "Cannot believe link: the name is known and leads elsewhere"
  return { do: "show", error: new AlliumError("NAME_CONFLICT", message), extra }
}

function unconfirmed(): AlliumError {
  const message = "Cannot open page: nobody has confirmed yet where the link says this name leads"
  return new AlliumError("NAME_UNCONFIRMED", message)
}

function notToBeGiven(): AlliumError {
  const message = "Cannot believe link: it is about an address, expected a name in I2P"
  return new AlliumError("BAD_NAME", message)
}

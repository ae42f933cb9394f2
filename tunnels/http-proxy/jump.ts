/**
 * Where to ask for a name nobody here knows: services in I2P that answer with a link.
 *
 * @module
 */
import { AlliumError, escapeHtml } from "allium/tunnel"
import type { Extra } from "./pages.ts"
import { parseProxyUrl } from "./target.ts"

/** Those of I2P's own proxies; the name is added at the end. */
export const USUAL_JUMPS = [
  "http://stats.i2p/cgi-bin/jump.cgi?a=",
  "http://reg.i2p/jump/",
  "http://notbob.i2p/cgi-bin/jump.cgi?q=",
]

/**
 * Checks a service: an `http:` URL in I2P.
 * @throws {AlliumError} `BAD_INPUT`.
 */
export function requireJump(url: string): string {
  try {
    parseProxyUrl(url, { allowOutside: false })
    return url
  } catch (cause) {
    const message = "Cannot use jump service: expected http://NAME.i2p/… to which a name is added"
    throw new AlliumError("BAD_INPUT", message, { cause })
  }
}

/** Links to the services, for the page that says a name is not known. */
export function jumpLinks(jumps: readonly string[], host: string): Extra {
  const link = (jump: string) => {
    const { host: service } = parseProxyUrl(jump, { allowOutside: false })
    const url = escapeHtml(`${jump}${encodeURIComponent(host)}`)
    return `<li><a href="${url}">${escapeHtml(service)}</a>`
  }
  return {
    html: (say) => `<p>${say("jump")}:</p>\n<ul>\n${jumps.map(link).join("\n")}\n</ul>`,
  }
}

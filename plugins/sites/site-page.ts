/**
 * Pages of ours, and the fields every answer of a site bears: they keep the visitor's browser inside I2P.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { escapeHtml, PAGE_HEAD, PAGE_STYLE_POLICY } from "allium/plugin"

/** The page may load what is on I2P; a browser without a proxy must not be led to the clear net. */
const POLICY =
  "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: http://*.i2p ws://*.i2p; frame-ancestors 'self'"

/** Pages of our own making: no script, nothing loaded, forms go back here. */
export const OWN_PAGE_POLICY = `default-src 'none'; ${PAGE_STYLE_POLICY}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`

/** @param policy - `Content-Security-Policy` instead of ours; `off` for none. */
export function safeFields(policy?: string): Record<string, string> {
  return {
    ...(policy !== "off" && { "Content-Security-Policy": policy ?? POLICY }),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": policy === OWN_PAGE_POLICY ? "DENY" : "SAMEORIGIN",
    "Cache-Control": "no-cache",
  }
}

/** Answers with a page; its body is left out for HEAD. */
export function sendPage(
  html: string,
  fields: Readonly<Record<string, string>>,
  request: IncomingMessage,
  response: ServerResponse,
  status = 200,
): void {
  const body = Buffer.from(html)
  const type = { "Content-Type": "text/html; charset=utf-8", "Content-Length": body.length }
  response.writeHead(status, { ...fields, ...type })
  response.end(request.method === "HEAD" ? undefined : body)
}

/** A page of our own making. @param body - HTML; whatever came from outside is escaped already. */
export function ownPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
${PAGE_HEAD}
<title>${escapeHtml(title)}</title>
<h1>${escapeHtml(title)}</h1>
${body}
</html>
`
}

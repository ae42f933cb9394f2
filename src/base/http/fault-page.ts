/**
 * What a person sees when there is no page: what happened, and what to do. No script, nothing loaded,
 * not to be framed.
 *
 * @module
 */
import { STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"
import type { AlliumError } from "../errors.ts"
import { PAGE_HEAD, PAGE_STYLE_POLICY } from "./page-style.ts"

/** An answer made by us: status, fields in node's alternating list, body. */
export interface FaultPage {
  readonly status: number
  readonly fields: string[]
  readonly body: Buffer
}

const HTML_ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
}

/** Text made harmless between tags and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => HTML_ENTITIES[letter]!)
}

/**
 * The page for an error: HTML when `accept` names it, else plain text.
 *
 * @param error - Its message and advice are shown; its cause is not.
 */
export function faultPage(error: AlliumError, accept: string | undefined): FaultPage {
  const { status, next } = error.outcome
  const title = STATUS_CODES[status] ?? "Failed"
  const asHtml = accept?.includes("text/html") === true
  const body = Buffer.from(asHtml ? html(title, error, next) : text(title, error, next))
  const type = asHtml ? "text/html; charset=utf-8" : "text/plain; charset=utf-8"
  return { status, fields: [...safeFields(type), "Content-Length", `${body.length}`], body }
}

/**
 * Fields that keep a page of ours from loading, framing or telling anything, in node's alternating list.
 *
 * @param options - `hasForm`: its form may answer to where the page came from, and says so.
 */
export function safeFields(type: string, { hasForm = false } = {}): string[] {
  const forms = hasForm ? "'self'" : "'none'"
  const policy = `default-src 'none'; ${PAGE_STYLE_POLICY}; frame-ancestors 'none'; form-action ${forms}; base-uri 'none'`
  const referrer = hasForm ? "same-origin" : "no-referrer"
  return [
    ...["Content-Type", type, "Content-Security-Policy", policy, "X-Frame-Options", "DENY"],
    ...["X-Content-Type-Options", "nosniff", "Referrer-Policy", referrer],
    ...["Cache-Control", "no-store"],
  ]
}

function html(title: string, error: AlliumError, next: string | undefined): string {
  const advice = next === undefined ? "" : `<p>${escapeHtml(next)}</p>\n`
  return `<!doctype html>
<html lang="en">
${PAGE_HEAD}
<title>${escapeHtml(title)}</title>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(error.message)}.</p>
${advice}<hr>
<p><small>${escapeHtml(error.code)}</small></p>
</html>
`
}

function text(title: string, error: AlliumError, next: string | undefined): string {
  return `${title}: ${error.message}.\n${next === undefined ? "" : `${next}\n`}(${error.code})\n`
}

/** Writes the page on a bare connection, where no parser waits any more, and ends that. */
export function endWithPage(connection: Duplex, page: FaultPage): void {
  if (!connection.writable) return void connection.destroy()
  const lines = [`HTTP/1.1 ${page.status} ${STATUS_CODES[page.status] ?? ""}`]
  for (let at = 0; at < page.fields.length; at += 2)
    lines.push(`${page.fields[at]}: ${page.fields[at + 1]}`)
  lines.push("Connection: close", "", "")
  connection.end(Buffer.concat([Buffer.from(lines.join("\r\n"), "latin1"), page.body]))
}

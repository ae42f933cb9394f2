/**
 * What the proxy says itself: to people a page in their language, to programs a line of text. No script,
 * nothing loaded, not to be framed, no word of which version this is.
 *
 * @module
 */
import { STATUS_CODES } from "node:http"
import { type AlliumError, escapeHtml, type FaultPage, PAGE_HEAD, safeFields } from "allium/tunnel"
import { LABELS, LANGUAGES, type Label, type Language, TOPICS, type Topic } from "./words.ts"

/** Who reads a page: two fields of their request. */
export interface Reader {
  readonly accept?: string | undefined
  readonly "accept-language"?: string | undefined
}

/** What stands below the words; for people only. */
export interface Extra {
  /** Made with {@linkcode escapeHtml}. */
  html(say: (label: Label) => string): string
  /** The page has a form that answers to where it came from. */
  readonly hasForm?: boolean
}

const TOPIC_OF: Readonly<Record<string, Topic>> = {
  PROXY_REFUSED: "refused",
  BAD_REQUEST: "unclear",
  BAD_NAME: "unclear",
  BAD_DESTINATION: "unclear",
  BAD_BASE64: "unclear",
  METHOD_NOT_ALLOWED: "unclear",
  HEAD_TOO_LARGE: "unclear",
  TOO_SLOW: "unclear",
  NAME_NOT_FOUND: "unknown",
  PEER_UNREACHABLE: "away",
  PEER_TIMED_OUT: "away",
  PEER_REFUSED: "away",
  NO_ANSWER: "silent",
  TIMED_OUT: "silent",
  BAD_ANSWER: "broken",
  STREAM_LOST: "broken",
  BRIDGE_UNREACHABLE: "router",
  BRIDGE_SILENT: "router",
  BRIDGE_BAD_REPLY: "router",
  BRIDGE_REFUSED: "router",
  BRIDGE_FAILED: "router",
  SESSION_LOST: "router",
  NO_NETWORK: "router",
  SESSION_LIMIT: "full",
  SPOOL_FULL: "full",
  TOO_MANY_REQUESTS: "full",
  PROXY_AUTH_NEEDED: "password",
  NAME_UNCONFIRMED: "confirm",
  NAME_CONFLICT: "conflict",
}

/** The page for an error. Its message and advice are shown, its cause is not. */
export function proxyPage(error: AlliumError, reader: Reader, extra?: Extra): FaultPage {
  const { status, next } = error.outcome
  if (reader.accept?.includes("text/html") !== true) return textPage(status, error, next)
  const language = chooseLanguage(reader["accept-language"])
  const [title, what, todo] = TOPICS[TOPIC_OF[error.code] ?? "other"][language]
  const body = `<!doctype html>
<html lang="${language}">
${PAGE_HEAD}
<title>${title}</title>
<h1>${title}</h1>
<p>${what}</p>
<p>${todo}</p>
${extra?.html((label) => LABELS[label][language]) ?? ""}
<hr>
<p lang="en"><small>${escapeHtml(error.message)}. (${escapeHtml(error.code)})</small></p>
</html>
`
  return page(status, "text/html; charset=utf-8", body, extra?.hasForm)
}

function textPage(status: number, error: AlliumError, next: string | undefined): FaultPage {
  const advice = next === undefined ? "" : `${next}\n`
  const text = `${STATUS_CODES[status] ?? "Failed"}: ${error.message}.\n${advice}(${error.code})\n`
  return page(status, "text/plain; charset=utf-8", text)
}

function page(status: number, type: string, text: string, hasForm = false): FaultPage {
  const body = Buffer.from(text)
  const challenge = status === 407 ? ["Proxy-Authenticate", 'Basic realm="proxy"'] : []
  const fields = [...safeFields(type, { hasForm }), ...challenge]
  return { status, fields: [...fields, "Content-Length", `${body.length}`], body }
}

/** The first language we know in the order the reader prefers: `de-CH;q=0.8` is `de`. */
export function chooseLanguage(accepted: string | undefined): Language {
  const wishes = (accepted ?? "")
    .slice(0, 200)
    .split(",")
    .map((item) => /^\s*([a-z]+)[a-z0-9-]*\s*(?:;\s*q=([\d.]+))?\s*$/i.exec(item))
    .filter((match) => match !== null)
    .map(([, tag = "", q = "1"]) => ({ tag: tag.toLowerCase(), q: Number(q) }))
    .sort((one, other) => other.q - one.q)
  const known = wishes.find(({ tag, q }) => q > 0 && isLanguage(tag))?.tag
  return known !== undefined && isLanguage(known) ? known : LANGUAGES[0]
}

function isLanguage(tag: string): tag is Language {
  return (LANGUAGES as readonly string[]).includes(tag)
}

/**
 * Host names: what may be one, and how it is written.
 *
 * @see https://geti2p.net/en/docs/naming
 * @see https://www.rfc-editor.org/rfc/rfc9476 (`.alt`)
 * @module
 */
import { domainToASCII, domainToUnicode } from "node:url"
import { AlliumError } from "../../base/errors.ts"

/** Longest name, in characters; DNS allows 253, the address books of i2pd and Java I2P 67. */
const NAME_CHARACTERS_MAX = 67
/** `www.forum.example.i2p` has four. */
const LABELS_MAX = 4
/** Names of the routers' own pages, with everything below them. */
const RESERVED = ["proxy.i2p", "router.i2p", "console.i2p", "mail.i2p", "b32.i2p"]
const ALT = ".i2p.alt"
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/
/** Letters, digits and dashes, or anything beyond ASCII that may become such. */
const TYPED = /^[A-Za-z0-9.\-\u0080-\u{10ffff}]+$/u

/**
 * Reads a name a person or a feed wrote.
 *
 * @param text - In either case; letters beyond ASCII become punycode; `.i2p.alt` becomes `.i2p`.
 * @returns ASCII in lower case: one to four labels.
 * @throws {AlliumError} `BAD_NAME`.
 */
export function requireHostName(text: string): string {
  const name = canonicalName(text)
  if (name === undefined) throw bad("expected letters, digits and dashes, in labels joined by dots")
  if (name.length > NAME_CHARACTERS_MAX)
    throw bad(`has ${name.length} characters, expected at most ${NAME_CHARACTERS_MAX}`)
  const labels = name.split(".")
  if (labels.length > LABELS_MAX) throw bad(`has ${labels.length} labels, expected ${LABELS_MAX}`)
  if (RESERVED.some((taken) => `.${name}`.endsWith(`.${taken}`)))
    throw bad("it is an address or a router's own page, expected a name for a destination")
  return name
}

/**
 * As {@linkcode requireHostName}, for a name that is to mean the same to everybody.
 *
 * @throws {AlliumError} `BAD_NAME`, also for what does not end in `.i2p`.
 */
export function requirePublicName(text: string): string {
  const name = requireHostName(text)
  if (name.endsWith(".i2p")) return name
  throw bad("does not end in .i2p, expected such a name")
}

/** How a name is written in the tables; `undefined` for what can be no name. */
export function canonicalName(text: string): string | undefined {
  if (text.length > 4 * NAME_CHARACTERS_MAX || !TYPED.test(text)) return undefined
  const ascii = /^[\x21-\x7e]+$/.test(text) ? text.toLowerCase() : domainToASCII(text)
  const name = ascii.endsWith(ALT) ? ascii.slice(0, -".alt".length) : ascii
  return name.split(".").every(isLabel) ? name : undefined
}

/** Two dashes only where punycode begins, and then it must be the one spelling of what it says. */
function isLabel(label: string, at: number, all: readonly string[]): boolean {
  if (!LABEL.test(label)) return false
  if (at === all.length - 1 && /^\d+$/.test(label)) return false // it would be taken for an IP address
  if (!label.startsWith("xn--")) return !label.includes("--")
  return domainToASCII(domainToUnicode(label)) === label && domainToUnicode(label) !== label
}

/** What a person should know before they believe a name. */
export type NameWarning = "mixed scripts" | "looks like another name" | "www"

/** @param name - As {@linkcode requireHostName} gives it. */
export function warningOf(name: string): NameWarning | undefined {
  const labels = name.split(".").map((label) => domainToUnicode(label))
  if (labels.some(mixesScripts)) return "mixed scripts"
  if (labels.some(looksLatin)) return "looks like another name"
  return name.startsWith("www.") ? "www" : undefined
}

const SCRIPTS = `Latin Greek Cyrillic Armenian Hebrew Arabic Thai Devanagari Georgian Han Hiragana
  Katakana Hangul Bopomofo`
  .split(/\s+/)
  .map((script) => ({ script, is: new RegExp(`\\p{Script=${script}}`, "u") }))
/** Written together everywhere, also with Latin letters. */
const TOGETHER = [
  ["Latin", "Han", "Hiragana", "Katakana"],
  ["Latin", "Han", "Hangul"],
  ["Latin", "Han", "Bopomofo"],
]

/** @see https://www.unicode.org/reports/tr39/#Restriction_Level_Detection (highly restrictive) */
function mixesScripts(label: string): boolean {
  const found = SCRIPTS.filter(({ is }) => is.test(label)).map(({ script }) => script)
  if (found.length < 2) return false
  return !TOGETHER.some((group) => found.every((script) => group.includes(script)))
}

/** Cyrillic and Greek letters that are drawn like Latin ones, and nothing else. */
function looksLatin(label: string): boolean {
  return /[^\x21-\x7e]/.test(label) && /^[аеорсухіјѕһԁԛԝӏьвкмнтαικνορυχγ0-9-]+$/u.test(label)
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_NAME", `Cannot use name: ${found}`)
}

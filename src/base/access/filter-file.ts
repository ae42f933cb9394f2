/**
 * Filter files of Java I2P: who may connect, and how often.
 *
 * @see https://geti2p.net/spec/filter-format
 * @module
 */
import { isAbsolute } from "node:path"
import { AlliumError } from "../errors.ts"
import type { Threshold } from "./threshold.ts"

/** Whom a threshold is for: one destination by its `.b32.i2p` name, or those listed in a file. */
export type FilterEntry = { readonly threshold: Threshold } & (
  | { readonly peer: string }
  | { readonly path: string }
)

/** Who breaks `threshold` is written into the file at `path`. */
export interface FilterRecorder {
  readonly threshold: Threshold
  readonly path: string
}

/** A filter file that was read. Of several entries for a destination the first counts. */
export interface FilterRules {
  /** For everybody who has no entry. */
  readonly otherwise: Threshold
  readonly entries: readonly FilterEntry[]
  readonly recorders: readonly FilterRecorder[]
}

/** Lets everybody in. */
export const OPEN_FILTER: FilterRules = { otherwise: "allow", entries: [], recorders: [] }

/** Characters of a filter file or a list. */
export const FILTER_TEXT_MAX = 4 * 2 ** 20
/** Lines with a rule in one filter file. */
const FILTER_RULES_MAX = 10_000
/** `N/S`: attempts are remembered one by one. */
const FILTER_ATTEMPTS_MAX = 10_000
/** `N/S`: 31 days. */
const FILTER_SECONDS_MAX = 31 * 86_400

const PEER = /^[a-z2-7]{52}\.b32\.i2p$/

/** 52 characters of base32 and `.b32.i2p`, lower case. */
export function isPeerName(text: string): boolean {
  return PEER.test(text)
}

/**
 * Reads a filter file: one rule in a line, `#` begins a comment line.
 *
 * @throws {AlliumError} `BAD_FILTER`, with the number of the line and never its text.
 */
export function parseFilter(text: string): FilterRules {
  let otherwise: Threshold | undefined
  const entries: FilterEntry[] = []
  const recorders: FilterRecorder[] = []
  for (const { line, number } of linesOf(text, FILTER_RULES_MAX)) {
    const [, limit = "", kind = "", rest = ""] = /^(\S+)[ \t]+(\S+)[ \t]*(.*)$/.exec(line) ?? []
    const threshold = readThreshold(limit.toLowerCase(), number)
    if (kind === "default") {
      if (otherwise !== undefined) throw badFilter(number, "a second default, expected one")
      if (rest !== "") throw badFilter(number, "something behind default, expected nothing")
      otherwise = threshold
    } else if (kind === "explicit") entries.push({ threshold, peer: readPeer(rest, number) })
    else if (kind === "file") entries.push({ threshold, path: readPath(rest, number) })
    else if (kind === "record") recorders.push({ threshold, path: readPath(rest, number) })
    else throw badFilter(number, "no known rule, expected default, explicit, file or record")
  }
  return { otherwise: otherwise ?? "allow", entries, recorders }
}

/**
 * Reads a list of destinations, one `.b32.i2p` name in a line.
 *
 * @throws {AlliumError} `BAD_FILTER`, with the number of the line.
 */
export function parsePeerList(text: string): Set<string> {
  return new Set(linesOf(text, Infinity).map(({ line, number }) => readPeer(line, number)))
}

/** `15/5`, `allow` or `deny`. @throws {AlliumError} `BAD_FILTER`. */
function readThreshold(text: string, line: number): Threshold {
  if (text === "allow" || text === "deny") return text
  const [, attempts, seconds] = /^(\d{1,9})\/(\d{1,9})$/.exec(text) ?? []
  if (attempts === undefined)
    throw badFilter(line, "no threshold, expected allow, deny or ATTEMPTS/SECONDS")
  const threshold = { attempts: Number(attempts), seconds: Number(seconds) }
  if (threshold.attempts > FILTER_ATTEMPTS_MAX)
    throw badFilter(line, `too many attempts, expected at most ${FILTER_ATTEMPTS_MAX}`)
  if (threshold.seconds < 1 || threshold.seconds > FILTER_SECONDS_MAX)
    throw badFilter(line, `a wrong time, expected 1 to ${FILTER_SECONDS_MAX} seconds`)
  return threshold
}

function readPeer(text: string, line: number): string {
  const peer = text.trim().toLowerCase()
  if (!isPeerName(peer)) throw badFilter(line, "no destination, expected a .b32.i2p name of 52")
  return peer
}

function readPath(text: string, line: number): string {
  const path = text.trim()
  if (!isAbsolute(path) || path.includes("\0"))
    throw badFilter(line, "no usable file, expected an absolute path")
  return path
}

function linesOf(text: string, linesMax: number): { line: string; number: number }[] {
  if (text.length > FILTER_TEXT_MAX)
    throw new AlliumError("BAD_FILTER", "Cannot read filter: it is too long, expected up to 4 MiB")
  const lines = text
    .split(/\r?\n/)
    .map((line, index) => ({ line: line.trim(), number: index + 1 }))
    .filter(({ line }) => line !== "" && !line.startsWith("#"))
  if (lines.length > linesMax)
    throw new AlliumError("BAD_FILTER", `Cannot read filter: expected at most ${linesMax} rules`)
  return lines
}

function badFilter(line: number, found: string): AlliumError {
  return new AlliumError("BAD_FILTER", `Cannot read filter: line ${line} has ${found}`)
}

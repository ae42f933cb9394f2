/**
 * Filter files on disk: read at the start, read again when they change, and written by their recorders.
 *
 * @see https://geti2p.net/spec/filter-format
 * @module
 */
import { open } from "node:fs/promises"
import type { Clock } from "../clock.ts"
import { AlliumError, toAlliumError } from "../errors.ts"
import { writeFileDurably } from "../files.ts"
import type { Log } from "../log.ts"
import { AccessFilter } from "./access-filter.ts"
import { FILTER_TEXT_MAX, type FilterRules, parseFilter, parsePeerList } from "./filter-file.ts"

/** A change counts after this long at most; the format promises 10 s. */
const CHECK_EVERY_MS = 5_000
/** Peers in a file that recorders write; no more are added then. */
const RECORDED_MAX = 50_000

/** What {@linkcode openFilter} needs. */
export interface FilterOptions {
  /** Absolute. */
  readonly path: string
  readonly clock: Clock
  readonly log: Log
  /** Ends the watch. */
  readonly signal: AbortSignal
}

/**
 * Reads the filter file and its lists, and keeps them fresh. A file that is changed into something unreadable is told
 * in the log, and the rules before it stay.
 *
 * @throws {AlliumError} `BAD_FILTER`; `NOT_FOUND` when the filter file is not there.
 */
export async function openFilter(options: FilterOptions): Promise<AccessFilter> {
  const filter = new AccessFilter()
  const files = new FilterFiles(options.path)
  await files.loadInto(filter)
  void keepFresh(filter, files, options).catch(() => {}) // ends with the signal
  return filter
}

async function keepFresh(
  filter: AccessFilter,
  files: FilterFiles,
  { clock, log, signal }: FilterOptions,
): Promise<void> {
  for (;;) {
    await clock.sleep(CHECK_EVERY_MS, { signal })
    try {
      for (const [path, peers] of filter.takeRecords()) await addToList(path, peers)
      await files.loadInto(filter)
    } catch (error) {
      const { code, message } = toAlliumError(error)
      log.warn("filter.unread", { code, ...(code === "BAD_FILTER" && { reason: message }) })
    }
  }
}

interface Known<T> {
  readonly state: string
  readonly value: T
}

/** What was read last, by path: read again only when size or time changed. */
class FilterFiles {
  readonly #path: string
  #rules: Known<FilterRules> | undefined
  #lists = new Map<string, Known<Set<string>>>()

  constructor(path: string) {
    this.#path = path
  }

  async loadInto(filter: AccessFilter): Promise<void> {
    this.#rules = await readKnown(this.#path, this.#rules, parseFilter)
    if (this.#rules.state === "absent") throw noFile()
    const { entries, recorders } = this.#rules.value
    const paths = [...entries, ...recorders].flatMap((one) => ("path" in one ? [one.path] : []))
    const lists = new Map<string, Known<Set<string>>>()
    for (const path of new Set(paths))
      lists.set(path, await readKnown(path, this.#lists.get(path), parsePeerList))
    this.#lists = lists
    filter.use(this.#rules.value, new Map([...lists].map(([path, { value }]) => [path, value])))
  }
}

/** A file that is not there reads as empty. */
async function readKnown<T>(
  path: string,
  known: Known<T> | undefined,
  parse: (text: string) => T,
): Promise<Known<T>> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw unreadable(error)
  })
  if (file === undefined) return { state: "absent", value: parse("") }
  try {
    const { mtimeNs, size, ino } = await file.stat({ bigint: true })
    const state = `${ino} ${size} ${mtimeNs}`
    if (known?.state === state) return known
    if (size > FILTER_TEXT_MAX)
      throw new AlliumError("BAD_FILTER", "Cannot read filter: a file is larger than 4 MiB")
    return { state, value: parse(await file.readFile("utf8")) }
  } finally {
    await file.close()
  }
}

async function addToList(path: string, peers: ReadonlySet<string>): Promise<void> {
  const { value: before } = await readKnown(path, undefined, parsePeerList)
  const all = new Set([...before, ...peers])
  if (all.size === before.size || all.size > RECORDED_MAX) return
  await writeFileDurably(path, Buffer.from(`${[...all].join("\n")}\n`), 0o600)
}

function noFile(): AlliumError {
  return new AlliumError("NOT_FOUND", "Cannot read filter: there is no such file")
}

function unreadable(cause: unknown): AlliumError {
  return new AlliumError("BAD_FILTER", "Cannot read filter: a file cannot be opened", { cause })
}

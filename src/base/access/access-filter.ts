/**
 * A filter at work: rules, the lists they name, and who tried how often.
 *
 * @see https://geti2p.net/spec/filter-format
 * @module
 */
import { type FilterRules, OPEN_FILTER } from "./filter-file.ts"
import { AttemptLog, type Threshold } from "./threshold.ts"

/** Lists by the path of their file; a file that is not there has an empty list. */
export type PeerLists = ReadonlyMap<string, ReadonlySet<string>>

/** Judges attempts. Pure: rules, lists and time come from outside. */
export class AccessFilter {
  #rules: FilterRules = OPEN_FILTER
  #lists: PeerLists = new Map()
  #attempts = new AttemptLog()
  #keep = 1
  /** By path of the file; not yet written. */
  #toRecord = new Map<string, Set<string>>()

  /** Takes other rules; what was counted so far still counts. */
  use(rules: FilterRules, lists: PeerLists): void {
    this.#rules = rules
    this.#lists = lists
    const all = [rules.otherwise, ...[...rules.entries, ...rules.recorders].map(thresholdOf)]
    this.#keep = Math.max(1, ...all.map((one) => (typeof one === "string" ? 1 : one.attempts)))
  }

  /** Counts an attempt of `peer`; `false` when it must not come in. */
  admits(peer: string, nowMs: number): boolean {
    const own = this.#entryFor(peer)
    this.#attempts.record(peer, nowMs, this.#keep)
    if (own === undefined) this.#recordBreaches(peer, nowMs)
    return !this.#attempts.isBreached(peer, own ?? this.#rules.otherwise, nowMs)
  }

  /** Somebody wrote down that this peer may always come in. */
  favours(peer: string): boolean {
    return this.#entryFor(peer) === "allow"
  }

  /** Peers to be added to the recorders' files, by path; each is told once. */
  takeRecords(): Map<string, Set<string>> {
    const records = this.#toRecord
    this.#toRecord = new Map()
    return records
  }

  /** The first entry for a peer counts, whether it names it or a list it stands in. */
  #entryFor(peer: string): Threshold | undefined {
    return this.#rules.entries.find((entry) =>
      "peer" in entry ? entry.peer === peer : this.#lists.get(entry.path)?.has(peer) === true,
    )?.threshold
  }

  #recordBreaches(peer: string, nowMs: number): void {
    for (const { threshold, path } of this.#rules.recorders) {
      if (!this.#attempts.isBreached(peer, threshold, nowMs)) continue
      const peers = this.#toRecord.get(path) ?? new Set()
      if (this.#lists.get(path)?.has(peer) !== true && peers.size < RECORDS_WAITING_MAX)
        this.#toRecord.set(path, peers.add(peer))
    }
  }
}

/** Peers that wait to be written into one recorder's file; more are caught when they try again. */
const RECORDS_WAITING_MAX = 4_096

function thresholdOf({ threshold }: { threshold: Threshold }): Threshold {
  return threshold
}

/**
 * The metainfo of a magnet, fetched from those who say they have it.
 *
 * At first everybody who says the same length is asked. When what they sent together is wrong, it is fetched from one alone, so that it is known
 * who lies.
 *
 * @module
 */
import { MetadataDraft } from "../torrent/metadata.ts"

/** Pages asked of one peer and not here: 64 KiB, half of what the oldest clients bear. */
const PAGES_OUT_MAX = 4
/** Then a page is asked of somebody else, and a length nobody gives pages for is given up. */
const PAGE_MS = 45_000

/** Somebody who says to have the metainfo. */
interface Holder {
  readonly totalBytes: number
  /** When each page was asked for. */
  readonly asked: Map<number, number>
  /** It has refused, or was silent: not asked before others. */
  isPoor: boolean
}

/** Of one torrent. Times in milliseconds of a clock that does not jump. */
export class MetadataFetch {
  readonly #draft: MetadataDraft
  readonly #chance: () => number
  readonly #holders = new Map<string, Holder>()
  #totalBytes = 0
  /** It alone is asked. */
  #only: string | undefined
  #isWrong = false
  #heardAt = 0

  constructor(infohash: Uint8Array, chance: () => number) {
    this.#draft = new MetadataDraft(infohash)
    this.#chance = chance
  }

  /** The peer says that it has so many bytes of metadata, and gives them. */
  offered(peer: string, totalBytes: number): void {
    if (this.#holders.has(peer)) return
    this.#holders.set(peer, { totalBytes, asked: new Map(), isPoor: false })
  }

  left(peer: string): void {
    this.#holders.delete(peer)
    if (this.#only === peer) this.#begin(0)
  }

  /** Which pages to ask the peer for now; call it when something came from it, and about once a second. */
  requests(peer: string, now: number): number[] {
    const holder = this.#holders.get(peer)
    if (holder === undefined) return []
    this.#giveUp(now)
    if (this.#totalBytes === 0) this.#choose(now)
    if (holder.totalBytes !== this.#totalBytes) return []
    if (this.#only !== undefined && this.#only !== peer) return []
    const pages = this.#free().slice(0, Math.max(0, PAGES_OUT_MAX - holder.asked.size))
    for (const page of pages) holder.asked.set(page, now)
    return pages
  }

  /** The peer refuses a page. */
  rejected(peer: string, page: number): void {
    const holder = this.#holders.get(peer)
    if (!holder?.asked.delete(page)) return
    this.#poor(peer, holder)
  }

  /**
   * A page came.
   *
   * @returns The info dictionary, when it is whole; or who is known to have lied.
   */
  take(
    peer: string,
    page: number,
    bytes: Uint8Array,
    now: number,
  ): { readonly info?: Uint8Array; readonly liar?: string } | undefined {
    if (!this.#holders.get(peer)?.asked.delete(page)) return undefined
    const taken = this.#draft.take(peer, page, bytes)
    if (taken.kind === "not wanted") return undefined
    this.#heardAt = now
    if (taken.kind === "whole") return { info: taken.info }
    if (taken.kind !== "wrong") return {}
    this.#isWrong = true
    this.#begin(0)
    const [liar, ...others] = taken.sources
    return liar !== undefined && others.length === 0 ? { liar } : {}
  }

  /** Missing pages nobody is asked for. */
  #free(): number[] {
    const asked = new Set([...this.#holders.values()].flatMap((one) => [...one.asked.keys()]))
    return this.#draft.missing.filter((page) => !asked.has(page))
  }

  #giveUp(now: number): void {
    for (const [peer, holder] of this.#holders)
      for (const [page, at] of holder.asked) {
        if (now - at < PAGE_MS) continue
        holder.asked.delete(page)
        this.#poor(peer, holder)
      }
    if (this.#totalBytes > 0 && now - this.#heardAt >= 2 * PAGE_MS) this.#begin(0)
  }

  #poor(peer: string, holder: Holder): void {
    holder.isPoor = true
    const isLast = ![...this.#holders.values()].some(
      (other) => other.totalBytes === this.#totalBytes && !other.isPoor,
    )
    if (this.#only === peer || isLast) this.#begin(0)
  }

  /** The length most of them say; or one of them alone. Those who failed come last. */
  #choose(now: number): void {
    const all = [...this.#holders]
    const good = all.filter(([, { isPoor }]) => !isPoor)
    const from = good.length > 0 ? good : all
    if (good.length === 0) for (const [, holder] of all) holder.isPoor = false
    const chosen = this.#isWrong ? from[Math.floor(this.#chance() * from.length)] : commonest(from)
    if (chosen === undefined) return
    this.#only = this.#isWrong ? chosen[0] : undefined
    this.#heardAt = now
    this.#begin(chosen[1].totalBytes)
  }

  #begin(totalBytes: number): void {
    this.#totalBytes = totalBytes
    if (totalBytes > 0) this.#draft.begin(totalBytes)
    else this.#only = undefined
  }
}

function commonest(holders: readonly [string, Holder][]): [string, Holder] | undefined {
  const counts = new Map<number, number>()
  for (const [, { totalBytes }] of holders)
    counts.set(totalBytes, (counts.get(totalBytes) ?? 0) + 1)
  const most = Math.max(...counts.values())
  return holders.find(([, { totalBytes }]) => counts.get(totalBytes) === most)
}

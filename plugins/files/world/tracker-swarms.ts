/**
 * What a tracker of our own knows: who has which torrent, for a while. In memory alone, and bounded.
 *
 * @module
 */
import type { Clock } from "allium/plugin"
import type { TrackerAnswer } from "../torrent/announce.ts"
import type { AnnounceQuery } from "../torrent/announce-query.ts"
import type { SwarmCounts } from "./scrape.ts"

/** Torrents an open tracker knows. */
const TORRENTS_MAX = 10_000
/** Peers of one torrent: an answer names at most 200 of them. */
const PEERS_PER_TORRENT_MAX = 2_000
/** Peers of all torrents: 64 bytes or so each. */
const PEERS_MAX = 50_000
/** Torrents of one destination: nobody fills the tracker alone. */
const TORRENTS_PER_PEER_MAX = 1_000
/** Peers in one answer; I2PSnark asks for 24. */
const ANSWERED_MAX = 200
/** How often we want to hear of a peer… */
export const TRACKER_INTERVAL_S = 1_800
/** …and while there are fewer than so many, who may wait for each other. */
const FEW_INTERVAL_S = 300
const FEW = 10
/** A peer that is silent for longer is forgotten: two announces and a half. */
const EXPIRY_MS = 4_500_000

interface Peer {
  readonly hash: Uint8Array
  isComplete: boolean
  /** Monotonic. */
  seenMs: number
}

interface Swarm {
  readonly peers: Map<string, Peer>
  complete: number
  downloaded: number
}

/** See the module. Keys are bytes as latin1. */
export class TrackerSwarms {
  readonly #clock: Pick<Clock, "monotonicMs">
  readonly #chance: () => number
  readonly #admits: (infohash: Uint8Array) => boolean
  readonly #swarms = new Map<string, Swarm>()
  /** Torrents by destination. */
  readonly #torrents = new Map<string, number>()
  #peerCount = 0

  /** @param options.admits - Which torrents are tracked; those of others are refused. */
  constructor(options: {
    clock: Pick<Clock, "monotonicMs">
    chance: () => number
    admits: (infohash: Uint8Array) => boolean
  }) {
    this.#clock = options.clock
    this.#chance = options.chance
    this.#admits = options.admits
  }

  get torrentCount(): number {
    return this.#swarms.size
  }

  get peerCount(): number {
    return this.#peerCount
  }

  /**
   * Takes an announce.
   *
   * @param from - SHA-256 of the destination its stream comes from, 32 bytes; what the query says of itself must agree.
   */
  announce(query: AnnounceQuery, from: Uint8Array): TrackerAnswer {
    if (!this.#admits(query.infohash)) return refused("torrent is not tracked here")
    if (query.address !== undefined && Buffer.compare(query.address.hash, from) !== 0)
      return refused("ip is not the destination this came from")
    const key = latin1(query.infohash)
    if (query.event === "stopped") this.#leave(key, latin1(from))
    else if (!this.#enter(key, query, from)) return refused("tracker is full, try again later")
    return this.#answer(key, query, latin1(from))
  }

  /** `undefined` for a torrent nobody announced. */
  counts(infohash: Uint8Array): SwarmCounts | undefined {
    const swarm = this.#swarms.get(latin1(infohash))
    if (swarm === undefined) return undefined
    const { complete, downloaded, peers } = swarm
    return { complete, incomplete: peers.size - complete, downloaded }
  }

  /** Forgets who was not heard of for 75 minutes. */
  sweep(): void {
    const beforeMs = this.#clock.monotonicMs() - EXPIRY_MS
    for (const [key, { peers }] of this.#swarms)
      for (const [name, { seenMs }] of peers) if (seenMs < beforeMs) this.#leave(key, name)
  }

  /** @returns `false` when there is no room. */
  #enter(key: string, { left, event }: AnnounceQuery, from: Uint8Array): boolean {
    const name = latin1(from)
    const known = this.#swarms.get(key)
    const peer = known?.peers.get(name)
    if (peer === undefined && !this.#hasRoom(known, name)) return false
    const swarm = known ?? { peers: new Map(), complete: 0, downloaded: 0 }
    const isComplete = left === 0
    this.#swarms.set(key, swarm)
    if (peer === undefined) this.#count(name, 1)
    if (event === "completed" && peer?.isComplete === false) swarm.downloaded++
    swarm.complete += Number(isComplete) - Number(peer?.isComplete ?? false)
    swarm.peers.set(name, {
      hash: from,
      isComplete,
      seenMs: this.#clock.monotonicMs(),
    })
    return true
  }

  #hasRoom(swarm: Swarm | undefined, name: string): boolean {
    if (swarm === undefined && this.#swarms.size >= TORRENTS_MAX) return false
    if (this.#peerCount >= PEERS_MAX) return false
    if ((this.#torrents.get(name) ?? 0) >= TORRENTS_PER_PEER_MAX) return false
    return (swarm?.peers.size ?? 0) < PEERS_PER_TORRENT_MAX
  }

  #leave(key: string, name: string): void {
    const swarm = this.#swarms.get(key)
    const peer = swarm?.peers.get(name)
    if (swarm === undefined || peer === undefined) return
    swarm.peers.delete(name)
    if (peer.isComplete) swarm.complete--
    if (swarm.peers.size === 0) this.#swarms.delete(key)
    this.#count(name, -1)
  }

  #count(name: string, by: 1 | -1): void {
    this.#peerCount += by
    const count = (this.#torrents.get(name) ?? 0) + by
    if (count === 0) this.#torrents.delete(name)
    else this.#torrents.set(name, count)
  }

  /** Other peers, by chance; who has everything is told only of those who do not. */
  #answer(key: string, { left, event, wanted }: AnnounceQuery, asking: string): TrackerAnswer {
    const swarm = this.#swarms.get(key)
    const count = event === "stopped" ? 0 : Math.min(wanted, ANSWERED_MAX)
    const others = [...(count > 0 && swarm ? swarm.peers : [])]
      .filter(([name, peer]) => name !== asking && !(left === 0 && peer.isComplete))
      .map(([, { hash }]) => ({ hash }))
    const { complete, size } = { complete: swarm?.complete ?? 0, size: swarm?.peers.size ?? 0 }
    const intervalS = size < FEW ? FEW_INTERVAL_S : TRACKER_INTERVAL_S
    const peers = this.#some(others, count)
    return { kind: "peers", peers, intervalS, complete, incomplete: size - complete }
  }

  /** `count` of `items` by chance; the first steps of a shuffle. */
  #some<T>(items: T[], count: number): T[] {
    const end = Math.min(count, items.length)
    for (let at = 0; at < end; at++) {
      const other = at + Math.floor(this.#chance() * (items.length - at))
      ;[items[at], items[other]] = [items[other]!, items[at]!]
    }
    return items.slice(0, end)
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1")
}

function refused(reason: string): TrackerAnswer {
  return { kind: "refused", reason, intervalS: TRACKER_INTERVAL_S }
}

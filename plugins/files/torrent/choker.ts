/**
 * Whom to serve: those who serve us best, and one by chance; when we want nothing, those who got least.
 *
 * Rounds are long, since a peer inside I2P needs seconds to notice and tens of seconds to be fast.
 *
 * @see https://www.bittorrent.org/beps/bep_0003.html
 * @module
 */

/** Peers served at once. */
const SLOTS_MAX = 6
/** Length of a round; I2PSnark's. */
export const ROUND_MS = 40_000
/** Rounds the one chosen by chance has to show what it gives, and anybody when we want nothing. */
const TRIAL_ROUNDS = 3

/** What is to be known about a peer. */
export interface ChokePeer {
  readonly id: string
  /** It wants what we have. */
  readonly isInterested: boolean
  /** Bytes it gave us in the last round. */
  readonly gave: number
  /** Bytes we gave it in all. */
  readonly got: number
}

/** Decides for one torrent, round by round. */
export class Choker {
  readonly #chance: () => number
  readonly #slots: number
  /** Who is served, and for how many rounds. */
  #served = new Map<string, number>()
  /** The one chosen by chance. */
  #trial: string | undefined

  /** @param options.chance - 0 to 1. */
  constructor(options: { readonly chance: () => number; readonly slots?: number }) {
    this.#chance = options.chance
    this.#slots = options.slots ?? SLOTS_MAX
  }

  /**
   * A round begins.
   *
   * @param isSeeding - We want nothing of them.
   * @returns Whom to serve from now on; all others are choked.
   */
  round(peers: readonly ChokePeer[], isSeeding: boolean): Set<string> {
    const asking = peers.filter(({ isInterested }) => isInterested)
    const chosen = isSeeding ? this.#leastServed(asking) : this.#bestAndOne(asking)
    this.#served = new Map([...chosen].map((id) => [id, (this.#served.get(id) ?? 0) + 1]))
    return chosen
  }

  /**
   * Between rounds, about once a second: gives away places of those who have gone or want nothing any more.
   *
   * @returns As {@linkcode round}; nobody who still asks loses a place.
   */
  refill(peers: readonly ChokePeer[], isSeeding: boolean): Set<string> {
    const asking = peers.filter(({ isInterested }) => isInterested)
    const staying = asking.filter((peer) => this.#age(peer) > 0)
    const waiting = asking
      .filter((peer) => this.#age(peer) === 0)
      .sort((a, b) => (isSeeding ? a.got - b.got : b.gave - a.gave))
    const chosen = [...staying, ...waiting].slice(0, this.#slots)
    this.#served = new Map(chosen.map((peer) => [peer.id, this.#age(peer) || 1]))
    return new Set(this.#served.keys())
  }

  #bestAndOne(asking: readonly ChokePeer[]): Set<string> {
    const best = [...asking].sort((a, b) => b.gave - a.gave || this.#age(b) - this.#age(a))
    const chosen = new Set(best.slice(0, this.#slots - 1).map(({ id }) => id))
    const others = asking.filter(({ id }) => !chosen.has(id))
    const keeps = others.find((peer) => peer.id === this.#trial && this.#age(peer) < TRIAL_ROUNDS)
    this.#trial = (keeps ?? others[Math.floor(this.#chance() * others.length)])?.id
    if (this.#trial !== undefined) chosen.add(this.#trial)
    return chosen
  }

  /** Who is served stays for some rounds; then it is the turn of those who got least. */
  #leastServed(asking: readonly ChokePeer[]): Set<string> {
    this.#trial = undefined
    const isNew = (peer: ChokePeer) => this.#age(peer) > 0 && this.#age(peer) < TRIAL_ROUNDS
    const stay = asking.filter(isNew)
    const rest = asking.filter((peer) => !isNew(peer)).sort((a, b) => a.got - b.got)
    return new Set([...stay, ...rest].slice(0, this.#slots).map(({ id }) => id))
  }

  #age({ id }: { readonly id: string }): number {
    return this.#served.get(id) ?? 0
  }
}

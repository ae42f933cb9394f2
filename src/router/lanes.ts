/**
 * Lanes: links beside the one between an identity and a contact, for bulk. Dialled when somebody wants one, closed when idle.
 *
 * Each side dials lanes of its own, told apart by number; a lane says nothing about who is reachable, and is never dialled
 * again by itself.
 *
 * @see docs/protocol/link.md#lanes
 * @module
 */
import { untilAborted } from "../base/abort.ts"
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import { LANES_MAX } from "../link/limits.ts"
import type { Link } from "../link/link.ts"

/** A lane without a channel is kept so long: a cold stream of i2pd 2.45.1 takes a minute to become fast. */
const LANE_IDLE_MS = 60_000
/** How often it is looked at. */
const LANE_LOOK_MS = 5_000

interface Lane {
  /** Of the link beside which it runs. */
  readonly name: string
  readonly link: Link
}

/** Lanes of one identity. */
export class Lanes {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #lanes = new Map<string, Lane>()
  readonly #dialling = new Map<string, Promise<Link>>()

  /** @param options.signal - Ends the looking after; the links end with their session. */
  constructor(options: { readonly clock: Clock; readonly signal: AbortSignal }) {
    this.#clock = options.clock
    this.#signal = options.signal
  }

  /**
   * The lane that we dialled under this number, or a new one.
   *
   * @param lane - 1 to {@linkcode LANES_MAX}.
   * @throws {AlliumError} `CHANNEL_LIMIT` for another number; what `dial` says.
   */
  async open(
    to: { readonly name: string; readonly lane: number },
    dial: () => Promise<Link>,
    call: { readonly signal: AbortSignal },
  ): Promise<Link> {
    requireLane(to.lane)
    const key = `${to.name}/out/${to.lane}`
    const standing = this.#lanes.get(key)
    if (standing !== undefined) return standing.link
    let dialling = this.#dialling.get(key)
    if (dialling === undefined) {
      dialling = dial().finally(() => this.#dialling.delete(key))
      this.#dialling.set(key, dialling)
      dialling.then((link) => this.#keep(key, { name: to.name, link })).catch(() => {})
    }
    return untilAborted(dialling, call.signal)
  }

  /** A lane that they dialled; an older one with its number ends. */
  adopt(name: string, link: Link): void {
    this.#keep(`${name}/in/${link.lane}`, { name, link })
  }

  /** Ends those that `isMeant`, as soon as their channels are over, or after a while. */
  drop(isMeant: (lane: Lane) => boolean): Promise<unknown> {
    const meant = [...this.#lanes].filter(([, lane]) => isMeant(lane))
    for (const [key] of meant) this.#lanes.delete(key)
    return Promise.allSettled(meant.map(([, { link }]) => link[Symbol.asyncDispose]()))
  }

  #keep(key: string, lane: Lane): void {
    const before = this.#lanes.get(key)
    this.#lanes.set(key, lane)
    if (before !== undefined) close(before.link)
    void lane.link.closed.then(() => {
      if (this.#lanes.get(key) === lane) this.#lanes.delete(key)
    })
    this.#closeWhenIdle(lane.link).catch(() => {})
  }

  async #closeWhenIdle(link: Link): Promise<void> {
    let isOver = false
    void link.closed.then(() => {
      isOver = true
    })
    for (let idleMs = 0; idleMs < LANE_IDLE_MS && !isOver; ) {
      await this.#clock.sleep(LANE_LOOK_MS, { signal: this.#signal })
      idleMs = link.channelCount === 0 ? idleMs + LANE_LOOK_MS : 0
    }
    if (!isOver) close(link)
  }
}

function requireLane(lane: number): void {
  if (Number.isInteger(lane) && lane >= 1 && lane <= LANES_MAX) return
  throw new AlliumError(
    "CHANNEL_LIMIT",
    `Cannot open channel: lane ${lane}, expected 0 to ${LANES_MAX}`,
  )
}

function close(link: Link): void {
  Promise.resolve(link[Symbol.asyncDispose]()).catch(() => {})
}

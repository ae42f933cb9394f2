/**
 * The way to towers: one transient session, and over it a link to each tower with a key that is thrown away.
 *
 * A tower learns neither who comes nor, when two lines are used, that who puts and who pulls are the same.
 *
 * @module
 */
import { untilAborted } from "../base/abort.ts"
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import type { Channel } from "../link/link.ts"
import { openLink } from "../link/open-link.ts"
import type { Mailbox } from "../mail/mailbox/mailbox.ts"
import { MAILBOX_PROTOCOL } from "../mail/mailbox/wire.ts"
import type { Session } from "../sam/session.ts"
import { makeLinkSigner } from "./link-signer.ts"
import type { TowerAddress } from "./tower-uri.ts"

/** Waiting for the session and for a LeaseSet to be found; a session alone takes up to 40 s. */
const CONNECT_MS = 120_000
/** Proof of the tower. */
const HANDSHAKE_MS = 30_000
/** For what is under way when a link is let go: it is put or pulled again. */
const DRAIN_MS = 2_000
/** Towers of contacts that are held at once; beyond, the one that was asked least recently is let go. */
export const TOWERS_HELD_MAX = 32
/** How often is looked whether a line is idle. */
const LOOK_MS = 30_000

/** A client on a channel. */
export interface MailboxClient extends Mailbox, AsyncDisposable {}

/** A mailbox that was reached. */
export interface Reached {
  readonly mailbox: Mailbox
  /** Aborts when the link to it is over. */
  readonly lost: AbortSignal
}

/** See the module. */
export interface TowerLine extends AsyncDisposable {
  /**
   * The tower's mailbox: over the link that stands, or a new one.
   * @throws {AlliumError} `PEER_UNREACHABLE`, `PEER_MISMATCH`, `BRIDGE_UNREACHABLE`, `SESSION_CLOSED`, `TIMED_OUT`.
   */
  reach(tower: TowerAddress, call: { signal: AbortSignal }): Promise<Reached>
}

/** What a line stands on. */
export interface TowerLineOptions {
  /** Opens the transient session; called again after the line was idle. */
  readonly openSession: (scope: Scope) => Promise<Session>
  readonly openClient: (channel: Channel) => MailboxClient
  /** Without it the session is kept. */
  readonly idleMs?: number
  readonly clock: Clock
  readonly random: RandomBytes
  readonly log: Log
}

/** Opens a line; its session comes up with the first call. */
export function openTowerLine(options: TowerLineOptions): TowerLine {
  return new Line(options)
}

interface Held {
  readonly reached: Promise<Reached>
  readonly scope: Scope
}

class Line implements TowerLine {
  readonly #options: TowerLineOptions
  readonly #scope = new Scope()
  readonly #held = new Map<string, Held>()
  #life: { scope: Scope; session: Promise<Session> } | undefined
  #usedMs = 0

  constructor(options: TowerLineOptions) {
    this.#options = options
    if (options.idleMs !== undefined) void this.#watchIdle(options.idleMs).catch(() => {})
  }

  async reach(tower: TowerAddress, call: { signal: AbortSignal }): Promise<Reached> {
    this.#usedMs = this.#options.clock.monotonicMs()
    const name = nameOf(tower)
    const held = this.#held.get(name) ?? this.#hold(tower)
    this.#held.delete(name)
    this.#held.set(name, held)
    this.#letGo()
    return untilAborted(held.reached, call.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close()
    await this.#hangUp()
  }

  #hold(tower: TowerAddress): Held {
    if (this.#scope.signal.aborted) throw closed()
    const scope = new Scope()
    const held = { scope, reached: this.#reach(tower, scope) }
    held.reached.catch(() => this.#drop(tower, scope))
    return held
  }

  async #reach(tower: TowerAddress, scope: Scope): Promise<Reached> {
    const { clock, random, log, openClient } = this.#options
    const session = await this.#session()
    const redial = (call: { signal: AbortSignal }) => session.connect(tower.address, call)
    const limit = AbortSignal.any([scope.signal, AbortSignal.timeout(CONNECT_MS)])
    const link = await openLink({
      identity: makeLinkSigner(random(32)),
      destination: session.destination,
      role: "out",
      stream: await redial({ signal: limit }),
      expectedPeer: Buffer.from(tower.key, "base64url"),
      redial,
      signal: scope.signal,
      limits: { handshakeMs: HANDSHAKE_MS, drainMs: DRAIN_MS },
      ...{ clock, random, log },
    })
    scope.use(link)
    void link.closed.then(() => this.#drop(tower, scope))
    const channel = link.open(MAILBOX_PROTOCOL, { signal: scope.signal })
    channel.on("error", () => {})
    channel.once("close", () => this.#drop(tower, scope))
    return { mailbox: scope.use(openClient(channel)), lost: scope.signal }
  }

  #session(): Promise<Session> {
    this.#life ??= this.#openLife()
    return this.#life.session
  }

  #openLife(): { scope: Scope; session: Promise<Session> } {
    const scope = new Scope()
    const session = this.#options.openSession(scope)
    session.catch(() => {
      if (this.#life?.scope === scope) this.#life = undefined
    })
    return { scope, session }
  }

  #drop(tower: TowerAddress, scope: Scope): void {
    if (this.#held.get(nameOf(tower))?.scope === scope) this.#held.delete(nameOf(tower))
    void scope.close().catch(() => {})
  }

  #letGo(): void {
    const [oldest] = this.#held
    if (oldest === undefined || this.#held.size <= TOWERS_HELD_MAX) return
    this.#held.delete(oldest[0])
    void oldest[1].scope.close().catch(() => {})
  }

  async #watchIdle(idleMs: number): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#scope
    while (!signal.aborted) {
      await clock.sleep(LOOK_MS, { signal })
      if (clock.monotonicMs() - this.#usedMs >= idleMs) await this.#hangUp()
    }
  }

  /** Ends links and session; the next call begins anew, from another address. */
  async #hangUp(): Promise<void> {
    const scopes = [...this.#held.values()].map(({ scope }) => scope)
    this.#held.clear()
    await Promise.all(scopes.map((scope) => scope.close().catch(() => {})))
    const life = this.#life
    this.#life = undefined
    await life?.scope.close().catch(() => {})
  }
}

function nameOf({ key, address }: TowerAddress): string {
  return `${key}.${address}`
}

function closed(): AlliumError {
  return new AlliumError("SESSION_CLOSED", "Cannot reach tower: the way there was closed")
}

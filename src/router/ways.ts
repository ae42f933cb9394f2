/**
 * Ways: sessions of one tunnel, one for each key, so that visits with different keys cannot be tied
 * together. Everything that could tie two visits hangs at a way; isolation is having more than one.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { AlliumError, isAlliumError, toAlliumError } from "../base/errors.ts"
import type { Session } from "../sam/session.ts"
import type { DatagramSession } from "../sam/supervised-datagrams.ts"
import type { DatagramWish, SessionWish, TunnelContext } from "./tunnel.ts"

/** What bounds the ways of one tunnel. */
export interface WayRules {
  /** Ways at a time. */
  readonly sessionsMax: number
  /** A way that nobody used for so long is closed; never, when 0. */
  readonly idleMs: number
  /** A way that was closed comes back under the address it had. */
  readonly keepAddress: boolean
  /** Of the way with the empty key; `transient` by default. */
  readonly ownKeys?: "transient" | "persistent"
}

/** What a tunnel keeps at a way; it is destroyed when the way closes. */
export interface WayKit {
  destroy(): void
}

/**
 * Makes what hangs at a new way. Its sessions open when they are asked for: one for streams, and one for datagrams
 * on a destination of its own.
 */
export type MakeKit<Kit> = (
  session: () => Promise<Session>,
  datagrams: () => Promise<DatagramSession>,
) => Kit

/** A way in use; whoever took it gives it back with `release`, once. */
export type Way<Kit> = Omit<Kit, "destroy"> & { release(): void }

interface Standing<Kit> {
  readonly key: string
  readonly kit: Kit
  users: number
  /** When it was given back last, by the monotonic clock. */
  restsSinceMs: number
  /** Somebody sleeps until it may be closed. */
  isWatched: boolean
  /** Aborted when it is closed. */
  readonly over: AbortController
}

/** The ways of one tunnel. */
export class Ways<Kit extends WayKit> implements AsyncDisposable {
  readonly #context: TunnelContext
  readonly #rules: WayRules
  readonly #make: MakeKit<Kit>
  /** The one that was given back last stands last. */
  readonly #standing = new Map<string, Standing<Kit>>()

  constructor(context: TunnelContext, rules: WayRules, make: MakeKit<Kit>) {
    this.#context = context
    this.#rules = rules
    this.#make = make
  }

  /** Opens the tunnel's own session before anybody asks. @throws {AlliumError} `SESSION_LIMIT`. */
  async warmUp(): Promise<void> {
    await this.#context.session(this.#wishFor("", undefined))
  }

  /** Ways that stand. */
  get count(): number {
    return this.#standing.size
  }

  /**
   * The way for a key; the empty key is the tunnel's own session.
   * @throws {AlliumError} `SESSION_LIMIT` when there are as many as may be and all are in use.
   */
  take(key: string, readerKey?: string): Way<Kit> {
    const way = this.#standing.get(key) ?? this.#open(key, readerKey)
    way.users++
    let held = true
    const release = () => {
      if (held) this.#rest(way)
      held = false
    }
    return { ...way.kit, release }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const way of this.#standing.values()) end(way)
    this.#standing.clear()
  }

  #open(key: string, readerKey: string | undefined): Standing<Kit> {
    const { sessionsMax } = this.#rules
    if (this.#standing.size >= sessionsMax && !this.#closeOneIdle()) throw tooMany(sessionsMax)
    const kit = this.#make(
      () => this.#within(() => this.#context.session(this.#wishFor(key, readerKey))),
      () => this.#within(() => this.#context.datagrams(this.#datagramWish(key))),
    )
    const rest = { users: 0, restsSinceMs: 0, isWatched: false, over: new AbortController() }
    const way = { key, kit, ...rest }
    this.#standing.set(key, way)
    return way
  }

  /** An address that nobody has to know again is renewed. */
  #wishFor(key: string, readerKey: string | undefined): SessionWish {
    const { keepAddress, ownKeys = "transient" } = this.#rules
    const keys = keepAddress ? "transient" : "renewed"
    if (key !== "") return { keys, name: nameOf(key), readerKey }
    return { keys: ownKeys === "persistent" ? ownKeys : keys }
  }

  #datagramWish(key: string): DatagramWish {
    const keys = this.#rules.keepAddress ? "transient" : "renewed"
    return { style: "DATAGRAM", keys, ...(key !== "" && { name: nameOf(key) }) }
  }

  /** All tunnels share a budget: when it is spent, one of ours that rests makes room. */
  async #within<S>(open: () => Promise<S>): Promise<S> {
    return open().catch(async (error) => {
      const closing = isAlliumError(error, "SESSION_LIMIT") ? this.#closeOneIdle() : undefined
      if (closing === undefined) throw error
      await closing
      return open()
    })
  }

  #rest(way: Standing<Kit>): void {
    way.users--
    if (way.users > 0 || this.#standing.get(way.key) !== way) return
    this.#standing.delete(way.key)
    this.#standing.set(way.key, way)
    const { idleMs } = this.#rules
    way.restsSinceMs = this.#context.clock.monotonicMs()
    if (idleMs > 0 && !way.isWatched) void this.#closeWhenIdle(way, idleMs)
  }

  /** One sleep for many uses: requests come often, and a timer for each would cost more than they do. */
  async #closeWhenIdle(way: Standing<Kit>, idleMs: number): Promise<void> {
    const { clock } = this.#context
    way.isWatched = true
    while (way.users === 0) {
      const leftMs = way.restsSinceMs + idleMs - clock.monotonicMs()
      if (leftMs <= 0) return await this.#close(way)
      await clock.sleep(leftMs, way.over).catch(() => {})
      if (way.over.signal.aborted) return
    }
    way.isWatched = false
  }

  /** Resolves when it has closed; `undefined` when all are in use. */
  #closeOneIdle(): Promise<void> | undefined {
    const oldest = [...this.#standing.values()].find(({ users }) => users === 0)
    return oldest === undefined ? undefined : this.#close(oldest)
  }

  async #close(way: Standing<Kit>): Promise<void> {
    this.#standing.delete(way.key)
    end(way)
    const { keepAddress } = this.#rules
    await this.#context
      .closeSession(way.key === "" ? undefined : nameOf(way.key), { keepKeys: keepAddress })
      .catch((error) => {
        this.#context.log.warn("session.close-failed", { code: toAlliumError(error).code })
      })
  }
}

function end({ kit, over }: Standing<WayKit>): void {
  over.abort()
  kit.destroy()
}

/** The name of a session tells nothing of the site or user. */
function nameOf(key: string): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 32)
}

function tooMany(sessionsMax: number): AlliumError {
  const message = `Cannot open session: ${sessionsMax} of this proxy are in use, expected fewer`
  return new AlliumError("SESSION_LIMIT", message)
}

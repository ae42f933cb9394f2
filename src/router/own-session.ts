/**
 * The one session of a client tunnel: opened at once or when it is first used, closed when nobody used it
 * for a while.
 *
 * @module
 */
import type { Session } from "../sam/session.ts"
import type { TunnelContext } from "./tunnel.ts"
import { Ways } from "./ways.ts"

/** How a client tunnel keeps its session. */
export interface OwnSessionRules {
  /** `transient` ones are new each time the session opens. */
  readonly keys: "transient" | "persistent"
  /** Never closed, when 0. */
  readonly idleMs: number
}

/** Opens the session when it is asked for; the same one, until it was idle. */
export class OwnSession implements AsyncDisposable {
  readonly #ways: Ways<{ session: () => Promise<Session>; destroy(): void }>

  constructor(context: TunnelContext, { keys, idleMs }: OwnSessionRules) {
    const rules = { sessionsMax: 1, idleMs, keepAddress: false, ownKeys: keys }
    this.#ways = new Ways(context, rules, (session) => ({ session, destroy: () => {} }))
  }

  /**
   * While the deed lasts the session is not idle.
   * @throws {AlliumError} `SESSION_LIMIT` by the function the deed is given, and what the deed throws.
   */
  async use<T>(deed: (session: () => Promise<Session>) => Promise<T>): Promise<T> {
    const { session, release } = this.#ways.take("")
    return deed(session).finally(release)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#ways[Symbol.asyncDispose]()
  }
}

/**
 * A session: a ratchet, what it is bound to, and the hello that goes along until it is answered.
 *
 * @module
 */
import type { CryptoSession } from "./crypto.ts"
import { capacityOf } from "./frame.ts"
import type { RatchetState } from "./ratchet-state.ts"

/** What identifies a session: the beginning of what it is bound to. */
const SESSION_NAME_BYTES = 16

/** All of a session; secret. */
export interface SessionState {
  /** (AD) 32 bytes. */
  readonly bound: Uint8Array
  readonly begun: boolean
  /** In every envelope of ours until something of theirs was opened; with the key of its layer. */
  readonly hello: { readonly key: Uint8Array; readonly bytes: Uint8Array } | undefined
  readonly ratchet: RatchetState
}

/** A session whose state does not show when it is printed or packed. */
export class Session implements CryptoSession {
  readonly name: Uint8Array
  readonly begun: boolean
  readonly answered: boolean
  readonly capacity: number
  readonly #state: SessionState

  constructor(state: SessionState) {
    this.name = state.bound.slice(0, SESSION_NAME_BYTES)
    this.begun = state.begun
    this.answered = state.hello === undefined
    this.capacity = capacityOf(state.hello !== undefined)
    this.#state = state
  }

  /** @throws {TypeError} for a session of something else. */
  static stateOf(session: CryptoSession): SessionState {
    if (session instanceof Session) return session.#state
    throw new TypeError("Cannot use session: it was not made here")
  }
}

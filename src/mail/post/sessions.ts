/**
 * The sessions with one correspondent: which is used for sending, which are kept for opening.
 *
 * Both sides order sessions alike: those with the correspondent's newest memory first, then the higher epoch, then the
 * smaller name. So two that begin at once agree, and who begins anew is followed.
 *
 * @see docs/protocol/letter.md "Sessions"
 * @module
 */
import type { CryptoSession } from "../envelope/crypto.ts"
import type { Draft } from "./draft.ts"
import { type Session, type State, toHex } from "./kept.ts"

/** Sessions kept of one correspondent; the least preferred goes first. */
export const SESSIONS_MAX = 4
/** Origins of theirs that are remembered. */
const ORIGINS_MAX = 16
/** Where epochs end; then only names decide. */
export const EPOCH_MAX = 2 ** 32 - 1

/** The session to send with; `undefined` when one must be begun. */
export function preferred(
  sessions: readonly Session[],
  state: Pick<State, "peerOrigin">,
): Session | undefined {
  const [first] = inOrder(sessions, state)
  return first !== undefined && isCurrent(first, state) ? first : undefined
}

/** Best first. */
export function inOrder(sessions: readonly Session[], state: Pick<State, "peerOrigin">): Session[] {
  const rank = (session: Session) => (isCurrent(session, state) ? 0 : 1)
  return [...sessions].sort(
    (left, right) =>
      rank(left) - rank(right) ||
      right.epoch - left.epoch ||
      (left.name < right.name ? -1 : Number(left.name > right.name)),
  )
}

function isCurrent({ peerOrigin }: Session, state: Pick<State, "peerOrigin">): boolean {
  return equal(peerOrigin, state.peerOrigin)
}

/** Adds a session or puts its next state in place of the one before. */
export function keepSession(draft: Draft, session: Session): void {
  const others = draft.sessions.filter(({ name }) => name !== session.name)
  draft.sessions = inOrder([...others, session], draft.state).slice(0, SESSIONS_MAX)
  draft.state.epoch = Math.max(draft.state.epoch, session.epoch)
}

/** Begins a session that is preferred to all we know. @throws {AlliumError} `BAD_BUNDLE`. */
export function keepBegun(draft: Draft, crypto: CryptoSession): void {
  const epoch = Math.min(draft.state.epoch + 1, EPOCH_MAX)
  const { peerOrigin } = draft.state
  keepSession(draft, { name: toHex(crypto.name), crypto, epoch, peerOrigin })
}

/** Where an origin was heard. */
export interface HeardIn {
  readonly session: Session
  /** Whether this is the envelope with which they began the session. */
  readonly isFirst: boolean
}

/**
 * Learns under which origin they write. The newest is the one never heard before, or that of the session they began
 * last: what an older device had sealed may come late, but only who is alive begins again.
 *
 * @returns Whether it was never heard before, and another was: they lost their memory.
 */
export function hearOrigin(
  draft: Draft,
  { session, isFirst }: HeardIn,
  origin: Uint8Array,
): boolean {
  const { state } = draft
  const before = state.peerOrigin
  const isNew = !state.origins.some((one) => equal(one, origin))
  if (isNew) state.origins = [...state.origins, origin].slice(-ORIGINS_MAX)
  if ((isNew || isFirst) && !equal(before, origin)) {
    state.peerOrigin = origin
    state.held = []
    if (before !== undefined) state.introduced = undefined
  }
  keepSession(draft, { ...session, peerOrigin: origin })
  if (before === undefined)
    draft.sessions = draft.sessions.map((one) =>
      one.peerOrigin === undefined ? { ...one, peerOrigin: origin } : one,
    )
  return isNew && before !== undefined
}

/** Whether both are missing, or both the same bytes. */
export function equal(left: Uint8Array | undefined, right: Uint8Array | undefined): boolean {
  if (left === undefined || right === undefined) return left === right
  return Buffer.compare(left, right) === 0
}

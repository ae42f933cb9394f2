/**
 * How to begin with a correspondent, and to begin anew: their introduction, ours, a session, their places.
 *
 * @module
 */
import { AlliumError, toAlliumError } from "../../base/errors.ts"
import type { Correspondent } from "./correspondent.ts"
import type { Draft } from "./draft.ts"
import { writeIntroduction } from "./introduction.ts"
import { CONTROL_TOPIC } from "./letter.ts"
import { openMove } from "./move.ts"
import { nameOfPlace } from "./places.ts"
import type { Introduction, Place } from "./post.ts"
import { hashIntroduction, introduceTo, learn } from "./prekeys.ts"
import { equal, keepBegun, preferred } from "./sessions.ts"
import { within } from "./within.ts"

/** Sessions begun with one correspondent within {@linkcode BEGIN_SPAN_MS}, so that two who cannot read each other rest. */
const BEGIN_MAX = 3
/** See {@linkcode BEGIN_MAX}. */
const BEGIN_SPAN_MS = 3_600_000

/** What they sealed before they heard of a new session is no reason to begin another. */
const ANSWER_MS = 10 * 60_000

/** Whether another session may be begun now. */
export function mayBegin(it: Correspondent): boolean {
  return recentlyBegun(it).length < BEGIN_MAX
}

/** Whether there is a session to send with. */
export function hasSession({ memory }: Correspondent): boolean {
  return preferred(memory.sessions, memory.state) !== undefined
}

/** Whether our key changed since the session was begun: then another one is, bound to the key that counts. */
export function isOutdated({ memory, keys }: Correspondent): boolean {
  const { own, older } = keys
  return older.length > 0 && !equal(memory.state.boundTo, own.publicKey)
}

/**
 * Whether letters may lie with them unread, in a session that they never answered, and as they know our newer key, will not
 * accept any more; another one may be begun.
 */
export function isRefused(it: Correspondent): boolean {
  const { sessions, state, flight } = it.memory
  const session = preferred(sessions, state)
  const isOpen = session?.crypto.begun === true && !session.crypto.answered
  const hasLetters = [...flight.values()].some(({ range: [from, to] }) => from < to)
  return isOpen && hasLetters && isOutdated(it) && mayBegin(it)
}

/** Whether they have not had time yet to answer the session we began last. */
export function waitsForAnswer(it: Correspondent): boolean {
  const { sessions, state } = it.memory
  const session = preferred(sessions, state)
  const atMs = recentlyBegun(it).at(-1)
  if (session === undefined || atMs === undefined) return false
  const isOpen = session.crypto.begun && !session.crypto.answered
  return isOpen && it.options.clock.now() - atMs < ANSWER_MS
}

function recentlyBegun(it: Correspondent): number[] {
  const nowMs = it.options.clock.now()
  return it.memory.state.begunAt.filter((at) => at <= nowMs && nowMs - at < BEGIN_SPAN_MS)
}

/**
 * Asks them for their introduction, if that can be done now; what we know serves otherwise.
 *
 * @param call.atMostMs - For how long, when something is known.
 */
export async function refresh(
  it: Correspondent,
  call: { signal: AbortSignal; atMostMs: number },
): Promise<void> {
  const { greet, log, clock } = it.options
  if (greet === undefined) return
  const ask = (signal: AbortSignal) => greet(it.peer, { signal })
  try {
    const knows = it.memory.theirs.bundle !== undefined
    const introduction = await (knows ? within({ ...call, clock }, ask) : ask(call.signal))
    await it.alter(async (draft) => learn(it, draft, introduction))
  } catch (error) {
    log.debug("courier.greet", { code: toAlliumError(error).code })
  }
}

/** @throws {AlliumError} `PEER_UNREACHABLE` when we know too little of them, `BUSY` when it was done too often. */
export async function beginSession(it: Correspondent): Promise<void> {
  if (!mayBegin(it))
    throw new AlliumError("BUSY", "Cannot begin session: too many were begun lately")
  await it.alter(async (draft) => {
    const { bundle } = draft.theirs
    if (bundle === undefined)
      throw new AlliumError(
        "PEER_UNREACHABLE",
        "Cannot begin session: the contact's keys are unknown",
      )
    const { own } = it.keys
    keepBegun(draft, it.options.crypto.begin(own, bundle))
    draft.state.boundTo = own.publicKey
    draft.state.begunAt = [...recentlyBegun(it), it.options.clock.now()]
    draft.state.answer = true
  })
}

/** Puts our introduction into the outbox unless they were told the same before. */
export async function tellOfUs(it: Correspondent): Promise<void> {
  await it.alter(async (draft) => {
    const introduction = await introduceTo(it, draft)
    const hash = hashIntroduction(introduction)
    if (equal(hash, draft.state.introduced)) return
    draft.state.introduced = hash
    stage(it, draft, introduction)
  })
}

function stage(it: Correspondent, draft: Draft, introduction: Introduction): void {
  const letter = { topic: CONTROL_TOPIC, name: "", content: writeIntroduction(introduction) }
  draft.stage(it.outbox.stage(letter))
}

/** A place is no more; what its owner left there may name the next. */
export async function replacePlace(
  it: Correspondent,
  place: Place,
  moved: Uint8Array | undefined,
): Promise<void> {
  const { told } = it.options
  const next = moved && place.kind === "tower" ? openOrNothing(place.moveKey, moved) : undefined
  await it.alter(async (draft) => {
    const { theirs } = draft
    const places = theirs.places.flatMap((one) => (same(one, place) ? (next ?? []) : one))
    draft.theirs = { ...theirs, places }
    draft.after(() => told?.(it.peer, next ? "moved" : "gone"))
  })
}

function openOrNothing(moveKey: Uint8Array, moved: Uint8Array): Place | undefined {
  try {
    return openMove(moveKey, moved)
  } catch {
    return undefined
  }
}

function same(left: Place, right: Place): boolean {
  if (left.kind === "self" || right.kind === "self") return left.kind === right.kind
  return nameOfPlace(left) === nameOfPlace(right) && equal(left.sendId, right.sendId)
}

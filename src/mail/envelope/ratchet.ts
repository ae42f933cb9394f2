/**
 * The Double Ratchet with header encryption, with a KEM in every turn: which key a message has.
 *
 * A turn is made when there is something to send, not when the other side's keys come; nobody else can see the
 * difference, and the keys exist later.
 *
 * @see https://signal.org/docs/specifications/doubleratchet/#double-ratchet-with-header-encryption
 * @see https://github.com/simplex-chat/simplexmq/blob/stable/protocol/pqdr.md
 * @module
 */
import { AlliumError } from "../../base/errors.ts"
import type { RandomBytes } from "../../base/random.ts"
import { stepChain } from "./kdf.ts"
import { type ChainMark, isOf, type KeptKey, keepKeys, takeKey, withoutOld } from "./kept-keys.ts"
import type {
  Header,
  RatchetState,
  RatchetSuite,
  ReceivingChain,
  SendingChain,
  TheirTurn,
} from "./ratchet-state.ts"

/** (MAX_SKIP) Messages of one chain that may be missing before one that comes. */
export const JUMP_MAX = 1_000

/** Key of the next message we send. */
export interface SendingKey {
  readonly state: RatchetState
  readonly header: Header
  readonly headerKey: Uint8Array
  readonly messageKey: Uint8Array
}

/** (RatchetEncryptPQ2HE) Begins a turn when it is ours. */
export function takeSendingKey(
  suite: RatchetSuite,
  before: RatchetState,
  random: RandomBytes,
): SendingKey {
  const { state, keys, sending } = withSendingChain(suite, before, random)
  const { messageKey, chainKey } = stepChain(sending.chainKey)
  const { headerKey, ciphertext, sentBefore, number } = sending
  const turn: TheirTurn = {
    is: "theirs",
    keys,
    sending: { ...sending, chainKey, number: number + 1 },
  }
  const header = { key: keys.publicKey, ciphertext, sentBefore, number }
  return { state: { ...state, turn }, header, headerKey, messageKey }
}

function withSendingChain(suite: RatchetSuite, state: RatchetState, random: RandomBytes) {
  const { turn } = state
  if (turn.is === "theirs") return { state, keys: turn.keys, sending: requireChain(turn) }
  const { keys, ciphertext, shared } = suite.beginTurn(turn.theirKey, random)
  const { rootKey, chainKey, headerKey } = suite.mixRoot(state.rootKey, shared)
  const { sentBefore } = turn
  const sending = { headerKey: state.nextSendingKey, chainKey, number: 0, ciphertext, sentBefore }
  return { state: { ...state, rootKey, nextSendingKey: headerKey }, keys, sending }
}

/** @throws {RangeError} for the side that was begun with, before it opened anything. */
function requireChain({ sending }: TheirTurn): SendingChain {
  if (sending === undefined) throw new RangeError("Cannot seal: nothing was opened yet")
  return sending
}

/** A message whose header was read. */
export interface Arrival {
  /** Header key that read it; one of {@linkcode readableChains}. */
  readonly headerKey: Uint8Array
  readonly header: Header
  /** Milliseconds since 1970. */
  readonly nowMs: number
}

/** Key of a message that came. */
export interface ReceivingKey {
  /** Must not be used before the message is found genuine. */
  readonly state: RatchetState
  readonly messageKey: Uint8Array
}

/** Chains a message may be of: the newest, the next, then kept ones, the latest first. */
export function readableChains(state: RatchetState): ChainMark[] {
  const { receiving, kept } = state
  const next = nextMark(state)
  const older = kept.filter((chain) => !receiving || !isOf(chain, receiving.headerKey)).reverse()
  return [...(receiving ? [receiving] : []), ...(next ? [next] : []), ...older]
}

/** None while it is our turn: they cannot have answered what we did not send. */
function nextMark({ turn, nextReceivingKey }: RatchetState): ChainMark | undefined {
  if (turn.is === "ours") return undefined
  return { headerKey: nextReceivingKey, first: turn.sending === undefined }
}

/**
 * (RatchetDecryptPQ2HE) without the decryption.
 *
 * @returns `undefined` for a message that was taken already, whose key was forgotten, that jumps too far, or whose
 * header no honest side writes.
 */
export function takeReceivingKey(
  suite: RatchetSuite,
  before: RatchetState,
  arrival: Arrival,
): ReceivingKey | undefined {
  const state = { ...before, kept: withoutOld(before.kept, arrival.nowMs) }
  const { headerKey, header, nowMs } = arrival
  if (state.turn.is === "theirs" && headerKey === state.nextReceivingKey) {
    const turned = turnReceiving(suite, state, arrival)
    return turned && takeFromChain(turned, header.number, nowMs)
  }
  if (headerKey === state.receiving?.headerKey && header.number >= state.receiving.number)
    return takeFromChain(state, header.number, nowMs)
  const taken = takeKey(state.kept, headerKey, header.number)
  return taken && { state: { ...state, kept: taken.kept }, messageKey: taken.messageKey }
}

/** (DHRatchetPQ2HE) Their half of it. */
function turnReceiving(
  suite: RatchetSuite,
  before: RatchetState,
  { header, nowMs }: Arrival,
): RatchetState | undefined {
  const state = closeChain(before, header.sentBefore, nowMs)
  const turn = state?.turn
  if (state === undefined || turn?.is !== "theirs") return undefined
  const shared = meetOrRefuse(turn, header)
  if (shared === undefined) return undefined
  const { rootKey, chainKey, headerKey } = suite.mixRoot(state.rootKey, shared)
  const mark = { headerKey: state.nextReceivingKey, first: turn.sending === undefined }
  return {
    ...state,
    rootKey,
    turn: { is: "ours", theirKey: header.key, sentBefore: turn.sending?.number ?? 0 },
    receiving: { ...mark, chainKey, number: 0 },
    nextReceivingKey: headerKey,
  }
}

function meetOrRefuse({ keys }: TheirTurn, { key, ciphertext }: Header): Uint8Array | undefined {
  try {
    return keys.meet(key, ciphertext)
  } catch (error) {
    if (error instanceof AlliumError) return undefined // a key of small order: the answer, not a failure
    throw error
  }
}

/** Keeps the keys of what is still to come of their old chain, which had `count` messages. */
function closeChain(state: RatchetState, count: number, nowMs: number): RatchetState | undefined {
  const { receiving } = state
  if (receiving === undefined) return count === 0 ? state : undefined
  return skipTo(state, receiving, count, nowMs)
}

function takeFromChain(
  state: RatchetState,
  number: number,
  nowMs: number,
): ReceivingKey | undefined {
  const skipped = state.receiving && skipTo(state, state.receiving, number, nowMs)
  if (skipped?.receiving === undefined) return undefined
  const { messageKey, chainKey } = stepChain(skipped.receiving.chainKey)
  const receiving = { ...skipped.receiving, chainKey, number: number + 1 }
  return { state: { ...skipped, receiving }, messageKey }
}

/** (SkipMessageKeysHE) `undefined` when that is too far, or back. */
function skipTo(
  state: RatchetState,
  chain: ReceivingChain,
  number: number,
  atMs: number,
): RatchetState | undefined {
  const count = number - chain.number
  if (count < 0 || count > JUMP_MAX) return undefined
  let { chainKey } = chain
  const keys: KeptKey[] = []
  for (let skipped = chain.number; skipped < number; skipped++) {
    const step = stepChain(chainKey)
    keys.push({ number: skipped, messageKey: step.messageKey, atMs })
    chainKey = step.chainKey
  }
  const receiving = { ...chain, chainKey, number }
  return { ...state, receiving, kept: keepKeys(state.kept, chain, keys) }
}

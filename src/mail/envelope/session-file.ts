/**
 * A session as bytes for the disk: about 1.5 kB, and 42 bytes for each kept key. Secret.
 *
 * The form is this machine's own; nobody else ever reads it.
 *
 * @module
 */
import { AlliumError } from "../../base/errors.ts"
import { Cutter, numberBytes } from "./cutter.ts"
import { HELLO_BYTES } from "./handshake.ts"
import {
  HYBRID_KEY_BYTES,
  HYBRID_SECRET_BYTES,
  isSoundKey,
  KEM_CIPHERTEXT_BYTES,
  openHybridKeys,
} from "./hybrid-keys.ts"
import { hashOf, KEY_BYTES } from "./kdf.ts"
import { readKept, writeKept } from "./kept-file.ts"
import type { OurTurn, RatchetState, ReceivingChain, TheirTurn } from "./ratchet-state.ts"
import type { SessionState } from "./session.ts"

const VERSION = 1
/** What is there; the other bits are 0. */
const FLAG = { begun: 1, hello: 2, ourTurn: 4, receiving: 8, first: 16 } as const
const FLAGS_ALL = 31
/** The beginning of a SHA-256: the store has seals of its own, this only tells damage. */
const CHECK_BYTES = 16

/** The inverse of {@linkcode readSession}. */
export function writeSession({ bound, begun, hello, ratchet }: SessionState): Uint8Array {
  const { turn, receiving } = ratchet
  const flags =
    (begun ? FLAG.begun : 0) |
    (hello ? FLAG.hello : 0) |
    (turn.is === "ours" ? FLAG.ourTurn : 0) |
    (receiving ? FLAG.receiving : 0) |
    (receiving?.first ? FLAG.first : 0)
  const body = Buffer.concat([
    Uint8Array.of(VERSION, flags),
    bound,
    ...(hello ? [hello.key, hello.bytes] : []),
    ...[ratchet.rootKey, ratchet.nextSendingKey, ratchet.nextReceivingKey],
    ...(turn.is === "ours" ? writeOurTurn(turn) : writeTheirTurn(turn)),
    ...(receiving ? writeReceiving(receiving) : []),
    ...writeKept(ratchet.kept),
  ])
  return new Uint8Array(Buffer.concat([body, checkOf(body)]))
}

/** @throws {AlliumError} `BAD_SESSION` for anything {@linkcode writeSession} did not write. */
export function readSession(bytes: Uint8Array): SessionState {
  const body = new Uint8Array(bytes.subarray(0, Math.max(0, bytes.length - CHECK_BYTES)))
  const isWhole =
    bytes.length >= CHECK_BYTES && Buffer.compare(checkOf(body), bytes.subarray(-CHECK_BYTES)) === 0
  if (!isWhole) throw badSession("its checksum is wrong")
  try {
    return readBody(new Cutter(body))
  } catch (error) {
    if (error instanceof RangeError) throw badSession(error.message)
    throw error
  }
}

function readBody(cutter: Cutter): SessionState {
  require(cutter.number(1) === VERSION, "version")
  const flags = cutter.number(1)
  require((flags & ~FLAGS_ALL) === 0, "flags")
  const has = (flag: number) => (flags & flag) !== 0
  const bound = cutter.take(KEY_BYTES)
  const hello = has(FLAG.hello)
    ? { key: cutter.take(KEY_BYTES), bytes: cutter.take(HELLO_BYTES) }
    : undefined
  const ratchet: RatchetState = {
    rootKey: cutter.take(KEY_BYTES),
    nextSendingKey: cutter.take(KEY_BYTES),
    nextReceivingKey: cutter.take(KEY_BYTES),
    turn: has(FLAG.ourTurn) ? readOurTurn(cutter) : readTheirTurn(cutter),
    receiving: has(FLAG.receiving) ? readReceiving(cutter, has(FLAG.first)) : undefined,
    kept: readKept(cutter),
  }
  require(cutter.left === 0, "length")
  return requireSense({ bound, begun: has(FLAG.begun), hello, ratchet }, has(FLAG.first))
}

/** Only whoever began has a hello, and exactly until something came. */
function requireSense(state: SessionState, first: boolean): SessionState {
  const { receiving, kept } = state.ratchet
  const isAnswered = receiving !== undefined
  require((state.hello !== undefined) === (state.begun && !isAnswered), "hello")
  require(state.begun || isAnswered, "beginning")
  require(isAnswered || kept.length === 0, "kept keys")
  const firsts = first || kept.some((chain) => chain.first)
  require(!firsts || !state.begun, "first chain")
  return state
}

function writeOurTurn({ theirKey, sentBefore }: OurTurn): Uint8Array[] {
  return [theirKey, numberBytes(sentBefore, 4)]
}

function readOurTurn(cutter: Cutter): OurTurn {
  const theirKey = cutter.take(HYBRID_KEY_BYTES)
  require(isSoundKey(theirKey), "key of theirs")
  return { is: "ours", theirKey, sentBefore: cutter.number(4) }
}

/** @throws {RangeError} for the side that was begun with, before it opened anything: nobody has such a session. */
function writeTheirTurn({ keys, sending }: TheirTurn): Uint8Array[] {
  if (sending === undefined) throw new RangeError("Cannot export: nothing was opened yet")
  const { headerKey, chainKey, ciphertext } = sending
  const numbers = [numberBytes(sending.number, 4), numberBytes(sending.sentBefore, 4)]
  return [keys.secret, headerKey, chainKey, ciphertext, ...numbers]
}

function readTheirTurn(cutter: Cutter): TheirTurn {
  const keys = openHybridKeys(cutter.take(HYBRID_SECRET_BYTES))
  const sending = {
    headerKey: cutter.take(KEY_BYTES),
    chainKey: cutter.take(KEY_BYTES),
    ciphertext: cutter.take(KEM_CIPHERTEXT_BYTES),
    number: cutter.number(4),
    sentBefore: cutter.number(4),
  }
  require(sending.number > 0, "number")
  return { is: "theirs", keys, sending }
}

function writeReceiving({ headerKey, chainKey, number }: ReceivingChain): Uint8Array[] {
  return [headerKey, chainKey, numberBytes(number, 4)]
}

function readReceiving(cutter: Cutter, first: boolean): ReceivingChain {
  const [headerKey, chainKey] = [cutter.take(KEY_BYTES), cutter.take(KEY_BYTES)]
  return { headerKey, first, chainKey, number: cutter.number(4) }
}

function checkOf(body: Uint8Array): Uint8Array {
  return hashOf("file", body).subarray(0, CHECK_BYTES)
}

function require(holds: boolean, what: string): void {
  if (!holds) throw badSession(`its ${what} makes no sense`)
}

function badSession(found: string): AlliumError {
  return new AlliumError("BAD_SESSION", `Cannot read session: ${found}`)
}

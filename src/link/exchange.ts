/**
 * The handshake over a stream: who writes and reads what, in which order, and when to give up.
 *
 * @see docs/protocol/link.md#handshake
 * @module
 */
import type { Duplex } from "node:stream"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { RandomBytes } from "../base/random.ts"
import type { Destination } from "../sam/destination.ts"
import {
  CONFIRM_BYTES,
  type Ends,
  HELLO_BYTES,
  type Hello,
  isConfirm,
  linkIdOf,
  NONCE_BYTES,
  readHello,
  readWelcome,
  type Signer,
  type Terms,
  WELCOME_BYTES,
  writeConfirm,
  writeHello,
  writeWelcome,
} from "./handshake.ts"
import { readExactly } from "./read-exactly.ts"

/** A stream that knows who is at its other end, as the router says: a `SamStream` for real. */
export type LinkStream = Duplex & { readonly peer: Destination }

/** What both sides of a handshake need. */
export interface ExchangeOptions {
  readonly identity: Signer
  /** Other keys of ours that a caller may want. */
  readonly others?: () => readonly Signer[]
  /** Our own. */
  readonly destination: Destination
  readonly random: RandomBytes
  readonly terms: Terms
  readonly signal: AbortSignal
}

/** Which link to go on with, and how far we are. */
export interface Standing {
  readonly linkId: Uint8Array
  readonly received: number
}

/** What the other side agreed to. */
export interface Agreement {
  readonly linkId: Uint8Array
  readonly terms: Terms
  /** Bytes of frames the other side has received. */
  readonly received: number
}

/**
 * Calls: HELLO, then WELCOME, then CONFIRM.
 *
 * @throws {AlliumError} `LINK_REFUSED` when the other side hangs up before it proves anything,
 * `PEER_MISMATCH` when its proof is not by `expectedPeer`, `LINK_LOST` when it no longer knows the link
 * to be resumed; the signal's reason.
 */
export async function callPeer(
  stream: LinkStream,
  options: ExchangeOptions & { expectedPeer: Uint8Array; standing: Standing; lane?: number },
): Promise<Agreement> {
  const { identity, expectedPeer, standing, lane = 0 } = options
  const ends: Ends = {
    callerDestination: options.destination.bytes,
    answererDestination: stream.peer.bytes,
    answererKey: expectedPeer,
  }
  const nonce = options.random(NONCE_BYTES)
  const hello = writeHello({ nonce, ...options.terms, lane, ...standing }, identity, ends)
  stream.write(hello.bytes)
  const bytes = await readExactly(stream, WELCOME_BYTES, options)
  if (bytes === undefined) throw refused()
  const read = readWelcome(bytes, expectedPeer, hello.transcript)
  if (read === undefined) throw mismatch()
  if (isResumption(standing) && !read.welcome.resumed) throw forgotten()
  stream.write(writeConfirm(identity, read.transcript))
  const linkId = isResumption(standing) ? standing.linkId : linkIdOf(read.transcript)
  return { linkId, terms: read.welcome, received: read.welcome.received }
}

/** A caller who has named itself; not answered yet. */
export interface Caller {
  readonly hello: Hello
  readonly identityKey: Uint8Array
  /** Which key of ours it wants, and we answer with. */
  readonly wantedKey: Uint8Array
  /** Answers, with other terms if need be; resolves to the id a new link would have once the caller has confirmed. */
  answer(reply: { received: number; resumed: boolean }, terms?: Partial<Terms>): Promise<Uint8Array>
}

/**
 * Waits for HELLO. Nothing is sent before {@linkcode Caller.answer}.
 *
 * @throws {AlliumError} `PEER_MISMATCH` for anybody who does not want this identity or cannot prove its
 * own; the signal's reason.
 */
export async function hearCaller(stream: LinkStream, options: ExchangeOptions): Promise<Caller> {
  const bytes = await readExactly(stream, HELLO_BYTES, options)
  const read = bytes && readHelloTo(options, bytes, stream.peer)
  if (read === undefined) throw mismatch()
  const { self, hello, callerKey: identityKey, transcript } = read
  const answer: Caller["answer"] = async (reply, terms = {}) => {
    const nonce = options.random(NONCE_BYTES)
    const welcome = writeWelcome({ nonce, ...options.terms, ...terms, ...reply }, self, transcript)
    stream.write(welcome.bytes)
    const confirm = await readExactly(stream, CONFIRM_BYTES, options)
    if (confirm === undefined || !isConfirm(confirm, identityKey, welcome.transcript))
      throw mismatch()
    return linkIdOf(welcome.transcript)
  }
  return { hello, identityKey, wantedKey: self.publicKey, answer }
}

/** What HELLO says to whichever key of ours it wants. */
function readHelloTo(
  { identity, others, destination }: ExchangeOptions,
  bytes: Buffer,
  caller: Destination,
) {
  const toKey = (self: Signer) => {
    const ends: Ends = {
      callerDestination: caller.bytes,
      answererDestination: destination.bytes,
      answererKey: self.publicKey,
    }
    const read = readHello(bytes, ends)
    return read && { self, ...read }
  }
  const read = toKey(identity)
  if (read !== undefined) return read
  for (const other of others?.() ?? []) {
    const later = toKey(other)
    if (later !== undefined) return later
  }
  return undefined
}

/** True when HELLO names a link. */
export function isResumption(standing: { readonly linkId: Uint8Array }): boolean {
  return standing.linkId.some((byte) => byte !== 0)
}

/**
 * Runs a handshake under a deadline; when it fails in any way, the stream is destroyed.
 *
 * @throws {AlliumError} `TIMED_OUT` after `timeoutMs`; otherwise what `run` throws.
 */
export async function underDeadline<T>(
  stream: Duplex,
  options: { clock: Clock; timeoutMs: number; signal: AbortSignal },
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController()
  const done = new AbortController()
  void options.clock.sleep(options.timeoutMs, { signal: done.signal }).then(
    () => late.abort(timedOut(options.timeoutMs)),
    () => {},
  )
  // Stays for the stream's life: what it means is told by "close".
  stream.on("error", () => {})
  try {
    return await run(AbortSignal.any([options.signal, late.signal]))
  } catch (error) {
    stream.destroy()
    throw toAlliumError(error)
  } finally {
    done.abort()
  }
}

function refused(): AlliumError {
  const found = "the other side hung up before it proved who it is, expected its proof"
  return new AlliumError("LINK_REFUSED", `Cannot open link: ${found}`)
}

function mismatch(): AlliumError {
  const found = "the other side's proof is for another identity or another call"
  return new AlliumError(
    "PEER_MISMATCH",
    `Cannot open link: ${found}, expected a proof for this one`,
  )
}

function forgotten(): AlliumError {
  return new AlliumError("LINK_LOST", "Cannot resume link: the other side no longer has it")
}

function timedOut(timeoutMs: number): AlliumError {
  const found = `no proof of who is there after ${timeoutMs} ms`
  return new AlliumError("TIMED_OUT", `Cannot open link: ${found}, expected one by then`)
}

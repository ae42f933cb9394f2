/**
 * Memory that is given back at once.
 *
 * V8 gives long buffers back when 32 MiB of them or more came together, and looks through its whole heap for them. Where a hundred megabytes a
 * second pass through, that costs more than what is done with them. A transfer to a port that is closed ends a buffer now, for less
 * than it costs to make one.
 *
 * @module
 */
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { MessageChannel, type MessagePort } from "node:worker_threads"

/** Less than that is not worth it. */
const WORTH_BYTES = 4_096

let nowhere: MessagePort | undefined

/** A stream that looks at bytes no more when their `write` has called back, nor at those it gave out, as a socket. */
export interface Returning {
  readonly returnsBytes: true
}

/** A stream that forgets what it gave out as soon as its reader was called, when the reader says that it keeps nothing. */
export interface Lending {
  readerKeeps: boolean
}

/** Whether bytes are the caller's alone after they were written or read there. */
export function isReturning(stream: Duplex): boolean {
  return stream instanceof Socket || "returnsBytes" in stream
}

/**
 * Writes bytes, and forgets them when they are written.
 *
 * @param bytes - As {@linkcode forget} says; the caller looks at them no more.
 * @param to - One that {@linkcode isReturning}.
 * @returns As `write()`.
 */
export function writeAndForget(to: Duplex, bytes: Uint8Array): boolean {
  if (!isWorth(bytes)) return to.write(bytes)
  return to.write(bytes, (error) => {
    if (!error) forget(bytes)
  })
}

/**
 * Forgets bytes: they have a length of 0 from then on, for everybody who still has them.
 *
 * @param bytes - The caller's alone, and no longer looked at by anything, a write under way included. Those that are part of something longer
 * stay as they are.
 */
export function forget(bytes: Uint8Array): void {
  if (!isWorth(bytes)) return
  nowhere ??= openNowhere()
  nowhere.postMessage(null, [bytes.buffer])
}

function isWorth(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes
  const isWhole = byteLength === buffer.byteLength && buffer instanceof ArrayBuffer
  return byteLength >= WORTH_BYTES && isWhole
}

function openNowhere(): MessagePort {
  const { port1 } = new MessageChannel()
  port1.close()
  return port1
}

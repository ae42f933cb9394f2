/**
 * Memory that is given back at once.
 *
 * V8 gives long buffers back when 32 MiB of them or more came together, and looks through its whole heap for them. Where a hundred megabytes a
 * second pass through, that costs more than what is done with them. A transfer to a port that is closed ends a buffer now, for less
 * than it costs to make one.
 *
 * @module
 */
import { MessageChannel, type MessagePort } from "node:worker_threads"

/** Less than that is not worth it. */
const WORTH_BYTES = 4_096

let nowhere: MessagePort | undefined

/**
 * Forgets bytes: they have a length of 0 from then on, for everybody who still has them.
 *
 * @param bytes - The caller's alone, and no longer looked at by anything, a write under way included. Those that are part of something longer
 * stay as they are.
 */
export function forget({ buffer, byteLength }: Uint8Array): void {
  if (byteLength < WORTH_BYTES || byteLength !== buffer.byteLength) return
  nowhere ??= openNowhere()
  if (buffer instanceof ArrayBuffer) nowhere.postMessage(null, [buffer])
}

function openNowhere(): MessagePort {
  const { port1 } = new MessageChannel()
  port1.close()
  return port1
}

/**
 * Trying again, as one must on I2P: a LeaseSet may not be found yet, and a datagram may be lost.
 *
 * @module
 */
import { createSocket, type Socket } from "node:dgram"
import { once } from "node:events"
import { setTimeout as wait } from "node:timers/promises"
import type { RawSam } from "./raw-client.ts"

const PAUSE_MS = 1000

/** Connects, again and again until the bridge says OK or `waitMs` passed. */
export async function connectPatiently(
  open: () => Promise<RawSam>,
  line: string,
  waitMs: number,
): Promise<RawSam> {
  const endMs = Date.now() + waitMs
  for (;;) {
    const sam = await open()
    const reply = await sam.ask(line)
    if (reply === "STREAM STATUS RESULT=OK") return sam
    await sam[Symbol.asyncDispose]()
    if (Date.now() > endMs) throw new Error(`Cannot connect: ${reply}`)
    await wait(PAUSE_MS)
  }
}

/** Sends a datagram to a bridge once a second until one arrives at `receiver`. */
export async function sendUntil(
  receiver: Socket,
  message: Uint8Array,
  port: number,
  waitMs: number,
): Promise<Buffer> {
  const sender = createSocket("udp4")
  const send = () => sender.send(message, port, "127.0.0.1")
  const again = setInterval(send, PAUSE_MS)
  try {
    send()
    const [bytes] = await once(receiver, "message", { signal: AbortSignal.timeout(waitMs) })
    return bytes as Buffer
  } finally {
    clearInterval(again)
    sender.close()
  }
}

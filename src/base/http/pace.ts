/**
 * Watches a request's body: that it comes, and that it ends.
 *
 * @module
 */
import type { IncomingMessage } from "node:http"
import { AlliumError } from "../errors.ts"
import { hasBody } from "./server.ts"

/** A body is looked at so often. */
const PACE_CHECK_MS = 15_000
/** What must have come since the last look, in bytes, unless we did not read. */
const PACE_BYTES_MIN = 1_024

/**
 * Calls `fault` once when the body is longer than `bytesMax` (`TOO_LARGE`), or comes too slowly (`TOO_SLOW`). What is
 * announced too long is told at once.
 *
 * @returns Stops watching.
 */
export function watchBody(
  request: IncomingMessage,
  bytesMax: number,
  fault: (error: AlliumError) => void,
  lookEveryMs = PACE_CHECK_MS,
): () => void {
  if (!hasBody(request)) return () => {}
  let byteCount = 0
  let atLastLook = 0
  const look = () => {
    if (!request.isPaused() && byteCount - atLastLook < PACE_BYTES_MIN) end(tooSlow())
    atLastLook = byteCount
  }
  const count = (chunk: Buffer) => {
    byteCount += chunk.length
    if (byteCount > bytesMax) end(tooLarge())
  }
  const timer = setInterval(look, lookEveryMs).unref()
  const stop = () => {
    clearInterval(timer)
    request.off("data", count)
  }
  const end = (error: AlliumError) => {
    stop()
    fault(error)
  }
  request.once("end", stop)
  request.once("close", stop)
  // The listener must not start the flow: whoever passes the body on does.
  const flows = request.readableFlowing
  request.on("data", count)
  if (flows !== true) request.pause()
  return stop
}

/** What is announced may already be too much. @throws {AlliumError} `TOO_LARGE`. */
export function requireLength({ headers }: IncomingMessage, bytesMax: number): void {
  if (Number(headers["content-length"] ?? 0) > bytesMax) throw tooLarge()
}

function tooLarge(): AlliumError {
  return new AlliumError("TOO_LARGE", "Cannot take this: it is larger than allowed here")
}

function tooSlow(): AlliumError {
  return new AlliumError("TOO_SLOW", "Cannot read request: its body comes too slowly")
}

/**
 * Waits until a client has said who it is, before the IRC server is bothered.
 *
 * @module
 */
import { AlliumError, type SamStream } from "allium/tunnel"
import { type Registration, register } from "./registration.ts"

/** A chat program says it at once; I2P takes some seconds. */
const REGISTRATION_MS = 30_000
/** One that asked for abilities may wait for the answer before it says more. */
const TALKING_MS = 3_000
/** PASS, CAP, NICK and USER take less than 1 KiB. */
const REGISTRATION_BYTES_MAX = 16 * 1024

/**
 * Resolves when USER was said, or a while after CAP. Nothing is taken: all bytes are in the stream again.
 *
 * @throws {AlliumError} `TOO_SLOW`, `TOO_LARGE`, `STREAM_LOST`, or the signal's reason.
 */
export function readRegistration(stream: SamStream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let stands: Registration = "silent"
    let timer = setTimeout(() => end(tooSlow()), REGISTRATION_MS)
    const end = (error?: unknown) => {
      clearTimeout(timer)
      stream.off("data", hear).off("end", lose).off("close", lose).pause()
      signal.removeEventListener("abort", abort)
      if (error !== undefined) return reject(error)
      stream.unshift(Buffer.concat(chunks))
      resolve()
    }
    const abort = () => end(signal.reason)
    const lose = () => end(lost())
    const hear = (chunk: Buffer) => {
      chunks.push(chunk)
      const text = Buffer.concat(chunks)
      if (text.length > REGISTRATION_BYTES_MAX) return end(tooLarge())
      const before = stands
      stands = text.toString("latin1").split("\n").slice(0, -1).map(bare).reduce(register, "silent")
      if (stands === "done") end()
      else if (stands !== before) {
        clearTimeout(timer)
        timer = setTimeout(() => end(), TALKING_MS)
      }
    }
    stream.on("data", hear).on("end", lose).on("close", lose)
    signal.addEventListener("abort", abort)
    if (stream.destroyed) lose()
    else if (signal.aborted) abort()
  })
}

function bare(line: string): string {
  return line.replace(/\r+$/, "")
}

function tooSlow(): AlliumError {
  return new AlliumError("TOO_SLOW", "Cannot lead on: the client does not say who it is")
}

function tooLarge(): AlliumError {
  return new AlliumError("TOO_LARGE", "Cannot lead on: the client says too much before its name")
}

function lost(): AlliumError {
  return new AlliumError("STREAM_LOST", "Cannot lead on: the client went away")
}

/**
 * Reads a request's body: JSON, of bounded size.
 *
 * @module
 */
import type { IncomingMessage } from "node:http"
import { AlliumError } from "../base/errors.ts"
import { BODY_BYTES_MAX } from "./protocol.ts"

/**
 * @returns The document; an empty body is an empty object.
 * @throws {AlliumError} `TOO_LARGE` as soon as that is known, `BAD_REQUEST` when it is no JSON in UTF-8.
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const bytes = await readBytes(request)
  if (bytes.length === 0) return {}
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new AlliumError("BAD_REQUEST", "Cannot read request: body is not JSON in UTF-8", {
      cause,
    })
  }
}

/** Listens, rather than iterates: what comes after a refusal must still be read, and forgotten. */
function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let byteCount = 0
  return new Promise((resolve, reject) => {
    if (Number(request.headers["content-length"] ?? 0) > BODY_BYTES_MAX) reject(tooLarge())
    request.on("data", (chunk: Buffer) => {
      byteCount += chunk.length
      if (byteCount <= BODY_BYTES_MAX) chunks.push(chunk)
      else reject(tooLarge())
    })
    request.once("end", () => resolve(Buffer.concat(chunks)))
    request.once("error", (cause) => reject(cutOff(cause)))
  })
}

function cutOff(cause: Error): AlliumError {
  return new AlliumError("ABORTED", "Cannot read request: the caller went away", { cause })
}

function tooLarge(): AlliumError {
  return new AlliumError("TOO_LARGE", `Cannot read request: body is over ${BODY_BYTES_MAX} bytes`)
}

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

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > BODY_BYTES_MAX) throw tooLarge()
  const chunks: Buffer[] = []
  let byteCount = 0
  // The connection must live on, to carry the refusal.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    byteCount += (chunk as Buffer).length
    if (byteCount > BODY_BYTES_MAX) {
      request.resume() // read on and forget, or the end of the connection goes unnoticed
      throw tooLarge()
    }
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks, byteCount)
}

function tooLarge(): AlliumError {
  return new AlliumError("TOO_LARGE", `Cannot read request: body is over ${BODY_BYTES_MAX} bytes`)
}

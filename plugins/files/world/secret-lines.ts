/**
 * Streams of secret shares: each is a sealed line under the key of the link. Who does not know it is not answered.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import type { SamStream } from "allium/plugin"
import { answerLine, openLine, type SealedLine } from "../contact/sealed-line.ts"
import { lineIdOf } from "./secret-link.ts"

/** The first bytes come in one round trip; I2P may need tens of seconds for one. */
const SECRET_LINE_MS = 60_000
const random = (byteCount: number) => new Uint8Array(randomBytes(byteCount))

/**
 * Seals a stream that we opened.
 *
 * @param stream - Owned by the line from now on, also when this fails.
 */
export async function sealOpened(
  stream: SamStream,
  secret: Uint8Array,
  signal: AbortSignal,
): Promise<SealedLine> {
  const line = { purpose: "pieces" as const, id: lineIdOf(secret), key: secret }
  const end = () => stream.destroy()
  signal.addEventListener("abort", end)
  try {
    return await within(stream, openLine(stream, line, random))
  } finally {
    signal.removeEventListener("abort", end)
  }
}

/**
 * Seals a stream that somebody opened to us, if they know the key.
 *
 * @param stream - Owned by the line from now on, also when this fails.
 * @throws {AlliumError} `NOT_FOUND` and others; they have heard nothing.
 */
export async function sealAnswered(stream: SamStream, secret: Uint8Array): Promise<SealedLine> {
  const expected = lineIdOf(secret)
  const find = (id: Uint8Array) =>
    Buffer.compare(id, expected) === 0 ? { key: secret } : undefined
  return (await within(stream, answerLine(stream, find, random))).line
}

async function within<T>(stream: SamStream, opening: Promise<T>): Promise<T> {
  const ignore = () => {} // told to who waits for the opening
  stream.on("error", ignore)
  const timer = setTimeout(() => stream.destroy(), SECRET_LINE_MS)
  try {
    return await opening
  } catch (error) {
    stream.destroy()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

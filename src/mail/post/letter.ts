/**
 * Letters on the scroll of a sender: a length, a topic, the content.
 *
 * @see docs/protocol/letter.md "Scroll"
 * @module
 */
import { isUtf8 } from "node:buffer"
import { AlliumError } from "../../base/errors.ts"
import { type InLetter, LETTER_BYTES_MAX, LETTER_WRAP_BYTES_MAX } from "./post.ts"

/** Longest topic, in bytes of UTF-8. */
export const TOPIC_BYTES_MAX = 32
/** The field before a letter that says how long it is. */
export const LETTER_LENGTH_BYTES = 4
/** Longest body of a letter: the length of its topic, the topic, the content. */
export const LETTER_BODY_BYTES_MAX = 1 + TOPIC_BYTES_MAX + LETTER_BYTES_MAX + LETTER_WRAP_BYTES_MAX
/** Topic of letters between the posts themselves. */
export const CONTROL_TOPIC = ""

/** How many bytes of the scroll a letter takes. */
export function letterSize(topic: string, contentByteCount: number): number {
  return LETTER_LENGTH_BYTES + 1 + Buffer.byteLength(topic) + contentByteCount
}

/** The letter without its length. */
export function writeBody({ topic, content }: InLetter): Uint8Array {
  const name = Buffer.from(topic)
  return new Uint8Array(Buffer.concat([Uint8Array.of(name.length), name, content]))
}

/** The letter as it stands on the scroll. */
export function writeLetter(letter: InLetter): Uint8Array {
  const body = writeBody(letter)
  const length = Buffer.alloc(LETTER_LENGTH_BYTES)
  length.writeUInt32BE(body.length)
  return new Uint8Array(Buffer.concat([length, body]))
}

/** @throws {AlliumError} `BAD_RECORD` for a topic that is too long or not UTF-8. */
export function readBody(body: Uint8Array): InLetter {
  const topicEnd = 1 + (body[0] ?? 0)
  const topic = body.subarray(1, topicEnd)
  const fits = body.length >= topicEnd && topic.length <= TOPIC_BYTES_MAX && body.length > 0
  if (!fits || !isUtf8(topic))
    throw new AlliumError("BAD_RECORD", "Cannot read letter: its topic is malformed")
  return { topic: Buffer.from(topic).toString(), content: body.slice(topicEnd) }
}

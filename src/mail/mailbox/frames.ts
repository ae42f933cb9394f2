/**
 * Frames of three sizes, whatever is in them: a byte of type, four bytes of tag, fields, zeros.
 *
 * @see docs/protocol/mailbox.md#frames
 * @module
 */
import { badFrame, type Field, requireZeros, unsigned } from "./fields.ts"

/** A frame without an envelope. */
export const SMALL_FRAME_BYTES = 256
/** A frame with an envelope, or as much of something else. */
export const LARGE_FRAME_BYTES = 4_352
/** A piece of a blob, or a greeting. */
export const CHUNK_FRAME_BYTES = 16_384
/** By the two highest bits of the type. */
const SIZES = [SMALL_FRAME_BYTES, LARGE_FRAME_BYTES, CHUNK_FRAME_BYTES] as const
/** Type and tag. */
const HEAD_BYTES = 5
const tagField = unsigned(4)

type Fields = Readonly<Record<string, Field<unknown>>>
type Read<F> = F extends Field<infer T> ? T : never
/** Type byte and fields of each kind of frame, in the order in which they stand. */
export type Kinds = Readonly<Record<string, readonly [type: number, fields: Fields]>>
/** A frame as a value. */
export type Frame<K extends Kinds> = {
  [Kind in keyof K]: { readonly kind: Kind; readonly tag: number } & {
    readonly [Name in keyof K[Kind][1]]: Read<K[Kind][1][Name]>
  }
}[keyof K]

/** Writes and reads the frames of one direction. */
export interface FrameCodec<F> {
  /** Bytes of the caller's own. @throws {RangeError} when a value does not fit. */
  encode(frame: F): Uint8Array
  /** @param bytes - One whole frame. @throws {AlliumError} `BAD_RECORD`. */
  decode(bytes: Uint8Array): F
}

/** @param kinds - Types are unique among them. */
export function frameCodec<K extends Kinds>(kinds: K): FrameCodec<Frame<K>> {
  const byType = new Map(
    Object.entries(kinds).map(([kind, [type, fields]]) => [type, { kind, fields }]),
  )
  return {
    encode(frame) {
      const [type, fields] = kinds[frame.kind as keyof K]!
      return encodeFrame(type, fields, frame as Record<string, unknown>)
    },
    decode(bytes) {
      const known = byType.get(bytes[0]!)
      if (known === undefined) throw badFrame("its type is unknown")
      return { kind: known.kind, ...decodeFields(known.fields, bytes) } as unknown as Frame<K>
    },
  }
}

function encodeFrame(type: number, fields: Fields, values: Record<string, unknown>): Uint8Array {
  const bytes = new Uint8Array(SIZES[type >> 6]!)
  const view = new DataView(bytes.buffer)
  bytes[0] = type
  tagField.write(view, 1, values.tag as number)
  let at = HEAD_BYTES
  for (const [name, field] of Object.entries(fields)) {
    field.write(view, at, values[name])
    at += field.size
  }
  return bytes
}

function decodeFields(fields: Fields, bytes: Uint8Array): Record<string, unknown> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const values: Record<string, unknown> = { tag: tagField.read(view, 1) }
  let at = HEAD_BYTES
  for (const [name, field] of Object.entries(fields)) {
    values[name] = field.read(view, at)
    at += field.size
  }
  requireZeros(view, at, bytes.length)
  return values
}

/** Cuts a byte stream into frames, however its bytes are split. Holds at most one frame. */
export class FrameReader {
  #frame: Uint8Array | undefined
  #filled = 0

  /**
   * Takes the next bytes; gives the frames that are now complete, each with bytes of its own.
   * @throws {AlliumError} `BAD_RECORD` for a type without a size; the reader is of no use afterwards.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = []
    for (let at = 0; at < chunk.length; ) {
      this.#frame ??= beginFrame(chunk[at]!)
      const frame = this.#frame
      const part = chunk.subarray(at, at + frame.length - this.#filled)
      frame.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled === frame.length) frames.push(this.#take(frame))
    }
    return frames
  }

  /** To be called when the stream has ended. @throws {AlliumError} `BAD_RECORD` inside a frame. */
  finish(): void {
    if (this.#frame !== undefined) throw badFrame("the stream ended inside it")
  }

  #take(frame: Uint8Array): Uint8Array {
    this.#frame = undefined
    this.#filled = 0
    return frame
  }
}

function beginFrame(type: number): Uint8Array {
  const size = SIZES[type >> 6]
  if (size === undefined) throw badFrame("its type is unknown")
  return new Uint8Array(size)
}

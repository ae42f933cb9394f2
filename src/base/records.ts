/**
 * Records on a byte stream: a length of 4 bytes, big-endian, then that many bytes of packed value.
 *
 * @see docs/protocol/records.md
 * @module
 */
import type { Readable, Writable } from "node:stream"
import { AlliumError } from "./errors.ts"
import { PACK_LIMITS, packValue, unpackValue } from "./pack.ts"

const LENGTH_BYTES = 4

/** A value as it stands on the stream; bytes of the caller's own. */
export function frameRecord(value: unknown): Uint8Array {
  const packed = packValue(value)
  const framed = new Uint8Array(LENGTH_BYTES + packed.length)
  new DataView(framed.buffer).setUint32(0, packed.length)
  framed.set(packed, LENGTH_BYTES)
  return framed
}

/**
 * Cuts a byte stream into records, however its bytes are split. Holds at most one record: each byte is copied once,
 * so a peer that sends single bytes costs no more than another.
 */
export class RecordReader {
  readonly #bytesMax: number
  readonly #length = new Uint8Array(LENGTH_BYTES)
  #lengthFilled = 0
  #record: Uint8Array | undefined
  #recordFilled = 0

  /** @param bytesMax - Longest packed value that is believed; nothing is reserved beyond it. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /**
   * Takes the next bytes.
   *
   * @returns The values that are now complete: untrusted, pass them through a shape.
   * @throws {AlliumError} `BAD_RECORD` or `BAD_PACK`; the reader is of no use afterwards.
   */
  push(chunk: Uint8Array): unknown[] {
    const values: unknown[] = []
    let at = 0
    while (at < chunk.length) {
      at += this.#record === undefined ? this.#takeLength(chunk, at) : this.#takeRecord(chunk, at)
      if (this.#record?.length === this.#recordFilled) values.push(this.#unpack(this.#record))
    }
    return values
  }

  /** To be called when the stream has ended. @throws {AlliumError} `BAD_RECORD` when a record was begun. */
  finish(): void {
    if (this.#lengthFilled > 0)
      throw new AlliumError("BAD_RECORD", "Cannot read record: the stream ended inside it")
  }

  #takeLength(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + LENGTH_BYTES - this.#lengthFilled)
    this.#length.set(part, this.#lengthFilled)
    this.#lengthFilled += part.length
    if (this.#lengthFilled === LENGTH_BYTES) this.#begin()
    return part.length
  }

  #begin(): void {
    const length = new DataView(this.#length.buffer).getUint32(0)
    if (length === 0 || length > this.#bytesMax)
      throw new AlliumError(
        "BAD_RECORD",
        `Cannot read record: states ${length} bytes, expected 1 to ${this.#bytesMax}`,
      )
    this.#record = new Uint8Array(length)
    this.#recordFilled = 0
  }

  #takeRecord(chunk: Uint8Array, at: number): number {
    const record = this.#record!
    const part = chunk.subarray(at, at + record.length - this.#recordFilled)
    record.set(part, this.#recordFilled)
    this.#recordFilled += part.length
    return part.length
  }

  #unpack(record: Uint8Array): unknown {
    this.#record = undefined
    this.#lengthFilled = 0
    return unpackValue(record, { ...PACK_LIMITS, bytesMax: this.#bytesMax })
  }
}

/**
 * Records of a stream as they come, in groups that arrived together; ends when the stream ends. Leaves the stream
 * open, whatever happens: it belongs to the caller.
 *
 * @throws {AlliumError} `BAD_RECORD`, `BAD_PACK`, or why the stream broke.
 */
export async function* readRecords(
  stream: Readable,
  limits: { bytesMax: number },
): AsyncGenerator<unknown[], void> {
  const reader = new RecordReader(limits.bytesMax)
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    const values = reader.push(chunk as Uint8Array)
    if (values.length > 0) yield values
  }
  reader.finish()
}

/**
 * Writes one record; resolves when the stream has taken it, which is how back-pressure reaches the caller.
 * Rejects when the stream breaks before.
 */
export function writeRecord(stream: Writable, value: unknown): Promise<void> {
  const framed = frameRecord(value)
  return new Promise((resolve, reject) => {
    const closed = () =>
      reject(new AlliumError("CHANNEL_RESET", "Cannot write record: the stream has closed"))
    if (stream.destroyed) return closed()
    stream.once("close", closed) // a write under way when a stream is destroyed may never be called back
    stream.write(framed, (error) => {
      stream.off("close", closed)
      if (error) reject(error)
      else resolve()
    })
  })
}

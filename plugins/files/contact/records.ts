/**
 * Sealed records: how one direction of a line is cut, sealed, and opened again. Bytes and a key in, bytes out.
 *
 * A record is a head (kind, then the length of its content in 3 bytes), as much ciphertext, and a tag of 16 bytes:
 * ChaCha20-Poly1305 (RFC 8439) with the head as additional data, and with the number of the record as nonce.
 *
 * @see docs/protocol/transfer.md#records
 * @module
 */
import {
  type CipherChaCha20Poly1305,
  createCipheriv,
  createDecipheriv,
  type DecipherChaCha20Poly1305,
} from "node:crypto"
import { AlliumError } from "allium/plugin"

/** Content of one record: four blocks, so that sealing costs one key setup for them. */
export const SEALED_BYTES_MAX = 65_536
/** Of a key, in bytes. */
export const SEAL_KEY_BYTES = 32
const HEAD_BYTES = 4
const TAG_BYTES = 16
const NONCE_BYTES = 12
const KIND = { data: 0, end: 1 } as const
const ALGORITHM = "chacha20-poly1305"

/** Seals one direction. */
export class Sealer {
  readonly #key: Uint8Array
  readonly #counter = new RecordCounter()

  /** @param key - {@linkcode SEAL_KEY_BYTES}, of this direction of this line alone. */
  constructor(key: Uint8Array) {
    this.#key = key
  }

  /**
   * Seals bytes in as few records as they need.
   *
   * @param chunks - Not kept, not changed.
   * @returns Buffers to be sent in this order.
   */
  seal(chunks: readonly Uint8Array[]): Uint8Array[] {
    const out: Uint8Array[] = []
    for (const parts of inRecords(chunks)) this.#seal(KIND.data, parts, out)
    return out
  }

  /** The last record: nothing follows it. */
  end(): Uint8Array[] {
    const out: Uint8Array[] = []
    this.#seal(KIND.end, [], out)
    return out
  }

  #seal(kind: number, parts: readonly Uint8Array[], out: Uint8Array[]): void {
    const byteCount = parts.reduce((sum, part) => sum + part.length, 0)
    const head = Buffer.allocUnsafe(HEAD_BYTES)
    head.writeUInt32BE(kind * 2 ** 24 + byteCount)
    const cipher: CipherChaCha20Poly1305 = createCipheriv(
      ALGORITHM,
      this.#key,
      this.#counter.next(),
      { authTagLength: TAG_BYTES },
    )
    cipher.setAAD(head, { plaintextLength: byteCount })
    out.push(head)
    for (const part of parts) out.push(cipher.update(part))
    cipher.final()
    out.push(cipher.getAuthTag())
  }
}

/** What a record held. */
export type Opened =
  /** Pieces of content, in order; not empty. */
  | { readonly kind: "data"; readonly pieces: readonly Uint8Array[] }
  /** Nothing follows. */
  | { readonly kind: "end" }

/** Opens one direction; holds at most one record. After it has thrown it must not be used again. */
export class Opener {
  readonly #key: Uint8Array
  readonly #counter = new RecordCounter()
  readonly #head = Buffer.alloc(HEAD_BYTES)
  readonly #tag = Buffer.alloc(TAG_BYTES)
  #headBytes = 0
  #tagBytes = 0
  #missing = 0
  #pieces: Uint8Array[] = []
  #decipher: DecipherChaCha20Poly1305 | undefined
  #hasEnded = false

  constructor(key: Uint8Array) {
    this.#key = key
  }

  /** The last record came. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /**
   * Takes the next bytes, cut anywhere. Content is given out only when its whole record is proven.
   *
   * @param chunk - Not kept.
   * @throws {AlliumError} `BAD_SEAL` for what was not sealed so: another key, a changed, missing or repeated record, or anything
   * after the end.
   */
  *open(chunk: Uint8Array): Generator<Opened> {
    for (let rest = chunk; rest.length > 0; ) {
      if (this.#hasEnded) throw badSeal("something follows its end")
      rest = rest.subarray(this.#take(rest))
      if (this.#decipher === undefined || this.#tagBytes < TAG_BYTES) continue
      yield this.#finish(this.#decipher)
    }
  }

  #take(bytes: Uint8Array): number {
    if (this.#decipher === undefined) return this.#takeHead(bytes)
    if (this.#missing === 0) return this.#takeTag(bytes)
    const part = bytes.subarray(0, this.#missing)
    this.#pieces.push(this.#decipher.update(part))
    this.#missing -= part.length
    return part.length
  }

  #takeHead(bytes: Uint8Array): number {
    const part = bytes.subarray(0, HEAD_BYTES - this.#headBytes)
    this.#head.set(part, this.#headBytes)
    this.#headBytes += part.length
    if (this.#headBytes === HEAD_BYTES) this.#begin()
    return part.length
  }

  #begin(): void {
    this.#missing = this.#head.readUIntBE(1, 3)
    const isData = this.#head[0] === KIND.data
    const isLength = isData ? this.#missing > 0 : this.#missing === 0
    if (!(isData || this.#head[0] === KIND.end) || !isLength || this.#missing > SEALED_BYTES_MAX)
      throw badSeal("the head of a record is wrong")
    const decipher = createDecipheriv(ALGORITHM, this.#key, this.#counter.next(), {
      authTagLength: TAG_BYTES,
    })
    decipher.setAAD(this.#head, { plaintextLength: this.#missing })
    this.#decipher = decipher
  }

  #takeTag(bytes: Uint8Array): number {
    const part = bytes.subarray(0, TAG_BYTES - this.#tagBytes)
    this.#tag.set(part, this.#tagBytes)
    this.#tagBytes += part.length
    return part.length
  }

  #finish(decipher: DecipherChaCha20Poly1305): Opened {
    decipher.setAuthTag(this.#tag)
    try {
      decipher.final()
    } catch {
      throw badSeal("a record does not open")
    }
    const pieces = this.#pieces
    this.#hasEnded = this.#head[0] === KIND.end
    this.#decipher = undefined
    this.#pieces = []
    this.#headBytes = 0
    this.#tagBytes = 0
    return this.#hasEnded ? { kind: "end" } : { kind: "data", pieces }
  }
}

/** Gives each record a nonce of its own: its number, from 0, in 12 bytes. */
class RecordCounter {
  #number = 0

  next(): Uint8Array {
    const nonce = Buffer.alloc(NONCE_BYTES)
    nonce.writeUIntBE(this.#number++, NONCE_BYTES - 6, 6)
    return nonce
  }
}

/** Cuts chunks into runs of at most {@linkcode SEALED_BYTES_MAX} bytes, without copying. */
function* inRecords(chunks: readonly Uint8Array[]): Generator<Uint8Array[]> {
  let parts: Uint8Array[] = []
  let room = SEALED_BYTES_MAX
  for (const chunk of chunks)
    for (let rest = chunk; rest.length > 0; ) {
      const part = rest.subarray(0, room)
      parts.push(part)
      room -= part.length
      rest = rest.subarray(part.length)
      if (room > 0) continue
      yield parts
      parts = []
      room = SEALED_BYTES_MAX
    }
  if (parts.length > 0) yield parts
}

function badSeal(found: string): AlliumError {
  return new AlliumError("BAD_SEAL", `Cannot read from line: ${found}`)
}

/**
 * Cuts the bytes of one peer into its handshake and messages, as they come, in whatever pieces.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"
import { decodeHandshake, type Handshake, PEER_HANDSHAKE_BYTES } from "./handshake.ts"
import { decodeMessage, PEER_MESSAGE_BYTES_MAX, type PeerMessage, PIECE_TYPE } from "./message.ts"

/** A message's length stands before it, in 4 bytes. */
const PREFIX = 4

/** What comes out: the handshake, once, and then messages. */
export type PeerWords = { readonly kind: "handshake"; readonly handshake: Handshake } | PeerMessage

/** One direction of one connection. After it has thrown it must not be used again. */
export class PeerReader {
  #hasShaken = false
  /** An incomplete handshake or message, with its length; as long as the longest so far. */
  #kept = new Uint8Array(PREFIX)
  #keptBytes = 0

  /** Bytes held back because more must come: never more than one message. */
  get pendingBytes(): number {
    return this.#keptBytes
  }

  /**
   * Takes the next bytes.
   *
   * @param chunk - Not kept, but byte strings of messages may be views of it: it must not change while they are in use. The bytes of a
   * block are to be used before the next words are asked for.
   * @throws {AlliumError} `PEER_PROTOCOL` for a wrong handshake, a message that is too long, or one that is malformed.
   */
  *push(chunk: Uint8Array): Generator<PeerWords> {
    for (let rest = chunk; rest.length > 0; ) {
      const whole = this.#wholeLength(rest)
      if (this.#keptBytes === 0 && whole !== undefined && rest.length >= whole) {
        yield this.#read(rest.subarray(0, whole))
        rest = rest.subarray(whole)
        continue
      }
      rest = rest.subarray(this.#keep(rest))
      const complete = this.#takeComplete()
      if (complete !== undefined) yield this.#read(complete)
    }
  }

  /** Length of what comes next, from what is kept or else from `rest`; `undefined` while that is not said. */
  #wholeLength(rest: Uint8Array): number | undefined {
    if (!this.#hasShaken) return PEER_HANDSHAKE_BYTES
    const head = this.#keptBytes > 0 ? this.#kept.subarray(0, this.#keptBytes) : rest
    if (head.length < PREFIX) return undefined
    const length = new DataView(head.buffer, head.byteOffset).getUint32(0)
    if (length <= PEER_MESSAGE_BYTES_MAX) return PREFIX + length
    const found = `it has ${length} bytes, expected at most ${PEER_MESSAGE_BYTES_MAX}`
    throw new AlliumError("PEER_PROTOCOL", `Cannot read message of a peer: ${found}`)
  }

  /** Keeps as many bytes as are missing, at most all; says how many. */
  #keep(rest: Uint8Array): number {
    const whole = this.#wholeLength(rest) ?? PREFIX
    if (whole > this.#kept.length) {
      const room = new Uint8Array(Buffer.allocUnsafeSlow(whole).buffer)
      room.set(this.#kept.subarray(0, this.#keptBytes))
      this.#kept = room
    }
    const taken = rest.subarray(0, whole - this.#keptBytes)
    this.#kept.set(taken, this.#keptBytes)
    this.#keptBytes += taken.length
    return taken.length
  }

  /** What is kept, if it is whole. Blocks are long and many, so they go out where they were kept; anything else as a copy. */
  #takeComplete(): Uint8Array | undefined {
    const kept = this.#kept.subarray(0, this.#keptBytes)
    // Throws as soon as a handshake cannot become one.
    if (!this.#hasShaken) decodeHandshake(kept)
    if (this.#keptBytes < (this.#wholeLength(kept) ?? Number.POSITIVE_INFINITY)) return undefined
    this.#keptBytes = 0
    return this.#hasShaken && isBlock(kept) ? kept : kept.slice()
  }

  #read(whole: Uint8Array): PeerWords {
    if (this.#hasShaken) return decodeMessage(whole.subarray(PREFIX))
    this.#hasShaken = true
    return { kind: "handshake", handshake: decodeHandshake(whole)! }
  }
}

function isBlock(whole: Uint8Array): boolean {
  return whole[PREFIX] === PIECE_TYPE
}

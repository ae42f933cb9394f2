/**
 * Cuts bytes into lines of IRC.
 *
 * @module
 */

/** Tags of 8,191 bytes and a message of 512: the longest line any specification allows. */
const IRC_LINE_BYTES_MAX = 8_191 + 512
const LF = 0x0a

/** Bytes in, lines out; a line may come in any pieces. One that is too long is dropped whole. */
export class LineCutter {
  #held: Buffer[] = []
  #heldBytes = 0

  /** Lines that are whole now, in latin1, without CR and LF at their ends. */
  cut(chunk: Buffer): string[] {
    const lines: string[] = []
    let from = 0
    for (;;) {
      const end = chunk.indexOf(LF, from)
      this.#hold(chunk.subarray(from, end < 0 ? undefined : end))
      if (end < 0) return lines
      const line = this.#release()
      if (line !== undefined) lines.push(line)
      from = end + 1
    }
  }

  #hold(piece: Buffer): void {
    this.#heldBytes += piece.length
    if (this.#heldBytes > IRC_LINE_BYTES_MAX) this.#held = []
    else if (piece.length > 0) this.#held.push(Buffer.from(piece))
  }

  #release(): string | undefined {
    const isTooLong = this.#heldBytes > IRC_LINE_BYTES_MAX
    const line = Buffer.concat(this.#held).toString("latin1").replace(/\r+$/, "")
    this.#held = []
    this.#heldBytes = 0
    return isTooLong ? undefined : line
  }
}

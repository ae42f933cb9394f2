/**
 * What one peer says that it has: told to the download, and remembered until we know what the pieces are.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"
import { Bitfield } from "../torrent/bitfield.ts"
import type { Download } from "../torrent/download.ts"
import type { PeerMessage } from "../torrent/message.ts"

/** Pieces told one by one that are remembered. */
const EARLY_MAX = 4_096

/** Of one session. */
export class TheirPieces {
  readonly #session: string
  /** What it said first of all, while the pieces were not known: a bitfield, or that it has all. */
  #first: PeerMessage | undefined
  #pieces: number[] = []

  /** @param session - As the download calls it. */
  constructor(session: string) {
    this.#session = session
  }

  /**
   * Takes `have`, `bitfield`, `have all` and `have none`; anything else says nothing of pieces.
   *
   * @throws {AlliumError} `PEER_PROTOCOL` for what no honest peer says.
   */
  hear(message: PeerMessage, download: Download | undefined): void {
    if (download === undefined) this.#remember(message)
    else this.#tell(message, download)
  }

  /** The pieces are known from now on. */
  catchUp(download: Download): void {
    const pieces = this.#pieces
    this.#pieces = []
    if (this.#first !== undefined) this.#tell(this.#first, download)
    this.#first = undefined
    for (const piece of pieces) download.has(this.#session, piece)
  }

  #tell(message: PeerMessage, download: Download): void {
    const { pieceCount } = download.geometry
    if (message.kind === "have") download.has(this.#session, message.piece)
    else if (message.kind === "bitfield")
      download.say(this.#session, Bitfield.from(message.bits, pieceCount))
    else if (message.kind === "have all") download.say(this.#session, Bitfield.full(pieceCount))
    else if (message.kind === "have none") download.say(this.#session, new Bitfield(pieceCount))
  }

  #remember(message: PeerMessage): void {
    if (message.kind === "have" && this.#pieces.length < EARLY_MAX) this.#pieces.push(message.piece)
    if (message.kind !== "bitfield" && message.kind !== "have all") return
    if (this.#first !== undefined)
      throw new AlliumError("PEER_PROTOCOL", "Cannot read bitfield: it came twice")
    // The bits are a view of what came.
    this.#first = message.kind === "bitfield" ? { ...message, bits: message.bits.slice() } : message
  }
}

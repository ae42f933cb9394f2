/**
 * Blobs: backups, in pieces that the store can carry.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto"
import type { Clock } from "../../../base/clock.ts"
import { AlliumError } from "../../../base/errors.ts"
import { BLOB_BYTES_MAX } from "../limits.ts"
import { hashBytes, hashText } from "./hash.ts"
import { BLOB_LIFE_S } from "./limits.ts"
import type { BlobRow } from "./rows.ts"
import type { TowerDraft, TowerState } from "./state.ts"
import type { Tills } from "./tills.ts"
import type { Writer } from "./writer.ts"

const PIECE_BYTES = 524_288
/** A blob that is put again while it is read is read again, so often. */
const READ_TRIES = 4

/** One blob to be put. */
export interface BlobPut {
  readonly id: Uint8Array
  readonly writeKey: Uint8Array
  readonly bytes: Uint8Array
  readonly token?: Uint8Array
}

/** See the module. */
export class Blobs {
  readonly #state: TowerState
  readonly #writer: Writer<TowerDraft>
  readonly #tills: Tills
  readonly #clock: Clock

  constructor(state: TowerState, writer: Writer<TowerDraft>, tills: Tills, clock: Clock) {
    this.#state = state
    this.#writer = writer
    this.#tills = tills
    this.#clock = clock
  }

  /** @throws {AlliumError} `BAD_TOKEN`, `MAILBOX_REFUSED` for another's blob, `MAILBOX_FULL`, `TOO_LARGE`. */
  async put(blob: BlobPut): Promise<void> {
    if (blob.bytes.length > BLOB_BYTES_MAX)
      throw new AlliumError("TOO_LARGE", `Cannot keep blob: it has ${blob.bytes.length} bytes`)
    const key = hashText("blob", blob.id)
    const isNew = (await this.#state.tables.blobs.get(key)) === undefined
    if (isNew) await this.#tills.check(blob.token ?? new Uint8Array())
    await this.#writer.run((draft) => this.#replace(draft, key, blob, isNew))
  }

  async get(id: Uint8Array): Promise<Uint8Array | undefined> {
    const key = hashText("blob", id)
    for (let tries = 0; tries < READ_TRIES; tries++) {
      const row = await this.#state.tables.blobs.get(key)
      if (row === undefined) return undefined
      const pieces = await this.#read(key, row)
      const now = await this.#state.tables.blobs.get(key)
      if (pieces !== undefined && now?.side === row.side && now.putS === row.putS) return pieces
    }
    throw new AlliumError("BUSY", "Cannot read blob: it is being put again and again")
  }

  /** Ends blobs that were put too long ago. */
  async sweep(signal: AbortSignal): Promise<void> {
    for await (const [key, { putS }] of this.#state.tables.blobs.entries()) {
      if (signal.aborted) return
      if (putS + BLOB_LIFE_S > this.#nowS()) continue
      await this.#writer.run(async (draft) => {
        const row = await draft.blobs.get(key)
        if (row !== undefined && row.putS === putS) this.#drop(draft, key, row)
      })
    }
  }

  async #replace(draft: TowerDraft, key: string, blob: BlobPut, paid: boolean): Promise<void> {
    const { bytes, writeKey, token } = blob
    const before = await draft.blobs.get(key)
    const write = hashBytes("write", writeKey)
    if (before !== undefined && !timingSafeEqual(before.write, write))
      throw new AlliumError("MAILBOX_REFUSED", "Cannot replace blob: the write key is another one")
    if (!draft.hasRoom(bytes.length - (before?.size ?? 0)))
      throw new AlliumError("MAILBOX_FULL", "Cannot keep blob: the tower is full")
    if (before === undefined && !paid)
      throw new AlliumError("BUSY", "Cannot keep blob: it has just ended")
    if (before === undefined) await this.#tills.spend(draft, token!)
    if (before !== undefined) this.#drop(draft, key, before)
    const side = before === undefined ? 0 : 1 - before.side
    for (let at = 0, index = 0; at < bytes.length; at += PIECE_BYTES, index++)
      draft.pieces.put(`${key}/${side}/${index}`, bytes.subarray(at, at + PIECE_BYTES))
    draft.blobs.put(key, { write, size: bytes.length, side, putS: this.#nowS() })
    draft.addBlobBytes(bytes.length)
  }

  #drop(draft: TowerDraft, key: string, { size, side }: BlobRow): void {
    for (let index = 0; index < pieceCount(size); index++)
      draft.pieces.remove(`${key}/${side}/${index}`)
    draft.blobs.remove(key)
    draft.addBlobBytes(-size)
  }

  /** `undefined` when it changed meanwhile. */
  async #read(key: string, { size, side }: BlobRow): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(size)
    for (let index = 0; index < pieceCount(size); index++) {
      const piece = await this.#state.tables.pieces.get(`${key}/${side}/${index}`)
      if (piece === undefined || index * PIECE_BYTES + piece.length > size) return undefined
      bytes.set(piece, index * PIECE_BYTES)
    }
    return bytes
  }

  #nowS(): number {
    return Math.floor(this.#clock.now() / 1_000)
  }
}

function pieceCount(size: number): number {
  return Math.ceil(size / PIECE_BYTES)
}

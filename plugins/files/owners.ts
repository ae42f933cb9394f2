/**
 * Transfers of all kinds behind one list: with contacts, and with the world.
 *
 * @module
 */
import { AlliumError, type OfferCall } from "allium/plugin"
import type { TransferDocument } from "./offers.ts"
import type { PlayState } from "./play/playable.ts"

/** A room that has transfers. Every id is whole, and one of its own. */
export interface TransferOwner {
  /** Oldest first. With an identity, only what has to do with it. */
  list(input: { readonly identity?: string | undefined }): readonly TransferDocument[]
  /** Ids of its transfers, all of them. */
  ids(): readonly string[]
  /** With everything that is known. */
  show(id: string): Promise<TransferDocument>
  /** Nothing moves until it is resumed, not even after a restart. @throws {AlliumError} `FILE_STATE`. */
  pause(id: string): Promise<TransferDocument>
  /** @throws {AlliumError} `FILE_STATE`. */
  resume(id: string): Promise<TransferDocument>
  /** Ends it for good. @throws {AlliumError} `FILE_STATE`. */
  cancel(input: { readonly id: string }, call: OfferCall): Promise<TransferDocument>
  /** Hashes again what is on disk. @throws {AlliumError} `FILE_STATE` when there is nothing to hash. */
  verify(id: string, call: Pick<OfferCall, "signal">): Promise<TransferDocument>
  /** How it stands for who looks at it while it comes. */
  play(id: string): Promise<PlayState>
}

/** All of them. */
export class TransferOwners {
  readonly #owners: readonly TransferOwner[]

  constructor(owners: readonly TransferOwner[]) {
    this.#owners = owners
  }

  list(input: { readonly identity?: string | undefined }): TransferDocument[] {
    return this.#owners.flatMap((owner) => [...owner.list(input)])
  }

  /**
   * Whose transfer an id names.
   *
   * @param beginning - Of the id, or all of it.
   * @throws {AlliumError} `NOT_FOUND` for none or several.
   */
  find(beginning: string): { readonly owner: TransferOwner; readonly id: string } {
    const start = beginning.toLowerCase()
    const found = this.#owners.flatMap((owner) =>
      owner
        .ids()
        .filter((id) => id.startsWith(start))
        .map((id) => ({ owner, id })),
    )
    if (found.length === 1) return found[0]!
    throw new AlliumError(
      "NOT_FOUND",
      `Cannot find transfer: ${found.length} begin with "${beginning}", expected 1`,
    )
  }
}

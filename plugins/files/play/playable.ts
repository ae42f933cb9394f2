/**
 * A transfer that can be looked at while it comes.
 *
 * @module
 */
import type { Bitfield } from "../torrent/bitfield.ts"
import type { Block } from "../torrent/geometry.ts"
import type { Metainfo } from "../torrent/metainfo.ts"

/** As it is right now: ask again for each piece, since transfers are paused, begun again and finished meanwhile. */
export interface Playable {
  readonly metainfo: Metainfo
  /** Pieces that are right; not to be changed. */
  readonly have: Bitfield
  /** Exactly `into.length` bytes of a piece that is right. @throws When they moved on meanwhile: ask again. */
  read(block: Block, into: Uint8Array): Promise<void>
  /** The bytes `[from, to)` of all come first, in order. */
  setWindow(from: number, to: number): void
  /** Nobody looks any more. */
  endWindow(): void
}

/**
 * How a transfer stands for who looks at it. `later`: nothing can be read now, and that may change; `whole`: it is here and
 * done with, at that path; `never`: it has failed, was cancelled, or is not for looking at.
 */
export type PlayState =
  | { readonly kind: "now"; readonly playable: Playable }
  | { readonly kind: "later" }
  | { readonly kind: "whole"; readonly path: string }
  | { readonly kind: "never" }

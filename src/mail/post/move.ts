/**
 * The note an owner leaves at a queue that moved: where to put from now on, for nobody but who may put.
 *
 * @see docs/protocol/letter.md "Moves"
 * @module
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js"
import { AlliumError } from "../../base/errors.ts"
import { packValue, unpackValue } from "../../base/pack.ts"
import type { RandomBytes } from "../../base/random.ts"
import { packPlace, readPlace } from "./introduction.ts"
import type { Place } from "./post.ts"

const NONCE_BYTES = 24
/** Binds the note to its purpose. */
const PURPOSE = new TextEncoder().encode("allium mail move 1")
/** Longest note a mailbox keeps. */
const MOVE_BYTES_MAX = 1_024
const LIMITS = { bytesMax: MOVE_BYTES_MAX, depthMax: 2, itemsMax: 32 }

/** @param moveKey - Of the place that ends, 32 bytes. */
export function sealMove(moveKey: Uint8Array, next: Place, random: RandomBytes): Uint8Array {
  const nonce = random(NONCE_BYTES)
  const sealed = xchacha20poly1305(moveKey, nonce, PURPOSE).encrypt(packValue(packPlace(next)))
  return new Uint8Array(Buffer.concat([nonce, sealed]))
}

/** @throws {AlliumError} `BAD_RECORD` for whatever was not sealed with this key by {@linkcode sealMove}. */
export function openMove(moveKey: Uint8Array, sealed: Uint8Array): Place {
  try {
    const nonce = sealed.subarray(0, NONCE_BYTES)
    const box = xchacha20poly1305(moveKey, nonce, PURPOSE)
    return readPlace(unpackValue(box.decrypt(sealed.subarray(NONCE_BYTES)), LIMITS))
  } catch {
    throw new AlliumError("BAD_RECORD", "Cannot read move: it was not sealed with this key")
  }
}

/**
 * The note that stays at a door whose tower was left: where to ask now, for nobody but who has the contact address.
 *
 * @see docs/protocol/contact.md "At a tower"
 * @module
 */
import { hkdfSync } from "node:crypto"
import type { RandomBytes } from "../base/random.ts"
import { keyFromText } from "../identity/keys.ts"
import { openMove, sealMove } from "../mail/post/move.ts"
import type { DoorPlace } from "./given.ts"

const INFO = "allium door move 1"
/** A place has one; a door needs none. */
const NO_MOVE_KEY = new Uint8Array(32)

/** Whose door it was, and its send id: who has the contact address has both. */
export interface OldDoor {
  /** Identity key, base64url. */
  readonly key: string
  /** 32 bytes. */
  readonly sendId: Uint8Array
}

/** @param next - The door of the same card at another tower. */
export function sealDoorMove(old: OldDoor, next: DoorPlace, random: RandomBytes): Uint8Array {
  const sendId = new Uint8Array(Buffer.from(next.sendId, "base64url"))
  const { key, address } = next
  const place = { kind: "tower", key, address, sendId, moveKey: NO_MOVE_KEY } as const
  return sealMove(keyOf(old), place, random)
}

/** @throws {AlliumError} `BAD_RECORD` for whatever {@linkcode sealDoorMove} did not make for this door. */
export function openDoorMove(old: OldDoor, sealed: Uint8Array): DoorPlace | undefined {
  const place = openMove(keyOf(old), sealed)
  if (place.kind !== "tower") return undefined
  const { key, address, sendId } = place
  return { key, address, sendId: Buffer.from(sendId).toString("base64url") }
}

function keyOf({ key, sendId }: OldDoor): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", keyFromText(key), sendId, INFO, 32))
}

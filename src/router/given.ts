/**
 * What each accepted contact is given to keep: our keepsake, and where we are met when we come back, and by strangers.
 *
 * @see docs/protocol/backup.md "Keepsake"
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import type { TowerAddress as CardAtTower } from "../identity/contact-uri.ts"
import { addressOfHash, HASH_BYTES, hashOfAddress } from "./homecoming.ts"
import { KEEPSAKE_BYTES } from "./keepsake.ts"

/** A door at a tower, as the address of a card names it. */
export type DoorPlace = CardAtTower["tower"]

/** Key of the tower, its address, send id; zeros when there is no door. */
const DOOR_BYTES = 3 * 32
/** Keepsake, homecoming, door. */
export const GIVEN_BYTES = KEEPSAKE_BYTES + HASH_BYTES + DOOR_BYTES

/** See the module. */
export interface Given {
  /** {@linkcode KEEPSAKE_BYTES}, sealed. */
  readonly keepsake: Uint8Array
  /** `.b32.i2p` address. */
  readonly homecoming?: string | undefined
  /** Of the plain card, if it is held at a tower. */
  readonly door?: DoorPlace | undefined
}

/** @returns {@linkcode GIVEN_BYTES}. */
export function packGiven({ keepsake, homecoming, door }: Required<Given>): Uint8Array {
  const place = door === undefined ? new Uint8Array(DOOR_BYTES) : packDoor(door)
  return new Uint8Array(Buffer.concat([keepsake, hashOfAddress(homecoming ?? ""), place]))
}

/** @throws {AlliumError} `BAD_RECORD` for another length; a keepsake alone is taken, too. */
export function readGiven(bytes: Uint8Array): Given {
  const keepsake = bytes.subarray(0, KEEPSAKE_BYTES)
  if (bytes.length === KEEPSAKE_BYTES) return { keepsake }
  if (bytes.length !== GIVEN_BYTES)
    throw new AlliumError("BAD_RECORD", `Cannot keep keepsake: it has ${bytes.length} bytes`)
  const door = bytes.subarray(KEEPSAKE_BYTES + HASH_BYTES)
  const homecoming = addressOfHash(bytes.subarray(KEEPSAKE_BYTES, KEEPSAKE_BYTES + HASH_BYTES))
  return { keepsake, homecoming, ...(door.some((byte) => byte !== 0) && { door: readDoor(door) }) }
}

function packDoor({ key, address, sendId }: DoorPlace): Uint8Array {
  const [tower, door] = [key, sendId].map((text) => Buffer.from(text, "base64url"))
  return Buffer.concat([tower!, hashOfAddress(address), door!])
}

/** Whether anybody is there is seen when it is used. */
function readDoor(bytes: Uint8Array): DoorPlace {
  const text = (from: number) => Buffer.from(bytes.subarray(from, from + 32)).toString("base64url")
  return { key: text(0), address: addressOfHash(bytes.subarray(32, 64)), sendId: text(64) }
}

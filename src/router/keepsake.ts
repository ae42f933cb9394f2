/**
 * Keepsakes: what every contact keeps for us, so that 24 words are enough to come back.
 *
 * 1,024 bytes that only our words open: who this contact is to us, and where our backup lies.
 *
 * @see docs/protocol/backup.md
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import { packValue, unpackValue } from "../base/pack.ts"
import type { RandomBytes } from "../base/random.ts"
import { keyShape } from "../identity/contact-list.ts"
import { type Contact, presentKeyOf } from "../identity/contacts.ts"
import { nameShape } from "../identity/names.ts"
import { seal, unseal } from "../store/seal.ts"
import type { BackupOwner } from "./backup-format.ts"
import { towerAddressShape } from "./tower-book.ts"

/** Every keepsake, whatever is in it. */
export const KEEPSAKE_BYTES = 1_024
const NONCE_BYTES = 24
const SEAL_BYTES = NONCE_BYTES + 16
const LENGTH_BYTES = 2
const ROOM_BYTES = KEEPSAKE_BYTES - SEAL_BYTES - LENGTH_BYTES
const USE = "allium keepsake v1"

const addressShape = z.string().regex(/^[a-z2-7]{51}[aq]\.b32\.i2p$/)
const keepsakeShape = z.strictObject({
  v: z.literal(1),
  madeMs: z.number().nonnegative(),
  /** By which key we know them; base64url. */
  key: keyShape,
  /** What their card committed to, or their last rotation. */
  next: keyShape.optional(),
  /** What we call them. */
  name: nameShape,
  address: addressShape,
  verified: z.boolean(),
  since: z.number().nonnegative(),
  /** Where our backup lies. */
  towers: z.array(towerAddressShape).max(3),
})

/** What a keepsake says. */
export interface Keepsake {
  /** Milliseconds since 1970. */
  readonly madeMs: number
  readonly key: string
  readonly next?: string | undefined
  readonly name: string
  readonly address: string
  readonly verified: boolean
  readonly since: number
  readonly towers: readonly { key: string; address: string }[]
}

/** Only who proves the contact's present key can hand it back. @returns {@linkcode KEEPSAKE_BYTES}. */
export function sealKeepsake(
  owner: BackupOwner,
  contact: Pick<Contact, "key" | "presentKey" | "name" | "address" | "verified" | "since">,
  more: Pick<Keepsake, "madeMs" | "towers" | "next">,
  random: RandomBytes,
): Uint8Array {
  const { key, name, address, verified, since } = contact
  const towers = more.towers.slice(0, 3).map(({ key, address }) => ({ key, address }))
  const next = more.next !== undefined && { next: more.next }
  const said = { v: 1, madeMs: more.madeMs, key, ...next, name, address, verified, since, towers }
  const plain = packValue(said)
  if (plain.length > ROOM_BYTES) throw new RangeError("Cannot make keepsake: it does not fit")
  const padded = new Uint8Array(LENGTH_BYTES + ROOM_BYTES)
  new DataView(padded.buffer).setUint16(0, plain.length)
  padded.set(plain, LENGTH_BYTES)
  const box = {
    key: owner.backupKey(USE),
    bound: boundTo(owner, presentKeyOf(contact)),
    nonce: random(NONCE_BYTES),
  }
  return seal(box, padded)
}

/**
 * Opens what a contact kept for us.
 *
 * @param keeper - Key that who hands it back has proven, base64url.
 * @throws {AlliumError} `BAD_BACKUP` when it is not what we gave to exactly them.
 */
export function openKeepsake(owner: BackupOwner, keeper: string, sealed: Uint8Array): Keepsake {
  const isWhole = sealed.length === KEEPSAKE_BYTES
  const padded = isWhole && unseal(owner.backupKey(USE), boundTo(owner, keeper), sealed)
  if (!padded) throw bad()
  const length = new DataView(padded.buffer, padded.byteOffset).getUint16(0)
  const parsed = keepsakeShape.safeParse(
    unpack(padded.subarray(LENGTH_BYTES, LENGTH_BYTES + length)),
  )
  if (!parsed.success) throw bad()
  const { v: _, ...keepsake } = parsed.data
  return keepsake
}

function boundTo(owner: BackupOwner, keeper: string): Uint8Array {
  return Buffer.concat([Buffer.from(`${USE}\0`), owner.publicKey, Buffer.from(keeper, "base64url")])
}

function unpack(bytes: Uint8Array): unknown {
  try {
    return unpackValue(bytes)
  } catch {
    return undefined // the shape refuses it
  }
}

function bad(): AlliumError {
  return new AlliumError("BAD_BACKUP", "Cannot use keepsake: it is not what we gave to them")
}

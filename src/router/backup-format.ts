/**
 * Backups: everything of one identity that must come back on a new machine, sealed with a key from its words.
 *
 * @see docs/protocol/backup.md
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import { packValue, unpackValue } from "../base/pack.ts"
import type { RandomBytes } from "../base/random.ts"
import { type ContactRecord, recordShape } from "../identity/contact-list.ts"
import { type DoorsKept, doorsShape } from "../identity/doors.ts"
import { nameShape } from "../identity/names.ts"
import { ROTATIONS_MAX } from "../identity/rotation.ts"
import { introductionShape } from "../mail/post/introduction.ts"
import type { Introduction } from "../mail/post/post.ts"
import { seal, unseal } from "../store/seal.ts"
import { type DoorsAtTowers, doorsKeptShape } from "./door-book.ts"
import { type TowersKept, towerAddressShape, towersKeptShape } from "./tower-book.ts"

/** The longest blob a tower keeps is 16 MiB. */
export const BACKUP_BYTES_MAX = 16 * 1_048_576
/** The shortest backup: few contacts or none look the same. */
const FIRST_STEP_BYTES = 65_536
/** What a plugin may put into a backup. */
export const PART_BYTES_MAX = 1_048_576
const NONCE_BYTES = 24
const SEAL_BYTES = NONCE_BYTES + 16
const LENGTH_BYTES = 4
const USE = "allium backup v1"
/** 10,000 contacts with all that belongs to them. */
const LIMITS = { bytesMax: BACKUP_BYTES_MAX, depthMax: 8, itemsMax: 1_000_000 }

const reachShape = z.enum(["reachable", "pull-only"])
/** Whether an identity publishes its destination. */
type Reach = z.output<typeof reachShape>

const siblingShape = z.strictObject({
  name: nameShape,
  /** Place in the tree. */
  index: z.int().min(0).max(99),
  reach: reachShape,
  /** Where its own backup lies. */
  towers: z.array(towerAddressShape).max(8),
})
/** An identity of the same words. */
export type Sibling = z.output<typeof siblingShape>

const backupShape = z.strictObject({
  v: z.literal(1),
  /** Grows with each backup of this identity. */
  revision: z.int().min(1),
  /** Milliseconds since 1970. */
  madeMs: z.number().nonnegative(),
  name: nameShape,
  /** Of the identity's keys; 0 when absent. */
  keyVersion: z.int().min(0).max(ROTATIONS_MAX).optional(),
  reach: reachShape,
  contacts: z.array(recordShape).max(10_000),
  doors: doorsShape,
  /** What the post knows of correspondents, by their names. */
  correspondents: z
    .array(z.strictObject({ peer: z.string().max(64), introduction: introductionShape }))
    .max(40_000),
  towers: towersKeptShape,
  /** Doors at towers; left out by versions that had none. */
  towerDoors: doorsKeptShape.optional(),
  /** Parts of plugins, by the plugin's name. */
  parts: z.record(z.string().max(64), z.instanceof(Uint8Array)),
  /** Identities of the same words, and their places in the tree. */
  siblings: z.array(siblingShape).max(100),
})

/** What a backup holds. */
export interface Backup {
  readonly revision: number
  readonly madeMs: number
  readonly name: string
  readonly keyVersion?: number | undefined
  readonly reach: Reach
  readonly contacts: readonly ContactRecord[]
  readonly doors: DoorsKept
  readonly correspondents: readonly { peer: string; introduction: Introduction }[]
  readonly towers: TowersKept
  readonly towerDoors?: DoorsAtTowers | undefined
  readonly parts: Readonly<Record<string, Uint8Array>>
  readonly siblings: readonly Sibling[]
}

/** Whose backup it is. */
export interface BackupOwner {
  readonly publicKey: Uint8Array
  backupKey(label: string): Uint8Array
}

/**
 * Seals a backup; the length tells little, for it is one of few (see `steps`).
 *
 * @throws {AlliumError} `TOO_LARGE` beyond 16 MiB.
 */
export function sealBackup(owner: BackupOwner, backup: Backup, random: RandomBytes): Uint8Array {
  const plain = packValue({ v: 1, ...backup })
  const padded = new Uint8Array(stepFor(plain.length + LENGTH_BYTES + SEAL_BYTES) - SEAL_BYTES)
  new DataView(padded.buffer).setUint32(0, plain.length)
  padded.set(plain, LENGTH_BYTES)
  const box = { key: owner.backupKey(USE), bound: boundTo(owner), nonce: random(NONCE_BYTES) }
  return seal(box, padded)
}

/**
 * Opens what {@linkcode sealBackup} made, for the same identity.
 *
 * @throws {AlliumError} `BAD_BACKUP` when one bit differs, for another identity's, and for what a newer version wrote.
 */
export function openBackup(owner: BackupOwner, sealed: Uint8Array): Backup {
  if (sealed.length > BACKUP_BYTES_MAX) throw bad("is too long")
  const padded = unseal(owner.backupKey(USE), boundTo(owner), sealed)
  if (padded === undefined || padded.length < LENGTH_BYTES) throw bad("does not open")
  const length = Buffer.from(padded.buffer, padded.byteOffset).readUInt32BE(0)
  const parsed = backupShape.safeParse(unpack(padded.subarray(LENGTH_BYTES, LENGTH_BYTES + length)))
  if (!parsed.success) throw bad("is of another version")
  const { v: _, ...backup } = parsed.data
  return backup
}

/** Where a tower keeps the backup: who has the id may read, who has the write key may replace it. 32 bytes each. */
export function blobPlace(
  owner: BackupOwner,
  towerKey: string,
): { readonly id: Uint8Array; readonly writeKey: Uint8Array } {
  return {
    id: owner.backupKey(`backup id v1 ${towerKey}`),
    writeKey: owner.backupKey(`backup write v1 ${towerKey}`),
  }
}

/** 64 KiB, 96, 128, 192, 256, 384 KiB, … up to 16 MiB: each a half or a third more than the one before. */
function stepFor(byteCount: number): number {
  for (let step = FIRST_STEP_BYTES; step <= BACKUP_BYTES_MAX; step *= 2)
    for (const length of [step, step * 1.5])
      if (byteCount <= length && length <= BACKUP_BYTES_MAX) return length
  throw new AlliumError("TOO_LARGE", "Cannot make backup: it is longer than 16 MiB")
}

function boundTo(owner: BackupOwner): Uint8Array {
  return Buffer.concat([Buffer.from(`${USE}\0`), owner.publicKey])
}

function unpack(bytes: Uint8Array): unknown {
  try {
    return unpackValue(bytes, LIMITS)
  } catch {
    return undefined // the shape refuses it
  }
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_BACKUP", `Cannot read backup: it ${found}`)
}

/**
 * A transfer: one file on its way from one identity to one contact.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { z } from "allium/plugin"
import { bytesShape, HASH_BYTES, type Reason } from "./wire.ts"

/**
 * How far a transfer has come; facts that survive a crash. Sending: `hashing`, `waiting` (they do not yet know of
 * it), `offered` (they know), `accepted` (they have begun to fetch). Receiving: `offered` (we have not decided),
 * `accepted`, `verifying` (all is here). Both: `done` (the receiver has it whole), `failed`, `cancelled`.
 */
const STAGES = [
  "hashing",
  "waiting",
  "offered",
  "accepted",
  "verifying",
  "done",
  "failed",
  "cancelled",
] as const

/** What the other side must still be told. */
const TELLS = ["offer", "withdraw", "decline", "complete"] as const

const ID_BYTES = 16
const hash = bytesShape((length) => length === HASH_BYTES)

export const transferShape = z.object({
  /** 32 hexadecimal digits, of one transfer of this router; the same on both sides but for `wireId`. */
  id: z.string(),
  /** What the contact calls it, where that is not our id: another transfer of this router is called so. */
  wireId: z.string().optional(),
  direction: z.enum(["out", "in"]),
  /** Key of our identity. */
  identity: z.string(),
  /** Key of the contact. */
  contact: z.string(),
  /** What the contact was called last. */
  contactName: z.string(),
  /** Sending: its name on our disk. Receiving: a safe name. */
  name: z.string(),
  size: z.int(),
  stage: z.enum(STAGES),
  /** Code of why it failed or was cancelled. */
  reason: z.string().optional(),
  tell: z.enum(TELLS).optional(),
  /** Milliseconds since 1970. */
  createdAt: z.int(),
  /** SHA-256 of the file; known once it was hashed. */
  sha256: hash.optional(),
  /** SHA-256 of all chunk hashes. */
  root: hash.optional(),
  /** Sending: where the file is. Receiving: where it is, or is being put, in the end. */
  path: z.string().optional(),
  /** Sending: time of the file's last change in nanoseconds since 1970, when it was hashed. */
  modified: z.string().optional(),
  /** Receiving: folder of the part file and of the whole file. */
  folder: z.string().optional(),
  /** Receiving: blocks of chunk hashes that are here. */
  blocks: z.int(),
  /** Receiving: bytes from the beginning that are on disk for good. Sending: what they say they have. */
  received: z.int(),
})

/** See the module. */
export type Transfer = z.output<typeof transferShape>

/** Ended, one way or the other. */
export function isFinished({ stage }: Transfer): boolean {
  return stage === "done" || stage === "failed" || stage === "cancelled"
}

/** How a transfer ends when the other side gives this reason. */
export function endedFor(reason: Reason): Partial<Transfer> {
  const stage = reason === "REFUSED" || reason === "CANCELLED" ? "cancelled" : "failed"
  return { stage, reason, tell: undefined }
}

/** For a transfer of this router. */
export function newId(): string {
  return randomBytes(ID_BYTES).toString("hex")
}

/** As the wire names it. */
export function idBytes({ id, wireId = id }: Pick<Transfer, "id" | "wireId">): Uint8Array {
  return new Uint8Array(Buffer.from(wireId, "hex"))
}

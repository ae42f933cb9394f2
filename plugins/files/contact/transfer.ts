/**
 * A transfer: a file or a folder on its way from one identity to one contact.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { z } from "allium/plugin"
import { CHUNK_SALT_BYTES } from "./chunks.ts"
import { bytesShape, type OfferLetter, type Reason } from "./letters.ts"
import { OFFER_KEY_BYTES, TRANSFER_ID_BYTES } from "./line-keys.ts"

/**
 * How far a transfer has come; facts that survive a crash. Sending: `hashing`, `waiting` (they do not yet know of
 * it), `offered` (they know), `accepted`. Receiving: `offered` (we have not decided), `accepted`, `verifying` (all is here).
 * Both: `done` (the receiver has it whole), `failed`, `cancelled`.
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
  isFolder: z.boolean(),
  size: z.int(),
  fileCount: z.int(),
  /** The first files. Receiving: made safe for showing. */
  files: z.array(z.object({ path: z.string(), size: z.int() })),
  note: z.string().optional(),
  stage: z.enum(STAGES),
  /** Rests until it is resumed; on this side alone. */
  isPaused: z.boolean(),
  /** Code of why it failed or was cancelled. */
  reason: z.string().optional(),
  /** Milliseconds since 1970. */
  createdAt: z.int(),
  /** 32 random bytes from which the keys of lines are made. */
  key: bytesShape(OFFER_KEY_BYTES),
  /** Known once it was hashed; see `OfferLetter`. */
  infohash: bytesShape(20).optional(),
  info: bytesShape(32).optional(),
  sha256: bytesShape(32).optional(),
  /** Sending: where it is. Receiving: where it is in the end. */
  path: z.string().optional(),
  /** Receiving: folder of the part files and of what becomes of them. */
  folder: z.string().optional(),
  /** Offered to all members of a group. */
  group: z
    .object({
      /** 64 hexadecimal digits. */
      id: z.string(),
      /** Sending: what it was called then. */
      name: z.string().optional(),
      /** Sending: what the transfers to all members are called together; 32 hexadecimal digits. */
      send: z.string().optional(),
      /** Keys of the others to whom it was offered, as the sender says. */
      fellows: z.array(z.string()),
    })
    .optional(),
  /** A tower that holds it, or is given it. */
  tower: z
    .object({
      key: z.string(),
      address: z.string(),
      salt: bytesShape(CHUNK_SALT_BYTES),
      isStored: z.boolean(),
    })
    .optional(),
  /** Receiving: it was here whole, and wrong pieces are fetched again, over what is there; stays when that fails. */
  isMending: z.boolean().optional(),
  /** Receiving: part files may still be there though it has ended. */
  isUntidy: z.boolean().optional(),
})

/** See the module. */
export type Transfer = z.output<typeof transferShape>

/** Ended, one way or the other. */
export function isFinished({ stage }: Pick<Transfer, "stage">): boolean {
  return stage === "done" || stage === "failed" || stage === "cancelled"
}

/** How a transfer ends when the other side gives this reason. */
export function endedFor(reason: Reason): Partial<Transfer> {
  const stage = reason === "REFUSED" || reason === "CANCELLED" ? "cancelled" : "failed"
  return { stage, reason }
}

/** For a transfer of this router. */
export function newId(): string {
  return randomBytes(TRANSFER_ID_BYTES).toString("hex")
}

/** For a transfer of ours. */
export function newKey(): Uint8Array {
  return new Uint8Array(randomBytes(OFFER_KEY_BYTES))
}

/** As letters and lines name it. */
export function idBytes({ id, wireId = id }: Pick<Transfer, "id" | "wireId">): Uint8Array {
  return new Uint8Array(Buffer.from(wireId, "hex"))
}

/** Under which its files are known here: one name for all members of a group. */
export function sourceId({ id, group }: Pick<Transfer, "id" | "group">): string {
  return group?.send ?? id
}

/** What is offered; once it was hashed. */
export function toOffer(transfer: Transfer): Omit<OfferLetter, "v"> | undefined {
  const { name, isFolder, size, fileCount, files, infohash, info, sha256, key, note } = transfer
  const { group } = transfer
  if (infohash === undefined || info === undefined || sha256 === undefined) return undefined
  const content = { name, isFolder, size, fileCount, files, infohash, info, sha256, key }
  return {
    ...{ kind: "offer", id: idBytes(transfer), ...content, ...(note !== undefined && { note }) },
    ...(group !== undefined && { group: toWire(group) }),
  }
}

function toWire({ id, fellows }: NonNullable<Transfer["group"]>): OfferLetter["group"] {
  const bytes = (text: string, how: BufferEncoding) => new Uint8Array(Buffer.from(text, how))
  return { id: bytes(id, "hex"), fellows: fellows.map((key) => bytes(key, "base64url")) }
}

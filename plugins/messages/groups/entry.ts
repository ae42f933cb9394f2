/**
 * An entry of a group's member log: packed bytes, and the owner's signature over them.
 *
 * @see docs/protocol/groups.md
 * @module
 */
import { type Identity, pack, unpack, verifySignature, z } from "allium/plugin"
import { badRecord, bytesOf, bytesUpTo, HASH_BYTES, hashOf, keyBytes, keyText } from "./bytes.ts"

/** What entries are signed and hashed for. */
const ENTRY_DOMAIN = "allium group entry v1"
/** What the wish to leave is signed for. */
const LEAVE_DOMAIN = "allium group leave v1"
/** Longest entry: an add with a long label has 390 bytes. */
export const ENTRY_BYTES_MAX = 1_024
/** Longest name of a group, and longest label of a member. */
export const NAME_CHARACTERS_MAX = 64
const SIGNATURE_BYTES = 64
const MINUTE_MS = 60_000
/** The last minute of the year 9999: later times break calendars. */
const AT_MAX_MS = Date.UTC(9999, 11, 31, 23, 59)
const LIMITS = { bytesMax: ENTRY_BYTES_MAX, depthMax: 2, itemsMax: 32 }

/** A name as it may be given: 1 to 64 characters, no control characters, no blanks around it. */
export const groupNameShape: z.ZodType<string> = z
  .string()
  .refine(
    (name) => [...name].length >= 1 && [...name].length <= NAME_CHARACTERS_MAX,
    `expected 1 to ${NAME_CHARACTERS_MAX} characters`,
  )
  .refine(
    (name) => name.trim() === name && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name),
    "begins or ends with a space, or holds control characters",
  )
  .refine((name) => Buffer.from(name).toString() === name, "not well-formed Unicode")

const key = bytesOf(HASH_BYTES)
const hash = bytesOf(HASH_BYTES)
const head = {
  author: key,
  /** When it was made, by the owner's clock: milliseconds since 1970, whole minutes. */
  at: z.int().min(0).max(AT_MAX_MS).multipleOf(MINUTE_MS),
}
const later = { ...head, number: z.int().min(2), group: hash, parent: hash }
const bodyShape = z.discriminatedUnion("deed", [
  z.strictObject({
    deed: z.literal("create"),
    ...head,
    number: z.literal(1),
    name: groupNameShape,
    /** Random: no two groups are the same. */
    nonce: bytesOf(16),
  }),
  z.strictObject({
    deed: z.literal("add"),
    ...later,
    member: key,
    /** What the owner calls them before everybody. */
    label: groupNameShape.optional(),
  }),
  z.strictObject({ deed: z.literal("remove"), ...later, member: key }),
  z.strictObject({
    deed: z.literal("leave"),
    ...later,
    member: key,
    /** Number of the entry that added them, and their signature. */
    joined: z.int().min(1),
    wish: bytesOf(SIGNATURE_BYTES),
  }),
  z.strictObject({ deed: z.literal("rename"), ...later, name: groupNameShape }),
  z.strictObject({ deed: z.literal("hand-over"), ...later, member: key }),
])

/** What an entry says. */
export type EntryBody = z.output<typeof bodyShape>

/** An entry as it travels and is kept. */
export const signedShape = z.strictObject({
  body: bytesUpTo(ENTRY_BYTES_MAX),
  signature: bytesOf(SIGNATURE_BYTES),
})
/** An entry as it travels and is kept. */
export type SignedBytes = z.output<typeof signedShape>

/** An entry whose signature is its author's; whether the author may write it, the log knows. */
export interface Entry {
  readonly says: EntryBody
  /** Base64url, 43 characters. */
  readonly author: string
  /** SHA-256 over the domain and the bytes of the body; of the first entry it is the group's id. */
  readonly hash: Uint8Array
  readonly signed: SignedBytes
}

/** Whose key signs. */
export type Signer = Pick<Identity, "key" | "sign">

/**
 * @param from - `disk`: its signature was checked when it came.
 * @throws {AlliumError} `BAD_RECORD`, `BAD_PACK` for another shape, or a signature that is not its author's.
 */
export function readEntry(signed: SignedBytes, from: "wire" | "disk" = "wire"): Entry {
  const result = bodyShape.safeParse(unpack(signed.body, LIMITS))
  if (!result.success) throw badRecord("group entry", "its shape is not that of an entry")
  const says = result.data
  const isChecked = from === "disk"
  if (!isChecked && !verifySignature(says.author, ENTRY_DOMAIN, signed.body, signed.signature))
    throw badRecord("group entry", "its signature is not its author's")
  return { says, author: keyText(says.author), hash: hashOf(ENTRY_DOMAIN, signed.body), signed }
}

/** Signs an entry. @throws {RangeError} for what nobody could read. */
export function writeEntry(signer: Signer, says: EntryBody): Entry {
  const body = pack(bodyShape.parse(says))
  if (body.length > ENTRY_BYTES_MAX) throw new RangeError("Cannot write group entry: too long")
  return readEntry({ body, signature: signer.sign(ENTRY_DOMAIN, body) })
}

/** The wish of a member to leave, signed: good for this group and this time of joining only. */
export function signLeave(signer: Signer, of: { group: Uint8Array; joined: number }): Uint8Array {
  return signer.sign(LEAVE_DOMAIN, pack({ group: of.group, joined: of.joined }))
}

/** Whether `wish` is what {@linkcode signLeave} made. */
export function isLeaveOf(
  member: string,
  of: { group: Uint8Array; joined: number },
  wish: Uint8Array,
): boolean {
  const bytes = pack({ group: of.group, joined: of.joined })
  return verifySignature(keyBytes(member), LEAVE_DOMAIN, bytes, wish)
}

/** Whole minutes: a finer clock would tell machines apart. */
export function minuteOf(nowMs: number): number {
  return Math.max(0, Math.floor(nowMs / MINUTE_MS) * MINUTE_MS)
}

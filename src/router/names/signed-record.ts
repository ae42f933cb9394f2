/**
 * Signed records: what the owner of a destination says of its names, in one line that anybody can check.
 *
 * @see https://geti2p.net/spec/subscription
 * @module
 */
import { AlliumError, isAlliumError } from "../../base/errors.ts"
import { isSignedBy } from "../../sam/ed25519.ts"
import { decodeBase64, encodeBase64, parseDestination, signingKey } from "../../sam/index.ts"
import type { Signer } from "../sessions.ts"
import type { Fields } from "./host-line.ts"
import { requirePublicName } from "./host-name.ts"

/** What a record does; a line without an action adds. */
export const RECORD_ACTIONS = [
  "add",
  "addname",
  "adddest",
  "addsubdomain",
  "changename",
  "changedest",
  "update",
  "remove",
  "removeall",
] as const
export type RecordAction = (typeof RECORD_ACTIONS)[number]

/** `unverified`: by a key of a kind we cannot check, which is every kind but Ed25519. */
export type Verdict = "valid" | "bad" | "unverified" | "missing"

/** What is signed: `written`, then the fields sorted by key, without signatures. */
export function signedText(written: string, fields: Fields, without: readonly string[]): string {
  const keys = [...fields.keys()].filter((key) => !without.includes(key))
  const sorted = keys.sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
  const options = sorted.map((key) => `${key}=${fields.get(key)}`).join("#")
  return options === "" ? written : `${written}#!${options}`
}

/**
 * Checks `sig`, by the destination of the line itself.
 *
 * @param written - `name=destination` as the line has it; empty for a command.
 * @param address - The destination; from field `dest` for a command.
 */
export function checkOuter(written: string, fields: Fields, address: string): Verdict {
  const without = written === "" ? ["sig", "oldsig"] : ["sig"]
  return check(fields.get("sig"), signedText(written, fields, without), address)
}

/** Checks `oldsig`, by the destination in `olddest`. */
export function checkInner(written: string, fields: Fields): Verdict {
  const text = signedText(written, fields, ["sig", "oldsig"])
  return check(fields.get("oldsig"), text, fields.get("olddest") ?? "")
}

function check(signature: string | undefined, text: string, address: string): Verdict {
  if (signature === undefined) return "missing"
  if (address.endsWith(".i2p")) return "unverified"
  try {
    const key = signingKey(parseDestination(address))
    if (key === undefined) return "unverified"
    return isSignedBy(key, Buffer.from(text), decodeBase64(signature)) ? "valid" : "bad"
  } catch (error) {
    if (isAlliumError(error, "BAD_DESTINATION", "BAD_BASE64")) return "bad"
    throw error
  }
}

/** A record to be made. */
export interface RecordWish {
  readonly action: RecordAction
  readonly name: string
  readonly owner: Signer
  /** Seconds since 1970. */
  readonly dateS: number
  /** For `addname` and `changename`: the name it has now; for `addsubdomain`: the name above. */
  readonly oldName?: string | undefined
  /** For `adddest` and `changedest`: the destination it has now; for `addsubdomain`: that of the name above. */
  readonly old?: Signer | undefined
}

const NEEDS_OLD_NAME: ReadonlySet<RecordAction> = new Set(["addname", "changename", "addsubdomain"])
const NEEDS_OLD: ReadonlySet<RecordAction> = new Set(["adddest", "changedest", "addsubdomain"])

/**
 * Makes a record: the line that registration sites call authentication string.
 *
 * @throws {AlliumError} `BAD_NAME`; `BAD_INPUT` when what the action needs is missing, or more is given.
 */
export function makeRecord(wish: RecordWish): string {
  const { action, owner, old } = wish
  const name = requirePublicName(wish.name)
  const oldName = wish.oldName === undefined ? undefined : requirePublicName(wish.oldName)
  requireFitting(wish)
  const dest = owner.destination.base64
  const isCommand = action === "remove" || action === "removeall"
  const written = isCommand ? "" : `${name}=${dest}`
  const fields = new Map<string, string>([["date", String(wish.dateS)]])
  if (action !== "add") fields.set("action", action)
  if (oldName !== undefined) fields.set("oldname", oldName)
  if (old !== undefined) fields.set("olddest", old.destination.base64)
  if (isCommand) fields.set("name", name).set("dest", dest)
  if (old !== undefined) fields.set("oldsig", signature(old, signedText(written, fields, [])))
  fields.set("sig", signature(owner, signedText(written, fields, [])))
  return signedText(written, fields, [])
}

function signature(by: Signer, text: string): string {
  return encodeBase64(by.sign(Buffer.from(text)))
}

function requireFitting({ action, name, old, oldName }: RecordWish): void {
  if (NEEDS_OLD.has(action) !== (old !== undefined))
    throw bad(`${action} ${old === undefined ? "needs" : "takes no"} other site`)
  if (NEEDS_OLD_NAME.has(action) !== (oldName !== undefined))
    throw bad(`${action} ${oldName === undefined ? "needs" : "takes no"} other name`)
  if (action === "addsubdomain" && !name.endsWith(`.${oldName}`))
    throw bad("the name is not below the other one")
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_INPUT", `Cannot make record: ${found}`)
}

/**
 * What a line of a feed may change: who came first stays, and only the owner of a name moves it.
 *
 * Pure: what is known and the time come in, what is to be done goes out.
 *
 * @module
 */
import { z } from "zod"
import { readAddress, shortAddress } from "./address.ts"
import type { Fields, HostLine } from "./host-line.ts"
import { canonicalName } from "./host-name.ts"
import { checkInner, checkOuter, RECORD_ACTIONS, type RecordAction } from "./signed-record.ts"

/** Where a name led before; the newest are kept. */
const PREVIOUS_MAX = 8
/** How far ahead of our clock a record may be dated, in seconds. */
const AHEAD_S = 86_400
/** How old the time of the last sight may become before it is written anew. */
const SEEN_STEP_MS = 7 * 86_400_000

/** A name that a feed told us. */
export const feedRecordShape = z.object({
  name: z.string(),
  /** Destination in base64 or `.b32.i2p` address. */
  address: z.string(),
  /** URL of the feed that said so first. */
  feed: z.string(),
  /** Milliseconds since 1970, by our clock. */
  firstSeen: z.number(),
  lastSeen: z.number(),
  signature: z.enum(["valid", "unverified", "missing"]),
  /** Date of the newest signed change, in seconds since 1970, as its owner wrote it. */
  changedS: z.number().optional(),
  previous: z.array(z.object({ address: z.string(), untilMs: z.number() })),
  /** Its owner took the name back; it leads nowhere, and older records do not bring it back. */
  removed: z.literal(true).optional(),
})
export type FeedRecord = z.output<typeof feedRecordShape>

/** What a line comes to. */
export type Ruling =
  | { readonly kind: "nothing" }
  | {
      readonly kind: "added" | "same" | "changed" | "removed"
      /** To be written in place of what is known. */
      readonly records: readonly FeedRecord[]
    }
  /** Not believed, and shown to the user. */
  | {
      readonly kind: "conflict"
      readonly name: string
      readonly address: string
      readonly reason: string
    }
  /** Not believed, and counted. */
  | { readonly kind: "rejected"; readonly reason: string }

/** What lines are judged by. */
export interface Judge {
  readonly feed: string
  readonly nowMs: number
  find(name: string): Promise<FeedRecord | undefined>
  /** Names that lead to an address, in its short form. */
  namesOf(short: string): Promise<readonly string[]>
}

/** A second destination is meant to take over from the first: routers know one for each name. */
const MOVES: ReadonlySet<RecordAction> = new Set(["changedest", "adddest"])

type NameLine = Extract<HostLine, { kind: "name" }>

/** Judges one line. */
export async function judgeLine(line: HostLine, judge: Judge): Promise<Ruling> {
  if (line.kind === "empty") return { kind: "nothing" }
  if (line.kind === "bad") return rejected(line.reason)
  const action = actionOf(line.fields)
  if (action === undefined) return { kind: "nothing" } // of a later specification
  const wrong = wrongTime(line.fields, judge.nowMs)
  if (wrong !== undefined) return rejected(wrong)
  if (line.kind === "command") return judgeCommand(action, line.fields, judge)
  return judgeName(action, line, judge)
}

function actionOf(fields: Fields): RecordAction | undefined {
  return RECORD_ACTIONS.find((action) => action === (fields.get("action") ?? "add"))
}

function wrongTime(fields: Fields, nowMs: number): string | undefined {
  for (const key of ["date", "expires"])
    if (fields.has(key) && !/^\d{1,11}$/.test(fields.get(key) ?? "")) return `has a bad ${key}`
  if (Number(fields.get("date") ?? 0) > nowMs / 1_000 + AHEAD_S) return "is dated ahead"
  const expiresS = Number(fields.get("expires") ?? Number.POSITIVE_INFINITY)
  return expiresS < nowMs / 1_000 ? "has expired" : undefined
}

async function judgeName(action: RecordAction, line: NameLine, judge: Judge): Promise<Ruling> {
  const { written, fields, name, address } = line
  const outer = checkOuter(written, fields, address)
  if (outer === "bad") return rejected("has a bad signature")
  if (outer === "missing" && action !== "add") return rejected("is not signed")
  const known = await judge.find(name)
  const wrong = await wrongReference(action, line, judge)
  if (wrong !== undefined) return rejected(wrong)
  const fresh = freshRecord(line, outer, judge)
  if (known?.removed) return returns(line, known) ? added(fresh) : SAME
  if (known === undefined) return first(action, line, fresh, judge)
  if (isSame(known.address, address)) return seen(known, fresh)
  if (isPast(line, known)) return pastStep(action, line, known)
  if (!MOVES.has(action)) return conflict(line, "another address came first")
  return moved(line, known, fresh)
}

function freshRecord(
  { name, address, fields }: NameLine,
  signature: FeedRecord["signature"],
  judge: Judge,
): FeedRecord {
  const { feed, nowMs } = judge
  const dateS = dateOf(fields)
  return {
    ...{ name, address, feed, signature, firstSeen: nowMs, lastSeen: nowMs, previous: [] },
    ...(dateS !== undefined && signature === "valid" && { changedS: dateS }),
  }
}

/** What the record says of another name or destination must agree with what we know. */
async function wrongReference(
  action: RecordAction,
  { name, address, written, fields }: NameLine,
  judge: Judge,
): Promise<string | undefined> {
  if (action === "addsubdomain") {
    const above = canonicalName(fields.get("oldname") ?? "")
    if (above === undefined || !name.endsWith(`.${above}`)) return "is not below the other name"
    if (checkInner(written, fields) !== "valid") return "is not signed by the name above"
    const known = await judge.find(above)
    const claimed = readAddress(fields.get("olddest") ?? "") ?? ""
    if (known && !known.removed && shortAddress(known.address) !== shortAddress(claimed))
      return "is signed by another destination than that of the name above"
  }
  if (action === "addname" || action === "changename") {
    const other = canonicalName(fields.get("oldname") ?? "")
    if (other === undefined) return "names no other name"
    const known = await judge.find(other)
    if (known && !known.removed && shortAddress(known.address) !== shortAddress(address))
      return "is of another destination than the other name"
  }
  return undefined
}

/** A name whose owner took it back may go to another one, or to the same by a newer record. */
function returns({ fields, address }: NameLine, known: FeedRecord): boolean {
  const dateS = dateOf(fields)
  if (dateS === undefined) return !isSame(known.address, address)
  return dateS > (known.changedS ?? 0)
}

/** A step on the way to where the name leads now: feeds keep old records. */
function isPast({ fields, address }: NameLine, known: FeedRecord): boolean {
  const wasThere = known.previous.some((one) => isSame(one.address, address))
  return wasThere && (dateOf(fields) ?? 0) <= (known.changedS ?? Number.POSITIVE_INFINITY)
}

/** Where the name led before that step is no news either, from now on. */
function pastStep(action: RecordAction, { fields, written }: NameLine, known: FeedRecord): Ruling {
  const from = readAddress(fields.get("olddest") ?? "")
  const isKnown = (address: string) => known.previous.some((one) => isSame(one.address, address))
  if (!MOVES.has(action) || from === undefined || isKnown(from)) return SAME
  if (checkInner(written, fields) !== "valid") return SAME
  const was = { address: from, untilMs: known.firstSeen }
  return {
    kind: "same",
    records: [{ ...known, previous: [was, ...known.previous].slice(-PREVIOUS_MAX) }],
  }
}

/** A name we do not know yet. `changename` takes the old name away; what moves tells where the name led before. */
async function first(
  action: RecordAction,
  line: NameLine,
  fresh: FeedRecord,
  judge: Judge,
): Promise<Ruling> {
  if (fresh.signature !== "valid") return added(fresh)
  const from = readAddress(line.fields.get("olddest") ?? "")
  if (MOVES.has(action) && from !== undefined && checkInner(line.written, line.fields) === "valid")
    return added({ ...fresh, previous: [{ address: from, untilMs: fresh.firstSeen }] })
  if (action !== "changename") return added(fresh)
  const old = await judge.find(canonicalName(line.fields.get("oldname") ?? "") ?? "")
  if (old === undefined || old.removed || !comesAfter(line.fields, old)) return added(fresh)
  return { kind: "changed", records: [fresh, { ...old, removed: true, ...dated(line.fields) }] }
}

/** The same as before: perhaps signed now. */
function seen(known: FeedRecord, fresh: FeedRecord): Ruling {
  const isSigned = fresh.signature === "valid" && known.signature !== "valid"
  if (!isSigned && fresh.lastSeen - known.lastSeen < SEEN_STEP_MS) return SAME
  const address = fresh.address.endsWith(".i2p") ? known.address : fresh.address
  const changedS = Math.max(known.changedS ?? 0, fresh.changedS ?? 0)
  const dated = changedS > 0 ? { changedS } : {}
  const signed = isSigned ? { signature: fresh.signature, address, ...dated } : {}
  return { kind: "same", records: [{ ...known, ...signed, lastSeen: fresh.lastSeen }] }
}

/** Another destination, and the old one is to agree. */
function moved(line: NameLine, known: FeedRecord, fresh: FeedRecord): Ruling {
  const { fields, written } = line
  const from = readAddress(fields.get("olddest") ?? "")
  if (from === undefined || !isSame(from, known.address))
    return conflict(line, "it moves the name from another address")
  if (fresh.signature !== "valid") return conflict(line, "the new signature cannot be checked")
  const inner = checkInner(written, fields)
  if (inner === "bad" || inner === "missing")
    return rejected("is not signed by the old destination")
  if (inner !== "valid") return conflict(line, "the old signature cannot be checked")
  if (!comesAfterMove(line, known)) return rejected("is older than what is known")
  const was = { address: known.address, untilMs: fresh.lastSeen }
  const previous = [...known.previous, was].slice(-PREVIOUS_MAX)
  return { kind: "changed", records: [{ ...fresh, firstSeen: known.firstSeen, previous }] }
}

/** `remove` and `removeall`. */
async function judgeCommand(action: RecordAction, fields: Fields, judge: Judge): Promise<Ruling> {
  if (action !== "remove" && action !== "removeall") return rejected("says no name")
  const address = readAddress(fields.get("dest") ?? "")
  if (address === undefined) return rejected("says no destination")
  if (checkOuter("", fields, address) !== "valid")
    return rejected("is not signed, or not checkably")
  const short = shortAddress(address)
  const named = [canonicalName(fields.get("name") ?? "") ?? ""]
  const names = action === "remove" ? named : await judge.namesOf(short)
  const found = await Promise.all(names.map((name) => judge.find(name)))
  const records = found.flatMap((known) => {
    const isTheirs = known && !known.removed && shortAddress(known.address) === short
    if (!isTheirs || !comesAfter(fields, known)) return []
    return [{ ...known, removed: true as const, ...dated(fields) }]
  })
  return records.length > 0 ? { kind: "removed", records } : { kind: "nothing" }
}

/** Whether a signed line is newer than the newest signed change we know: an old one may be played again. */
function comesAfter(fields: Fields, known: FeedRecord): boolean {
  const dateS = dateOf(fields)
  if (dateS === undefined) return known.changedS === undefined && known.previous.length === 0
  return known.changedS === undefined || dateS > known.changedS
}

/** Without a date, a record may only lead where the name has never led. */
function comesAfterMove({ fields, address }: NameLine, known: FeedRecord): boolean {
  const dateS = dateOf(fields)
  if (dateS !== undefined) return dateS > (known.changedS ?? 0)
  return !known.previous.some((one) => isSame(one.address, address))
}

function isSame(left: string, right: string): boolean {
  return left === right || shortAddress(left) === shortAddress(right)
}

function dateOf(fields: Fields): number | undefined {
  const date = fields.get("date")
  return date === undefined ? undefined : Number(date)
}

function dated(fields: Fields): { changedS?: number } {
  const changedS = dateOf(fields)
  return changedS === undefined ? {} : { changedS }
}

const SAME: Ruling = { kind: "same", records: [] }

function added(record: FeedRecord): Ruling {
  return { kind: "added", records: [record] }
}

function rejected(reason: string): Ruling {
  return { kind: "rejected", reason }
}

function conflict({ name, address }: NameLine, reason: string): Ruling {
  return { kind: "conflict", name, address, reason }
}

/**
 * Asking at the door of somebody: read the greeting, seal a request, pay the toll, and put it; again after days without an answer.
 *
 * @see docs/protocol/contact.md "At a tower"
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import type { RandomBytes } from "../base/random.ts"
import { ENVELOPE_BYTES, type MailSelf } from "../mail/envelope/crypto.ts"
import { sealLone } from "../mail/envelope/lone.ts"
import type { Mailbox, MailCall, PutAnswer } from "../mail/mailbox/mailbox.ts"
import { findWork } from "../mail/mailbox/work.ts"
import type { Introduction } from "../mail/post/post.ts"
import type { AskRecord, DoorBook } from "./door-book.ts"
import { readGreeting } from "./door-greeting.ts"
import { openDoorMove } from "./door-move.ts"
import { writeRequest } from "./door-request.ts"
import type { TowerLine } from "./tower-line.ts"

/** The owner may have lost what we left, with a machine: it is left again after so long, then after three times as long. */
const AGAIN_MS = 86_400_000
/** How often it is left, in all. */
const LEFT_MAX = 4
/** More work than a door asks for: 16 bits are half an hour of one core. */
const WORK_BITS_MAX = 16
/** A door that moved, and moved again: more is somebody who leads us round. */
const MOVES_MAX = 4
/** Challenges that ran out while we worked. */
const TOLLS_MAX = 4

/** What asking needs. */
export interface AskingOptions {
  readonly book: DoorBook
  readonly line: Pick<TowerLine, "reach">
  /** The keys by which they know us, or will. */
  readonly self: (key: string) => MailSelf
  /** The key that the door proves, of somebody we know by `key`. */
  readonly presentKey: (key: string) => string
  /** Our card with what we call ourselves; about the same key as `self`. */
  readonly card: (key: string, ownName: string | undefined) => Promise<string>
  /** Where they may answer; rejects while there is no place. */
  readonly introduce: (key: string) => Promise<Introduction>
  /** Whether an answer is still waited for. */
  readonly isWaiting: (key: string) => boolean
  readonly onChange: (key: string) => void
  readonly clock: Clock
  readonly random: RandomBytes
}

/** One try. @returns `done`, or after how long to ask again. */
export async function askAtDoor(
  options: AskingOptions,
  key: string,
  call: MailCall,
): Promise<"done" | number> {
  const { book, clock, isWaiting } = options
  const ask = book.asks.rows.get(key)
  if (ask === undefined || ask.state === "gone") return "done"
  if (ask.leftCount > 0 && !isWaiting(key)) return forget(options, key)
  const dueMs = ask.state === "left" ? dueAt(ask) : 0
  if (dueMs === undefined) return "done"
  if (dueMs > clock.now()) return dueMs - clock.now()
  const { mailbox } = await options.line.reach(ask.tower, call)
  const sealed = ask.sealed ?? (await seal(options, ask, mailbox, call))
  const answer =
    sealed === "gone"
      ? await knock(options, ask, mailbox, call)
      : await putPaid(options, ask, { mailbox, sealed }, call)
  call.signal.throwIfAborted()
  if (answer.kind === "gone") return follow(options, ask, answer.moved)
  if (sealed === "gone") return tell(options, ask, { state: "gone" })
  if (answer.kind === "ok" || answer.kind === "duplicate") {
    const left = { state: "left", leftCount: ask.leftCount + 1, leftMs: clock.now() } as const
    await tell(options, ask, left)
    return 0
  }
  throw new AlliumError("MAILBOX_FULL", `Cannot ask: the door is ${answer.kind}`)
}

/** Nothing lies at a door that is over, but what it answers to who puts says where it moved. */
function knock(
  { random }: AskingOptions,
  { tower }: AskRecord,
  mailbox: Mailbox,
  call: MailCall,
): Promise<PutAnswer> {
  const sendId = new Uint8Array(Buffer.from(tower.sendId, "base64url"))
  return mailbox.put({ sendId, id: random(16), envelope: random(ENVELOPE_BYTES) }, call)
}

/** To the door that the owner's note names, with a request that is sealed for it; otherwise the card was withdrawn. */
async function follow(
  options: AskingOptions,
  ask: AskRecord,
  moved: Uint8Array | undefined,
): Promise<"done" | number> {
  const moves = (ask.moves ?? 0) + 1
  const tower = moved && moves <= MOVES_MAX ? nextDoor(options, ask, moved) : undefined
  if (tower === undefined) return tell(options, ask, { state: "gone" })
  const { sealed: _, ...rest } = ask
  await options.book.commit(options.book.asks.put(ask.key, { ...rest, tower, moves }))
  return 0
}

function nextDoor({ presentKey }: AskingOptions, { key, tower }: AskRecord, moved: Uint8Array) {
  const sendId = new Uint8Array(Buffer.from(tower.sendId, "base64url"))
  try {
    return openDoorMove({ key: presentKey(key), sendId }, moved)
  } catch {
    return undefined // the tower's own doing: the card leads nowhere
  }
}

function dueAt({ leftCount, leftMs }: AskRecord): number | undefined {
  return leftCount < LEFT_MAX ? leftMs + AGAIN_MS * 3 ** (leftCount - 1) : undefined
}

/** On disk before it leaves: after a crash the same envelope goes out again. */
async function seal(options: AskingOptions, ask: AskRecord, mailbox: Mailbox, call: MailCall) {
  const { book, self, presentKey, card, introduce, clock, random } = options
  const { key, tower, greeting, ownName } = ask
  const sendId = new Uint8Array(Buffer.from(tower.sendId, "base64url"))
  const found = await mailbox.greeting(sendId, call)
  if (found === undefined) return "gone"
  const { bundle } = await readGreeting({ key: presentKey(key), tower }, found, clock.now())
  const introduction = await introduce(key)
  const payload = writeRequest({ card: await card(key, ownName), greeting, introduction })
  const envelope = new Uint8Array(sealLone(self(key), bundle, payload, random))
  const sealed = { id: new Uint8Array(random(16)), envelope }
  call.signal.throwIfAborted()
  await book.commit(book.asks.put(key, { ...ask, state: "trying", sealed }))
  return sealed
}

/** Pays what the door asks for; its price may rise meanwhile. */
async function putPaid(
  { random }: AskingOptions,
  { tower, ticket }: AskRecord,
  { mailbox, sealed }: { mailbox: Mailbox; sealed: NonNullable<AskRecord["sealed"]> },
  call: MailCall,
): Promise<PutAnswer> {
  const { id } = sealed
  const item = { sendId: new Uint8Array(Buffer.from(tower.sendId, "base64url")), ...sealed }
  const known = ticket && {
    toll: { kind: "introduction", ticket: new Uint8Array(ticket) } as const,
  }
  let answer = await mailbox.put({ ...item, ...known }, call)
  for (let tries = 0; answer.kind === "toll" && tries < TOLLS_MAX; tries++) {
    const { challenge, difficulty } = answer
    if (difficulty > WORK_BITS_MAX) return { kind: "full" }
    const nonce = await findWork({ challenge, id, difficulty }, { ...call, random })
    answer = await mailbox.put({ ...item, toll: { kind: "work", nonce } }, call)
  }
  return answer
}

async function tell(
  { book, onChange, isWaiting }: AskingOptions,
  { key, sealed: _, ...ask }: AskRecord,
  news: Partial<AskRecord>,
): Promise<"done"> {
  if (book.asks.rows.has(key)) {
    const keep = book.asks.put(key, { key, ...ask, ...news })
    await book.commit(isWaiting(key) ? keep : book.asks.remove(key))
    onChange(key)
  }
  return "done"
}

async function forget({ book }: AskingOptions, key: string): Promise<"done"> {
  await book.commit(book.asks.remove(key))
  return "done"
}

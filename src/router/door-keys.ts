/**
 * Prekeys of doors: what strangers seal requests for. Renewed each month, and sooner at a door that many come to.
 *
 * @module
 */
import type { IdentityKeys } from "../identity/identity.ts"
import type { EnvelopeCrypto, MailSelf } from "../mail/envelope/crypto.ts"
import { type LoneOpened, openLone } from "../mail/envelope/lone.ts"
import { equal } from "../mail/post/sessions.ts"
import type { DoorBook, DoorKeys, Edit } from "./door-book.ts"

/** Prekeys of this age are replaced by others. */
const RENEW_MS = 30 * 86_400_000
/** Replaced prekeys still open what comes: a tower keeps an envelope as long. */
const RETIRED_MS = 30 * 86_400_000
/** Requests that came with the prekeys of one greeting, until others are made; their names are kept, so that none comes twice. Twice as many are taken. */
const SEEN_MAX = 1_024
/** Sets of prekeys of one door; beyond, the oldest are forgotten, and who used them asks again. */
const KEYS_MAX = 4

type Named = [id: string, keys: DoorKeys]

/** A request that opened. */
export interface DoorOpened extends LoneOpened {
  /** To be committed with what it brings: it will not be opened again. */
  readonly remember: Edit
  /** Version of our key that it was sealed for. */
  readonly told: number
}

/** The prekeys a greeting is to have now, made with the key that counts now, and what must be on disk before it has. */
export function currentKeys(
  book: DoorBook,
  door: string,
  make: {
    crypto: Pick<EnvelopeCrypto, "makePrekeys" | "ownerOf">
    self: MailSelf
    nowMs: number
  },
): { readonly id: string; readonly keys: DoorKeys; readonly edits: readonly Edit[] } {
  const { crypto, self, nowMs } = make
  const all = keysOf(book, door)
  const current = all.find(([, { retiredMs }]) => retiredMs === undefined)
  const isOurs = current && equal(crypto.ownerOf(current[1].bundle), self.publicKey)
  if (current !== undefined && isOurs && isGood(book, current, nowMs)) {
    const old = all.filter(([, keys]) => isOver(keys, nowMs))
    return { id: current[0], keys: current[1], edits: forget(book, old) }
  }
  const keys: DoorKeys = { door, ...copies(crypto.makePrekeys(self)), madeMs: nowMs }
  const id = `${door}#${nowMs}-${all.length}`
  const retired = all
    .filter(([, { retiredMs }]) => retiredMs === undefined)
    .map(([name, old]) => book.keys.put(name, { ...old, retiredMs: nowMs }))
  const oldest = [...all].sort(([, one], [, two]) => two.madeMs - one.madeMs).slice(KEYS_MAX - 1)
  return { id, keys, edits: [book.keys.put(id, keys), ...retired, ...forget(book, oldest)] }
}

/** What must go when a door goes. */
export function forgetKeys(book: DoorBook, door: string): Edit[] {
  return forget(book, keysOf(book, door))
}

/** Opens what was left at a door; `undefined` for what nothing opens, and for what came before. */
export function openAtDoor(
  book: DoorBook,
  door: string,
  selfFor: (bundle: Uint8Array) => IdentityKeys,
  envelope: Uint8Array,
): DoorOpened | undefined {
  for (const [id, prekeys] of keysOf(book, door)) {
    const self = selfFor(prekeys.bundle)
    const opened = openLone(self, prekeys, envelope)
    if (opened === undefined) continue
    const name = Buffer.from(opened.name).toString("hex")
    if (book.seen.rows.has(name) || seenWith(book, id).length >= 2 * SEEN_MAX) return undefined
    return { ...opened, remember: book.seen.put(name, id), told: self.version }
  }
  return undefined
}

function keysOf(book: DoorBook, door: string): Named[] {
  return [...book.keys.rows].filter(([, keys]) => keys.door === door)
}

function isGood(book: DoorBook, [id, { madeMs }]: Named, nowMs: number): boolean {
  return nowMs - madeMs < RENEW_MS && seenWith(book, id).length < SEEN_MAX
}

function isOver({ retiredMs }: DoorKeys, nowMs: number): boolean {
  return retiredMs !== undefined && nowMs - retiredMs >= RETIRED_MS
}

/** With prekeys go the names of what they opened: nothing opens that again. */
function forget(book: DoorBook, gone: readonly Named[]): Edit[] {
  return gone.flatMap(([id]) => [
    book.keys.remove(id),
    ...seenWith(book, id).map((name) => book.seen.remove(name)),
  ])
}

function seenWith(book: DoorBook, id: string): string[] {
  return [...book.seen.rows].flatMap(([name, keys]) => (keys === id ? [name] : []))
}

function copies({ secret, bundle }: { secret: Uint8Array; bundle: Uint8Array }) {
  return { secret: new Uint8Array(secret), bundle: new Uint8Array(bundle) }
}

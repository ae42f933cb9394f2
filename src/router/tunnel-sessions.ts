/**
 * Sessions of one tunnel: one as a rule, several where visits must not be tied together. Each is opened
 * when it is asked for, and may be closed and opened again.
 *
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import { Scope } from "../base/scope.ts"
import { readerOptions } from "../sam/reader-keys.ts"
import type { Session } from "../sam/session.ts"
import type { I2cpOptions } from "../sam/session-options.ts"
import type { DatagramSession } from "../sam/supervised-datagrams.ts"
import type { SessionBudget } from "./session-budget.ts"
import type { SessionOwner, Sessions } from "./sessions.ts"
import type { DatagramWish, SessionWish } from "./tunnel.ts"

/** Names whose keys are remembered after their session was closed; the oldest are forgotten. */
const KEPT_KEYS_MAX = 256

/** Where a tunnel's sessions come from. */
export type SessionOpener = Pick<Sessions, "open" | "openOwn" | "openDatagrams" | "freshKeys">

/** The sessions of one tunnel; closing ends all. */
export interface TunnelSessions extends AsyncDisposable {
  /** As `TunnelContext.session`. */
  session(wish: SessionWish): Promise<Session>
  /** As `TunnelContext.datagrams`. */
  datagrams(wish: DatagramWish): Promise<DatagramSession>
  /** How many stand. */
  readonly count: number
  /** As `TunnelContext.closeSession`. */
  closeSession(name: string | undefined, options: { keepKeys: boolean }): Promise<void>
}

interface Standing<S = Session> {
  readonly session: Promise<S>
  readonly scope: Scope
  readonly keys: Uint8Array | undefined
}

function optionsFor(wish: SessionWish): I2cpOptions {
  const readerKey = wish.name === undefined ? undefined : wish.readerKey
  return readerKey === undefined ? {} : readerOptions(readerKey)
}

/** Opens the book of one tunnel's sessions; none stands yet. */
export function openTunnelSessions(
  owner: SessionOwner,
  { sessions, budget }: { sessions: SessionOpener; budget: SessionBudget },
): TunnelSessions {
  const standing = new Map<string, Standing>()
  const speaking = new Map<string, Standing<DatagramSession>>()
  const kept = new Map<string, Uint8Array>()
  let over = false

  const takePlace = (): Scope => {
    if (over) throw new AlliumError("SESSION_CLOSED", "Cannot open session: its tunnel has ended")
    const scope = new Scope()
    scope.defer(budget.take(owner))
    return scope
  }

  /** Those it had before, when they were kept; the caller's from now on. */
  const keysFor = (book: string): Uint8Array => {
    const keys = kept.get(book) ?? sessions.freshKeys()
    kept.delete(book)
    return keys
  }

  const open = (name: string, wish: SessionWish): Standing => {
    const scope = takePlace()
    if (wish.keys === "persistent")
      return { scope, keys: undefined, session: sessions.openOwn(owner, "persistent", scope) }
    const keys = wish.keys === "renewed" ? undefined : keysFor(name)
    const session = sessions.open(owner, keys ?? "renewed", scope, optionsFor(wish))
    return { scope, keys, session: Promise.resolve(session) }
  }

  const speak = (name: string, { keys: which, style }: DatagramWish): Standing<DatagramSession> => {
    const scope = takePlace()
    const keys = which === "transient" ? keysFor(name) : undefined
    const wish = { keys: keys ?? (which === "persistent" ? which : "renewed"), style } as const
    return { scope, keys, session: sessions.openDatagrams(owner, wish, scope) }
  }

  const keep = (name: string, keys: Uint8Array | undefined): void => {
    if (keys === undefined) return
    const [oldest] = kept.keys()
    if (kept.size >= KEPT_KEYS_MAX && oldest !== undefined) kept.delete(oldest)
    kept.set(name, keys)
  }

  const end = async <S>(book: Map<string, Standing<S>>, name: string, keepKeys: boolean) => {
    const one = book.get(name)
    book.delete(name)
    kept.delete(name)
    if (keepKeys) keep(name, one?.keys)
    await one?.scope.close()
  }

  return {
    get count() {
      return standing.size + speaking.size
    },
    async session(wish) {
      const name = wish.name ?? ""
      const known = standing.get(name)
      if (known !== undefined) return known.session
      return keepStanding(standing, name, open(name, wish))
    },
    async datagrams(wish) {
      const name = datagramName(wish.style, wish.name)
      const known = speaking.get(name)
      if (known !== undefined) return known.session
      return keepStanding(speaking, name, speak(name, wish))
    },
    async closeSession(name = "", { keepKeys }) {
      const styles = ["DATAGRAM", "RAW"] as const
      await Promise.all([
        end(standing, name, keepKeys),
        ...styles.map((style) => end(speaking, datagramName(style, name), keepKeys)),
      ])
    },
    async [Symbol.asyncDispose]() {
      over = true
      const all = [...standing.values(), ...speaking.values()].map(({ scope }) => scope.close())
      standing.clear()
      speaking.clear()
      await Promise.all(all)
    },
  }
}

/** No name of a session for streams has a space. */
function datagramName(style: DatagramWish["style"], name = ""): string {
  return `${style} ${name}`
}

/** Into the book, unless it cannot be opened. */
function keepStanding<S>(
  book: Map<string, Standing<S>>,
  name: string,
  one: Standing<S>,
): Promise<S> {
  book.set(name, one)
  return one.session.catch((error) => {
    if (book.get(name) === one) book.delete(name)
    void one.scope.close()
    throw error
  })
}

/**
 * The post of one identity over a part of the store.
 *
 * @see docs/protocol/letter.md
 * @module
 */
import { setMaxListeners } from "node:events"
import { z } from "zod"
import { AlliumError, toAlliumError } from "../../base/errors.ts"
import { Slots } from "../../base/turns.ts"
import type { Change } from "../../store/store.ts"
import { takeEnvelope, type Verdict } from "./arrival.ts"
import { tellOfUs } from "./begin.ts"
import { Correspondent, type Index, type Need } from "./correspondent.ts"
import { Courier } from "./courier.ts"
import type { Draft } from "./draft.ts"
import { sendFlash } from "./flash.ts"
import { listTable } from "./kept.ts"
import { TOPIC_BYTES_MAX } from "./letter.ts"
import type { PostOptions } from "./options.ts"
import { cancelAll } from "./outgoing.ts"
import {
  type Introduction,
  LETTER_BYTES_MAX,
  LETTER_WRAP_BYTES_MAX,
  type LetterCopy,
  type OutLetter,
  type Post,
} from "./post.ts"
import { introduceTo, learn } from "./prekeys.ts"
import { report, settle } from "./reports.ts"

/** Correspondents kept in memory though nothing is to be done for them. */
const IDLE_MAX = 64
/** Mailboxes that are being opened at once; other correspondents wait in line. */
const REACHES_MAX = 32
/** Longest name of a letter, in bytes. */
const NAME_BYTES_MAX = 64
/** How late an acknowledgement may be, by chance: several envelopes share one, and it does not tell when they came. */
const ACK_JITTER_MS = 2_000

/** Opens the post; letters that wait go on their way by themselves. */
export async function openPost(options: PostOptions): Promise<Post> {
  const post = new OpenPost(options)
  await post.load()
  return post
}

interface Desk {
  readonly it: Correspondent
  readonly courier: Courier
  readonly end: AbortController
}

class OpenPost implements Post {
  readonly #options: PostOptions
  readonly #index: Index
  readonly #desks = new Map<string, Promise<Desk>>()
  /** Those of {@linkcode #desks} that are open. */
  readonly #open = new Map<string, Desk>()
  readonly #known = new Set<string>()
  /** Calls that are running, by peer. */
  readonly #users = new Map<string, number>()
  /** Those with something waiting that were not opened yet. */
  readonly #unread = new Set<string>()
  #closed = false
  #resuming = Promise.resolve()

  constructor(options: PostOptions) {
    const slots = new Slots(REACHES_MAX)
    const reach: PostOptions["reach"] = (peer, place, call) =>
      slots.take(() => options.reach(peer, place, call), call)
    this.#options = { ...options, reach }
    this.#index = {
      known: options.store.table("known", z.boolean()),
      waiting: options.store.table<Need>("waiting", z.union([z.literal(true), z.literal("link")])),
    }
  }

  async load(): Promise<void> {
    for (const [peer] of await listTable(this.#index.known)) this.#known.add(peer)
    const waiting = await listTable(this.#index.waiting)
    for (const [peer] of waiting) this.#unread.add(peer)
    const { isLinked = () => true } = this.#options
    const ready = waiting.filter(([peer, need]) => need === true || isLinked(peer))
    this.#resuming = this.#resumeAll(ready.map(([peer]) => peer))
  }

  /** One after the other: a thousand take seconds, which nobody who opens a post should wait for. */
  async #resumeAll(peers: readonly string[]): Promise<void> {
    for (const peer of peers) {
      if (this.#closed) return
      await this.#resume(peer, (courier) => courier.wake())
    }
  }

  /** One that cannot be read must not keep the others from their letters. */
  async #resume(peer: string, deed: (courier: Courier) => void): Promise<void> {
    try {
      await this.#use(peer, async ({ courier }) => deed(courier))
    } catch (error) {
      if (!this.#closed)
        this.#options.log.error("correspondent", { code: toAlliumError(error).code })
    }
  }

  async send(
    peer: string,
    letter: OutLetter,
    also: readonly Change[] = [],
    copies: readonly LetterCopy[] = [],
  ): Promise<void> {
    requireOutLetter(letter)
    const [copy, ...others] = copies
    if (copy === undefined) return this.#use(peer, ({ courier }) => courier.send(letter, also))
    await this.#sendCopy(copy, (staged) => this.send(peer, letter, [...also, ...staged], others))
  }

  /** Sends a copy in the commit of `sendAll`. */
  async #sendCopy(
    { peer, letter }: LetterCopy,
    sendAll: (staged: readonly Change[]) => Promise<void>,
  ): Promise<void> {
    requireOutLetter(letter, LETTER_BYTES_MAX + LETTER_WRAP_BYTES_MAX)
    await this.#use(peer, async ({ it, courier }) => {
      const staged = it.stage(letter)
      try {
        await sendAll(staged?.changes ?? [])
      } catch (error) {
        staged?.failed()
        throw error
      }
      staged?.done()
      if (staged === undefined) await it.alter((draft) => reportFull(it, draft, letter))
      courier.wake()
    })
  }

  flash(peer: string, letter: Omit<OutLetter, "name">): Promise<void> {
    requireLetter(letter)
    return this.#use(peer, ({ it, courier }) => sendFlash(it, letter, courier))
  }

  hasWaiting(peer: string): boolean {
    const desk = this.#open.get(peer)
    return desk === undefined ? this.#unread.has(peer) : desk.it.outbox.letterCount > 0
  }

  cancel(peer: string, reason: string): Promise<void> {
    return this.#use(peer, ({ it }) =>
      it.alter(async (draft) => {
        const entries = cancelAll(draft, it.outbox)
        await settle(it, draft, { entries, state: { kind: "failed", reason } })
      }),
    )
  }

  introduce(peer: string): Promise<Introduction> {
    return this.#use(peer, ({ it }) => it.alter((draft) => introduceTo(it, draft)))
  }

  meet(peer: string, introduction: Introduction): Promise<void> {
    return this.#use(peer, async ({ it, courier }) => {
      await it.alter(async (draft) => learn(it, draft, introduction))
      this.#known.add(peer)
      courier.retry()
    })
  }

  theirs(peer: string): Promise<Introduction | undefined> {
    return this.#use(peer, async ({ it }) => {
      const { bundle, places } = it.memory.theirs
      return bundle && { bundle: new Uint8Array(bundle), places }
    })
  }

  peers(): readonly string[] {
    return [...new Set([...this.#known, ...this.#unread, ...this.#open.keys()])]
  }

  knows(peer: string): boolean {
    return this.#known.has(peer)
  }

  take(peer: string, envelope: Uint8Array): Promise<Verdict> {
    return this.#use(peer, async ({ it, courier }) => {
      const arrival = await it.turn(() => takeEnvelope(it, envelope))
      const { clock, chance } = this.#options
      const nowMs = clock.monotonicMs()
      if (it.dueMs <= nowMs) it.dueMs = nowMs + chance() * ACK_JITTER_MS
      if (it.memory.theirs.bundle !== undefined) this.#known.add(peer)
      if (arrival.verdict === "unreadable") courier.beginAnew()
      else courier.arrived(arrival)
      return arrival.verdict
    })
  }

  beginAnew(peer: string): Promise<void> {
    return this.#use(peer, async ({ it, courier }) => {
      await it.alter(async (draft) => {
        draft.state.introduced = undefined
      })
      courier.beginAnew()
    })
  }

  async placesChanged(): Promise<void> {
    for (const peer of this.#known)
      await this.#use(peer, async ({ it, courier }) => {
        await tellOfUs(it)
        courier.wake()
      })
  }

  wake(peer: string): void {
    const desk = this.#open.get(peer)
    if (desk !== undefined) desk.courier.retry()
    else if (this.#unread.has(peer) && !this.#closed)
      void this.#resume(peer, (courier) => courier.retry())
  }

  async forget(peer: string): Promise<void> {
    await this.#use(peer, async ({ it, courier, end }) => {
      this.#known.delete(peer)
      this.#open.delete(peer)
      end.abort()
      const erased = (async () => {
        await courier.running
        await it.turn(() => it.erase())
      })()
      // Who comes meanwhile waits, and finds nothing.
      const fresh = erased.then(() => this.#openDesk(peer))
      this.#desks.set(peer, fresh)
      fresh.catch(() => this.#desks.delete(peer))
      await fresh
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#resuming
    const desks = await Promise.all(this.#desks.values())
    for (const { end } of desks) end.abort()
    await Promise.all(desks.map(({ courier }) => courier.running))
  }

  async #use<T>(peer: string, deed: (desk: Desk) => Promise<T>): Promise<T> {
    if (this.#closed) throw new AlliumError("NO_POST", "Cannot use post: it was closed")
    this.#users.set(peer, (this.#users.get(peer) ?? 0) + 1)
    try {
      return await deed(await this.#desk(peer))
    } finally {
      this.#leave(peer)
    }
  }

  #leave(peer: string): void {
    const left = (this.#users.get(peer) ?? 1) - 1
    if (left > 0) this.#users.set(peer, left)
    else this.#users.delete(peer)
  }

  #desk(peer: string): Promise<Desk> {
    const known = this.#desks.get(peer)
    if (known !== undefined) return known
    this.#makeRoom()
    const opening = this.#openDesk(peer)
    this.#desks.set(peer, opening)
    opening.catch(() => this.#desks.delete(peer))
    return opening
  }

  async #openDesk(peer: string): Promise<Desk> {
    const it = new Correspondent(peer, this.#options, this.#index)
    await it.load()
    const end = new AbortController()
    setMaxListeners(0, end.signal)
    const desk = { it, courier: new Courier(it, end.signal), end }
    this.#open.set(peer, desk)
    this.#unread.delete(peer)
    return desk
  }

  /** Whoever has nothing to do is read again when needed. */
  #makeRoom(): void {
    const idle = [...this.#open].filter(
      ([peer, { it, courier }]) =>
        !this.#users.has(peer) && !it.isBusy && courier.running === undefined,
    )
    for (const [peer] of idle.slice(0, Math.max(0, idle.length - IDLE_MAX + 1))) {
      this.#open.delete(peer)
      this.#desks.delete(peer)
    }
  }
}

/** A copy for which there was no room. */
async function reportFull(it: Correspondent, draft: Draft, letter: OutLetter): Promise<void> {
  it.options.log.warn("copy-dropped", { code: "OUTBOX_FULL" })
  const state = { kind: "failed", reason: "OUTBOX_FULL" } as const
  await report(it, draft, { entries: [letter], state })
}

function requireOutLetter(letter: OutLetter, byteMost = LETTER_BYTES_MAX): void {
  requireLetter(letter, byteMost)
  if (Buffer.byteLength(letter.name) > NAME_BYTES_MAX)
    throw new RangeError(`Cannot send letter: its name has more than ${NAME_BYTES_MAX} bytes`)
}

function requireLetter(
  { topic, content }: { topic: string; content: Uint8Array },
  byteMost = LETTER_BYTES_MAX,
): void {
  const topicBytes = Buffer.byteLength(topic)
  if (topicBytes < 1 || topicBytes > TOPIC_BYTES_MAX)
    throw new RangeError(`Cannot send letter: its topic has ${topicBytes} bytes, expected 1 to 32`)
  if (content.length > byteMost)
    throw new AlliumError(
      "LETTER_TOO_LONG",
      `Cannot send letter: it has ${content.length} bytes, expected at most ${byteMost}`,
    )
}

/**
 * Whole letters for the plugins: in order, each once, again after a fault.
 *
 * @module
 */
import { type Backoff, openBackoff } from "../../base/backoff.ts"
import { AlliumError, isAlliumError, toAlliumError } from "../../base/errors.ts"
import type { Correspondent } from "./correspondent.ts"
import type { Draft } from "./draft.ts"
import { advance, nextLetter } from "./incoming.ts"
import { readIntroduction } from "./introduction.ts"
import { CONTROL_TOPIC, readBody } from "./letter.ts"
import type { InLetter, Reception } from "./post.ts"
import { learn } from "./prekeys.ts"

/** First wait before a letter that was not taken is handed over again. */
const RETRY_FIRST_MS = 2_000
/** Longest such wait. */
const RETRY_MOST_MS = 5 * 60_000

/** `stuck`: a letter is whole and was not taken. */
export type Handed = "handed" | "nothing" | "stuck"

/** Hands over the next letter, if it is whole. */
export async function handOver(it: Correspondent, draft: Draft): Promise<Handed> {
  const next = await nextLetter(draft)
  if (next === undefined) return "nothing"
  try {
    receive(draft, await unlessBad(() => handOverBody(it, draft, next.body)))
  } catch (error) {
    it.options.log.warn("hand-over", { code: toAlliumError(error).code })
    return "stuck"
  }
  advance(draft, next)
  return "handed"
}

async function handOverBody(it: Correspondent, draft: Draft, body: Uint8Array): Promise<Reception> {
  const letter: InLetter = readBody(body)
  if (letter.topic !== CONTROL_TOPIC) return it.options.deliver(it.peer, letter)
  try {
    learn(it, draft, readIntroduction(letter.content))
  } catch (error) {
    it.options.log.warn("bad-introduction", { code: toAlliumError(error).code })
    throw new AlliumError("BAD_RECORD", "Cannot read control letter: it is malformed")
  }
  return { changes: [] }
}

/** Hands over all letters that are whole; the caller has the turn. @returns Whether one could not be. */
export async function handOverAll(it: Correspondent): Promise<boolean> {
  try {
    let handed: Handed = "handed"
    while (handed === "handed") handed = await it.change((draft) => handOver(it, draft))
    return handed === "stuck"
  } catch (error) {
    it.options.log.warn("hand-over", { code: toAlliumError(error).code })
    return true
  }
}

/** Adds what a plugin made of something. */
export function receive(draft: Draft, reception: Reception | undefined): void {
  if (reception === undefined) return
  draft.add(...reception.changes)
  draft.settled(reception)
}

/** `undefined` when the plugin says that nothing good will ever come of it. */
export async function unlessBad(call: () => Promise<Reception>): Promise<Reception | undefined> {
  try {
    return await call()
  } catch (error) {
    if (isAlliumError(error, "BAD_RECORD")) return undefined
    throw error
  }
}

/** When to hand over again what was not taken. */
export class HandOver {
  readonly #it: Correspondent
  readonly #backoff: Backoff
  /** By the monotonic clock; what a restart finds is tried at once. */
  #atMs = 0

  constructor(it: Correspondent) {
    this.#it = it
    const { chance } = it.options
    this.#backoff = openBackoff({ firstMs: RETRY_FIRST_MS, mostMs: RETRY_MOST_MS, chance })
  }

  /** Milliseconds until the next try. */
  get waitMs(): number {
    return Math.max(0, Math.ceil(this.#atMs - this.#it.options.clock.monotonicMs()))
  }

  /** A letter was not taken. */
  stuck(): void {
    if (Number.isFinite(this.#atMs)) return
    this.#atMs = this.#it.options.clock.monotonicMs() + this.#backoff.next()
  }

  /** Tries, if it is time. */
  async run(): Promise<void> {
    if (this.waitMs > 0) return
    const isStuck = await this.#it.turn(() => handOverAll(this.#it))
    this.#atMs = Number.POSITIVE_INFINITY
    if (isStuck) this.stuck()
    else this.#backoff.reset()
  }
}

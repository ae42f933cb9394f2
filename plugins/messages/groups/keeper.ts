/**
 * One group in use: its state in memory and on disk, the letters it still has to send, the posts it still has to show.
 *
 * A step is on disk, with all that follows from it, before any of it is done. What a crash left undone is done at the next start.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { AlliumError, type Change, type Identity, type PluginContext, Turns } from "allium/plugin"
import { hex } from "./bytes.ts"
import { say } from "./deeds.ts"
import { type Facts, factOf, type MemberState, newFacts, withFact } from "./facts.ts"
import type { Ledger } from "./ledger.ts"
import { letterName, type PostLetter } from "./letter-name.ts"
import {
  type GroupState,
  type GroupWorld,
  KEPT_POSTS_MAX,
  type Note,
  type OutRecord,
} from "./state.ts"
import { Turn } from "./turn.ts"

/** Letters of one group that wait to be handed to the mail: a post to everybody takes 31. */
export const DUE_MAX = 10_000
/** Texts whose way to the members is followed. */
export const FACTS_MAX = 1_000

/** Who does what follows from a step. */
export interface KeeperListener {
  /** Letters are due. */
  due(keeper: GroupKeeper): void
  /** There is something for the conversation. */
  news(keeper: GroupKeeper): void
  noted(keeper: GroupKeeper, notes: readonly Note[]): void
}

/** See the module. */
export class GroupKeeper {
  readonly identity: Identity
  readonly ledger: Ledger
  readonly #context: PluginContext
  readonly #listener: KeeperListener
  readonly #turns = new Turns()
  readonly #facts = new Map<number, Facts>()
  /** Facts the conversation does not know yet. */
  readonly fresh = new Set<number>()
  #state: GroupState
  #written: GroupState | undefined
  #dueCount = 0

  constructor(
    context: PluginContext,
    of: { identity: Identity; ledger: Ledger; state: GroupState; isNew: boolean },
    listener: KeeperListener,
  ) {
    this.#context = context
    this.#listener = listener
    this.identity = of.identity
    this.ledger = of.ledger
    this.#state = of.state
    this.#written = of.isNew ? undefined : of.state
  }

  /** As it is on disk. */
  get state(): GroupState {
    return this.#state
  }

  get id(): string {
    return hex(this.#state.log.id)
  }

  /** Whether we belong to the group. */
  get isIn(): boolean {
    return this.#state.leavingMs === undefined && this.#state.log.members.has(this.identity.key)
  }

  facts(sequence: number): Facts | undefined {
    return this.#facts.get(sequence)
  }

  /** What a crash left. */
  async load(): Promise<void> {
    for await (const [key, facts] of this.ledger.facts.entries()) {
      this.#facts.set(Number(key), facts)
      this.fresh.add(Number(key))
    }
    for await (const _ of this.ledger.due.read()) this.#dueCount++
  }

  /** Does one step. @throws {AlliumError} what `work` does, `OUTBOX_FULL`, what `commit` says: then nothing has changed. */
  change<T>(work: (turn: Turn) => T, also: readonly Change[] = []): Promise<T> {
    return this.#turns.take(() => this.#step(work, () => also))
  }

  /**
   * Says something, in one commit with `also`.
   * @param id - Of the message, when it is one whose way is followed.
   */
  post(body: Uint8Array, id: Uint8Array | undefined, also: readonly Change[]): Promise<void> {
    return this.#turns.take(async () => {
      await this.#step(
        (turn) => ({ ...say(turn, body), members: turn.others() }),
        ({ sequence, bytes, members }) => [
          ...also,
          this.ledger.posts.put(String(sequence), bytes),
          this.ledger.posts.remove(String(sequence - KEPT_POSTS_MAX)),
          ...(id === undefined ? [] : this.#follow(sequence, newFacts(id, members))),
        ],
      )
    })
  }

  /** What became of a letter that carried a post of ours. */
  reported(letter: PostLetter, hop: string, state: Parameters<typeof factOf>[0]): Promise<void> {
    const { sequence } = letter
    const member = Object.keys(this.#facts.get(sequence)?.members ?? {}).find((key) =>
      key.startsWith(letter.to),
    )
    if (member === undefined) return Promise.resolve()
    return this.learned([sequence], member, factOf(state, hop === member))
  }

  /** A fact about some of our texts at one member. */
  learned(
    sequences: readonly number[],
    member: string,
    fact: { state: MemberState; reason?: string },
  ): Promise<void> {
    return this.#turns.take(async () => {
      const changes = this.#learn(sequences, member, fact)
      if (changes.length > 0) await this.ledger.room.commit(changes)
      if (changes.length > 0) this.#listener.news(this)
    })
  }

  /** A letter has left. @param gone - How many did. */
  sent(gone: number): void {
    this.#dueCount -= gone
  }

  /** Facts that need not be followed any more; the caller has written that. */
  forget(sequence: number): void {
    this.#facts.delete(sequence)
  }

  async #step<T>(work: (turn: Turn) => T, also: (result: T) => readonly Change[]): Promise<T> {
    const turn = new Turn(this.#state, this.#world())
    const result = work(turn)
    await this.#resend(turn)
    const { state, out, shown, notes } = turn.step
    const due = this.#due(out)
    const changes = [
      ...(state === this.#written ? [] : this.ledger.changes(this.#written, state)),
      ...due,
      ...shown.map(({ author, post }) => this.ledger.arrivals.append({ author, body: post.body })),
      ...this.#got(notes),
      ...also(result),
    ]
    if (changes.length > 0) await this.ledger.room.commit(changes)
    this.#state = state
    this.#written = state
    this.#dueCount += due.length
    this.#listener.noted(this, notes)
    if (due.length > 0) this.#listener.due(this)
    if (shown.length > 0 || this.fresh.size > 0) this.#listener.news(this)
    return result
  }

  async #resend(turn: Turn): Promise<void> {
    for (const note of [...turn.notes]) {
      if (note.kind !== "resend") continue
      for (let number = note.from; number <= note.upto; number++) {
        const post = await this.ledger.posts.get(String(number))
        if (post !== undefined) turn.tell(note.member, { do: "post", post }, number)
      }
    }
  }

  #due(out: readonly OutRecord[]): Change[] {
    if (out.length > 0 && this.#dueCount + out.length > DUE_MAX)
      throw new AlliumError(
        "OUTBOX_FULL",
        `Cannot send to group: ${this.#dueCount} letters wait, expected room for ${out.length}`,
      )
    return out.map((record) =>
      this.ledger.due.append({
        ...{ hop: record.hop, content: record.content },
        name: letterName(this.id, record),
      }),
    )
  }

  #got(notes: readonly Note[]): Change[] {
    return notes.flatMap((note) => {
      if (note.kind !== "got") return []
      const sequences = [...this.#facts.keys()].filter((sequence) => sequence <= note.upto)
      return this.#learn(sequences, note.member, { state: "delivered" })
    })
  }

  #learn(
    sequences: readonly number[],
    member: string,
    fact: { state: MemberState; reason?: string },
  ): Change[] {
    return sequences.flatMap((sequence) => {
      const facts = this.#facts.get(sequence)
      const next = facts && withFact(facts, member, fact)
      if (next === undefined || next === facts) return []
      this.fresh.add(sequence)
      return this.#follow(sequence, next)
    })
  }

  /** What is followed longest is given up; it stays as it is shown. */
  #follow(sequence: number, facts: Facts): Change[] {
    this.#facts.set(sequence, facts)
    if (Object.keys(facts.members).length === 0) this.fresh.add(sequence)
    const changes = [this.ledger.facts.put(String(sequence), facts)]
    if (this.#facts.size <= FACTS_MAX) return changes
    const oldest = Math.min(...this.#facts.keys())
    this.#facts.delete(oldest)
    return [...changes, this.ledger.facts.remove(String(oldest))]
  }

  #world(): GroupWorld {
    let accepted: Set<string> | undefined
    const { contacts, clock } = this.#context
    return {
      self: this.identity,
      nowMs: Math.floor(clock.now()),
      isContact: (key) => {
        accepted ??= new Set(
          contacts
            .list(this.identity)
            .filter(({ state }) => state === "accepted")
            .map((contact) => contact.key),
        )
        return accepted.has(key)
      },
      random: (length) => new Uint8Array(randomBytes(length)),
    }
  }
}

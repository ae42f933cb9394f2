/**
 * One group in use: its state in memory and on disk, the letters it still has to send, the posts it still has to show.
 *
 * A step is on disk, with all that follows from it, before any of it is done. What a crash left undone is done at the next start.
 *
 * @module
 */
import { AlliumError, type Change, type Identity, type PluginContext, Turns } from "allium/plugin"
import { hex } from "./bytes.ts"
import { say } from "./deeds.ts"
import { factOf, newFacts } from "./facts.ts"
import { Following, type LearntFact } from "./following.ts"
import type { Ledger } from "./ledger.ts"
import { letterName, type PostLetter } from "./letter-name.ts"
import { type GroupState, KEPT_POSTS_MAX, type Note, type OutRecord } from "./state.ts"
import { Turn } from "./turn.ts"
import { worldOf } from "./world.ts"

/** Letters of one group that wait to be handed to the mail: a post to everybody takes 31. */
export const DUE_MAX = 10_000
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
  readonly following: Following
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
    this.following = new Following(of.ledger)
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

  /** What a crash left. */
  async load(): Promise<void> {
    await this.following.load()
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
          ...(id === undefined ? [] : this.following.follow(sequence, newFacts(id, members))),
        ],
      )
    })
  }

  /** What became of a letter that carried a post of ours. */
  reported(letter: PostLetter, hop: string, state: Parameters<typeof factOf>[0]): Promise<void> {
    const { sequence } = letter
    const member = this.following.memberOf(sequence, letter.to)
    if (member === undefined) return Promise.resolve()
    return this.learned([sequence], member, factOf(state, hop === member))
  }

  /** A fact about some of our texts at one member. */
  learned(sequences: readonly number[], member: string, fact: LearntFact): Promise<void> {
    return this.#turns.take(async () => {
      const changes = this.following.learn(sequences, member, fact)
      if (changes.length > 0) await this.ledger.room.commit(changes)
      if (changes.length > 0) this.#listener.news(this)
    })
  }

  /** A letter has left. @param gone - How many did. */
  sent(gone: number): void {
    this.#dueCount -= gone
  }

  async #step<T>(work: (turn: Turn) => T, also: (result: T) => readonly Change[]): Promise<T> {
    const turn = new Turn(this.#state, worldOf(this.#context, this.identity))
    const result = work(turn)
    await this.#resend(turn)
    const { state, out, shown, notes } = turn.step
    const due = this.#due(out)
    const changes = [
      ...(state === this.#written ? [] : this.ledger.changes(this.#written, state)),
      ...due,
      ...shown.map(({ author, post }) => this.ledger.arrivals.append({ author, body: post.body })),
      ...this.following.got(notes),
      ...also(result),
    ]
    if (changes.length > 0) await this.ledger.room.commit(changes)
    this.#state = state
    this.#written = state
    this.#dueCount += due.length
    this.#listener.noted(this, notes)
    if (due.length > 0) this.#listener.due(this)
    if (shown.length > 0 || this.following.fresh.size > 0) this.#listener.news(this)
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
}

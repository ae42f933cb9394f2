/**
 * The way of our texts to the members of a group, as far as it is followed.
 *
 * @module
 */
import type { Change } from "allium/plugin"
import { type Facts, type MemberState, withFact } from "./facts.ts"
import type { Ledger } from "./ledger.ts"
import type { Note } from "./state.ts"

/** Texts whose way to the members is followed. */
export const FACTS_MAX = 1_000

/** Something learnt of texts at one member. */
export interface LearntFact {
  readonly state: MemberState
  readonly reason?: string
}

/** See the module. What its methods return is to be committed. */
export class Following {
  readonly #ledger: Pick<Ledger, "facts">
  readonly #facts = new Map<number, Facts>()
  /** Facts the conversation does not know yet. */
  readonly fresh = new Set<number>()

  constructor(ledger: Pick<Ledger, "facts">) {
    this.#ledger = ledger
  }

  get(sequence: number): Facts | undefined {
    return this.#facts.get(sequence)
  }

  /** What is on disk. */
  async load(): Promise<void> {
    for await (const [key, facts] of this.#ledger.facts.entries()) {
      this.#facts.set(Number(key), facts)
      this.fresh.add(Number(key))
    }
  }

  /** Key of a member who is to get a text, by its beginning. */
  memberOf(sequence: number, beginning: string): string | undefined {
    const members = Object.keys(this.#facts.get(sequence)?.members ?? {})
    return members.find((key) => key.startsWith(beginning))
  }

  /** Facts that need not be followed any more; the caller has written that. */
  forget(sequence: number): void {
    this.#facts.delete(sequence)
  }

  /** Members said up to where they have our posts. */
  got(notes: readonly Note[]): Change[] {
    return notes.flatMap((note) => {
      if (note.kind !== "got") return []
      const sequences = [...this.#facts.keys()].filter((sequence) => sequence <= note.upto)
      return this.learn(sequences, note.member, { state: "delivered" })
    })
  }

  /** A fact about some of our texts at one member. */
  learn(sequences: readonly number[], member: string, fact: LearntFact): Change[] {
    return sequences.flatMap((sequence) => {
      const facts = this.#facts.get(sequence)
      const next = facts && withFact(facts, member, fact)
      if (next === undefined || next === facts) return []
      this.fresh.add(sequence)
      return this.follow(sequence, next)
    })
  }

  /** What is followed longest is given up; it stays as it is shown. */
  follow(sequence: number, facts: Facts): Change[] {
    this.#facts.set(sequence, facts)
    if (Object.keys(facts.members).length === 0) this.fresh.add(sequence)
    const changes = [this.#ledger.facts.put(String(sequence), facts)]
    if (this.#facts.size <= FACTS_MAX) return changes
    const oldest = Math.min(...this.#facts.keys())
    this.#facts.delete(oldest)
    return [...changes, this.#ledger.facts.remove(String(oldest))]
  }
}

/**
 * One step of a group in the making: the state as it becomes, and what goes out.
 *
 * @module
 */
import { createHmac, timingSafeEqual } from "node:crypto"
import { hashOf, keyBytes, keyText } from "./bytes.ts"
import { type Chain, newChain } from "./chain.ts"
import { headOf } from "./log.ts"
import { type Bare, HOPS_MAX, type PassRecord, type PlainRecord, writeRecord } from "./records.ts"
import {
  chainKey,
  type GroupState,
  type GroupStep,
  type GroupWorld,
  type Note,
  type OutRecord,
  type Saying,
  type ShownPost,
} from "./state.ts"

/** Chains kept of one author: as many as homes an identity may have, twice. */
export const ERAS_MAX = 8
/** What one member may make us do within {@linkcode BUDGET_MS}: answers, and records passed on. */
export const BUDGET_MAX = 2_000
/** See {@linkcode BUDGET_MAX}. */
export const BUDGET_MS = 60_000
/** What the key of two members is made for. */
const PASS_DOMAIN = "allium group pass v1"

/** See the module. For the modules of groups only. */
export class Turn {
  state: GroupState
  readonly world: GroupWorld
  readonly out: OutRecord[] = []
  readonly shown: ShownPost[] = []
  readonly notes: Note[] = []

  constructor(state: GroupState, world: GroupWorld) {
    this.state = state
    this.world = world
  }

  /** What came of it. */
  get step(): GroupStep {
    const { state, out, shown, notes } = this
    return { state, out, shown, notes }
  }

  get me(): string {
    return this.world.self.key
  }

  change(part: Partial<GroupState>): void {
    this.state = { ...this.state, ...part }
  }

  note(note: Note): void {
    this.notes.push(note)
  }

  /** Everybody but us. */
  others(): string[] {
    return [...this.state.log.members.keys()].filter((key) => key !== this.me)
  }

  chain(author: string, era: Uint8Array): Chain {
    return this.state.chains.get(chainKey(author, era)) ?? newChain(author, era)
  }

  putChain(chain: Chain): void {
    if (this.state.chains.get(chainKey(chain.author, chain.era)) === chain) return
    const chains = new Map(this.state.chains).set(chainKey(chain.author, chain.era), chain)
    const eras = [...chains].filter(([, { author }]) => author === chain.author)
    if (eras.length > ERAS_MAX) chains.delete(eras[0]![0])
    this.change({ chains })
  }

  /** Takes one from what this member may ask of us; false when there is none left for now. */
  spend(member: string, count = 1): boolean {
    const { nowMs } = this.world
    const found = this.state.budgets.get(member)
    const fresh = found === undefined || nowMs - found.sinceMs >= BUDGET_MS || nowMs < found.sinceMs
    const budget = fresh ? { sinceMs: nowMs, count } : { ...found, count: found.count + count }
    if (budget.count > BUDGET_MAX) return false
    this.change({ budgets: new Map(this.state.budgets).set(member, budget) })
    return true
  }

  /**
   * Says something to a member, directly or through others. What needs a key of theirs that we lack is not said: they
   * ask for it when they have ours.
   */
  tell(to: string, saying: Saying, sequence?: number): void {
    const record = { group: this.state.log.id, ...saying } as Bare<PlainRecord>
    const content = writeRecord(record)
    if (this.world.isContact(to)) this.#send(to, to, content, sequence)
    else this.#tellThrough(to, record, content, sequence)
  }

  #tellThrough(
    to: string,
    record: Bare<PlainRecord>,
    content: Uint8Array,
    sequence: number | undefined,
  ): void {
    const mac = provesItself(record) ? undefined : this.#mac(to, this.me, to, content)
    if (mac === undefined && !provesItself(record)) return
    this.pass(
      { from: this.world.self.publicKey, to: keyBytes(to), hops: 0, record: content, mac },
      this.me,
      sequence,
    )
  }

  /** Hands a record on, one hand further. */
  pass(
    record: Pick<PassRecord, "from" | "to" | "hops" | "record"> & { mac?: Uint8Array | undefined },
    cameFrom: string,
    sequence?: number,
  ): void {
    if (record.hops >= HOPS_MAX) return
    const to = keyText(record.to)
    const hop = this.#hopTo(to, [cameFrom, keyText(record.from)])
    if (hop === undefined) {
      this.note({ kind: "unreachable", member: to })
      return
    }
    const { mac, ...rest } = record
    const content = writeRecord({
      ...{ group: this.state.log.id, do: "pass" },
      ...{ ...rest, hops: record.hops + 1, ...(mac !== undefined && { mac }) },
    })
    this.#send(hop, to, content, sequence)
  }

  /** Whether a record that was passed on is from whom it says. */
  isFrom(pass: PassRecord): boolean {
    const want = this.#mac(keyText(pass.from), keyText(pass.from), this.me, pass.record)
    return want !== undefined && pass.mac !== undefined && timingSafeEqual(want, pass.mac)
  }

  /** Number and hash of our newest entry. */
  get head() {
    return headOf(this.state.log)
  }

  #send(hop: string, to: string, content: Uint8Array, sequence: number | undefined): void {
    this.out.push({ hop, to, content, ...(sequence !== undefined && { sequence }) })
  }

  /** The owner knows everybody they added; so did the owners before. */
  #hopTo(to: string, not: readonly string[]): string | undefined {
    const { owner, members } = this.state.log
    const wanted = [to, owner, members.get(to)?.by, members.get(this.me)?.by, ...members.keys()]
    const usable = (key: string | undefined): key is string =>
      key !== undefined && key !== this.me && !not.includes(key) && members.has(key)
    return wanted.find((key) => usable(key) && this.world.isContact(key))
  }

  /** HMAC-SHA-256 with what X25519 of these two gives: either of them could have made it, and nobody else. */
  #mac(other: string, from: string, to: string, record: Uint8Array): Uint8Array | undefined {
    const agreement = this.state.agreements.get(other)
    if (agreement === undefined) return undefined
    const key = hashOf(PASS_DOMAIN, this.world.self.agree(agreement))
    return new Uint8Array(
      createHmac("sha256", key)
        .update(this.state.log.id)
        .update(keyBytes(from))
        .update(keyBytes(to))
        .update(record)
        .digest(),
    )
  }
}

/** Signed by whom it speaks for, all that counts in it. */
export function provesItself({ do: what }: Pick<PlainRecord, "do">): boolean {
  return what === "log" || what === "keys" || what === "leave"
}

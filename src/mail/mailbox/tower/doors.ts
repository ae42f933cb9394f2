/**
 * What a door asks of strangers: work, or a ticket its owner gave them.
 *
 * @see docs/protocol/mailbox.md#work
 * @module
 */
import { createHash, createHmac } from "node:crypto"
import type { Clock } from "../../../base/clock.ts"
import { AlliumError } from "../../../base/errors.ts"
import { Slots } from "../../../base/turns.ts"
import type { MailCall, PutAnswer, Toll } from "../mailbox.ts"
import { isWorkDone } from "../work.ts"
import { markOf, type QueueIndex } from "./index-block.ts"
import { DOOR_ENVELOPES_MAX, DOOR_WORKS_MAX, WAITING_WORKS_MAX, WORK_WINDOW_S } from "./limits.ts"
import type { Cashier, PutDeed } from "./queues.ts"
import type { Head } from "./rows.ts"
import type { TowerState } from "./state.ts"

/** Answers to puzzles that are checked at once. */
const CHECKS_AT_ONCE = 2
/** A door that filled up while somebody worked still takes what is worth half. */
const GRACE_BITS = 1

/** See the module. */
export class Doors {
  readonly #state: TowerState
  readonly #clock: Clock
  readonly #secret: Uint8Array
  readonly #slots = new Slots(CHECKS_AT_ONCE)
  #checkCount = 0

  /** @param secret - Makes challenges, 32 bytes. */
  constructor(state: TowerState, clock: Clock, secret: Uint8Array) {
    this.#state = state
    this.#clock = clock
    this.#secret = secret
  }

  /** Looks at the toll before the put is in line; what it gives decides when it is. */
  async cashier(
    head: Head,
    put: PutDeed,
    toll: Toll | undefined,
    call: MailCall,
  ): Promise<Cashier> {
    if (toll?.kind === "introduction") return this.#takeTicket(toll.ticket)
    const index = await this.#state.index(put.key)
    const known = index.has(markOf(put.id)) || head.next - head.first >= DOOR_ENVELOPES_MAX
    const nonce = known ? undefined : toll?.nonce
    const done = nonce !== undefined && (await this.#check(head, index, put, nonce, call))
    return async (_, at) => {
      if (this.#isWorkedOut(at.index)) return { kind: "full" }
      return done ? undefined : this.#ask(at.head, at.index)
    }
  }

  #takeTicket(ticket: Uint8Array): Cashier {
    const hash = createHash("sha256").update(ticket).digest()
    return async (draft, { key, head, index }) => {
      const waiting = (await draft.tickets.get(key)) ?? []
      const left = waiting.filter((one) => Buffer.compare(one, hash) !== 0)
      if (left.length === waiting.length) return this.#ask(head, index)
      draft.tickets.put(key, left)
      return undefined
    }
  }

  #ask(head: Head, index: QueueIndex): PutAnswer {
    const challenge = this.#challenge(head, this.#window())
    return { kind: "toll", challenge, difficulty: this.#difficulty(head, index) }
  }

  /** One check is 30 ms of a core: few at once, and few in line. @throws {AlliumError} `BUSY`. */
  async #check(
    head: Head,
    index: QueueIndex,
    { id }: PutDeed,
    nonce: Uint8Array,
    call: MailCall,
  ): Promise<boolean> {
    const window = new DataView(nonce.buffer, nonce.byteOffset).getUint32(0)
    const age = this.#window() - window
    if (age !== 0 && age !== 1) return false
    if (this.#checkCount >= WAITING_WORKS_MAX)
      throw new AlliumError("BUSY", "Cannot check work: too much waits for it")
    const challenge = this.#challenge(head, window)
    const difficulty = Math.max(0, this.#difficulty(head, index) - GRACE_BITS)
    this.#checkCount++
    try {
      return await this.#slots.take(() => isWorkDone({ challenge, id, difficulty }, nonce), call)
    } finally {
      this.#checkCount--
    }
  }

  /** So much came lately that ids of paid envelopes could be forgotten while their work is still good. */
  #isWorkedOut(index: QueueIndex): boolean {
    return this.#recent(index) >= DOOR_WORKS_MAX
  }

  /** Grows with what lies there, and with what came lately. */
  #difficulty({ first, next }: Head, index: QueueIndex): number {
    const { workBitsMin, workBitsMax } = this.#state.limits
    const fill = Math.max((next - first) / DOOR_ENVELOPES_MAX, this.#recent(index) / DOOR_WORKS_MAX)
    return workBitsMin + Math.floor(fill * (workBitsMax - workBitsMin))
  }

  #recent(index: QueueIndex): number {
    return index.countSince((this.#window() - 1) * WORK_WINDOW_S)
  }

  #challenge({ send }: Head, window: number): Uint8Array {
    const challenge = new Uint8Array(32)
    new DataView(challenge.buffer).setUint32(0, window)
    const mac = createHmac("sha256", this.#secret).update(`${send}\0${window}`).digest()
    challenge.set(mac.subarray(0, 28), 4)
    return challenge
  }

  #window(): number {
    return Math.floor(this.#clock.now() / 1_000 / WORK_WINDOW_S)
  }
}

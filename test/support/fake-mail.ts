/**
 * Letters between the two peers of a pair, in memory, with the promises of `PluginMail`: committed together with what
 * the plugin changes, once, in order, kept while the other side is away, reported.
 */
import { z } from "zod"
import { AlliumError, isAlliumError, toAlliumError } from "../../src/base/errors.ts"
import type { LetterState, Reception } from "../../src/mail/post/post.ts"
import type { ArrivedLetter, LetterReport, PluginMail } from "../../src/router/plugin.ts"
import type { Change, StoreRoom } from "../../src/store/store.ts"
import type { FakePair, FakePeer } from "./fake-plugin-context.ts"
import type { MemoryLife } from "./memory-store.ts"

/** Before what failed on the way is tried again. */
const RETRY_MS = 1_000
/** Letters that may wait. */
const WAITING_MAX = 10_000

/** A letter in a tower. */
export interface TowerLetter {
  readonly number: number
  readonly content: Uint8Array
}

const letterShape = z.object({
  name: z.string(),
  content: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  stored: z.boolean(),
})
type Letter = z.output<typeof letterShape>

/** The mail of one life of one peer. */
export class FakeMail implements PluginMail {
  readonly #pair: FakePair
  readonly #peer: FakePeer
  readonly #memory: MemoryLife
  readonly #root: StoreRoom
  readonly #outbox
  readonly #taken
  #waitingCount: number | undefined
  #handler: ((letter: ArrivedLetter) => Promise<Reception>) | undefined
  #reporter: ((report: LetterReport) => Promise<Reception>) | undefined
  #running = false
  #rung = false

  constructor(pair: FakePair, peer: FakePeer, memory: MemoryLife, root: StoreRoom) {
    this.#pair = pair
    this.#peer = peer
    this.#memory = memory
    this.#root = root
    const room = root.room("fake-mail")
    this.#outbox = room.journal("letters", letterShape)
    this.#taken = room.table("taken", z.int())
  }

  async send(
    to: Parameters<PluginMail["send"]>[0],
    letter: { content: Uint8Array; name: string },
    also: readonly Change[] = [],
  ): Promise<void> {
    const { state } = to.contact
    if (state !== "accepted" && state !== "requested")
      throw new AlliumError("CONTACT_STATE", `Cannot send letter: contact is ${state}`)
    this.#waitingCount ??= (await this.#waiting()).length
    if (this.#waitingCount >= WAITING_MAX)
      throw new AlliumError("OUTBOX_FULL", "Cannot send letter: too many wait")
    await this.#root.commit([this.#outbox.append({ ...letter, stored: false }), ...also])
    this.#waitingCount++
    this.wake()
  }

  async flash(_: Parameters<PluginMail["flash"]>[0], content: Uint8Array): Promise<void> {
    const other = this.#peer.other.life?.mail
    if (!this.#pair.isUp || other === undefined) return
    await this.#pair.world.hop()
    await other.arrive(content, "contact").catch(() => {})
  }

  receive(handler: (letter: ArrivedLetter) => Promise<Reception>): void {
    this.#handler = handler
    this.#pair.wakeMail()
  }

  onReport(handler: (report: LetterReport) => Promise<Reception>): void {
    this.#reporter = handler
  }

  /** Tries to bring what waits; one at a time. */
  wake(): void {
    this.#rung = true
    if (this.#running || this.#memory.dead) return
    this.#running = true
    // Not tracked by the world: of a process that crashed it never ends.
    void this.#run()
      .catch((fault: unknown) => {
        if (!isAlliumError(fault, "STORE_CLOSED")) this.#peer.faults.push(fault)
      })
      .finally(() => {
        this.#running = false
      })
  }

  /** A letter that came for this peer, outside of every order. @throws what the handler does. */
  async arrive(
    content: Uint8Array,
    from: ArrivedLetter["from"],
    also: readonly Change[] = [],
  ): Promise<void> {
    const contact = this.#peer.contacts[0]
    if (this.#handler === undefined || contact === undefined)
      throw new AlliumError("BUSY", "Cannot take letter: nobody does yet")
    const { identity } = this.#peer
    const { changes, done, failed } = await this.#handler({ identity, contact, content, from })
    try {
      if (changes.length + also.length > 0) await this.#root.commit([...changes, ...also])
    } catch (error) {
      failed?.()
      throw error
    }
    if (!this.#memory.dead) done?.()
  }

  /** A letter of the other side; on disk when it resolves. */
  async take(number: number, content: Uint8Array): Promise<void> {
    await this.#memory.alive()
    if (number <= ((await this.#taken.get("last")) ?? 0)) return
    const receipt = this.#taken.put("last", number)
    try {
      await this.arrive(content, "contact", [receipt])
    } catch (error) {
      if (toAlliumError(error).code !== "BAD_RECORD") throw error
      await this.#root.commit([receipt])
    }
  }

  async #waiting(): Promise<[number, Letter][]> {
    const waiting: [number, Letter][] = []
    for await (const letter of this.#outbox.read()) waiting.push(letter)
    return waiting
  }

  async #run(): Promise<void> {
    while (this.#rung && this.#peer.life?.mail === this && this.#reporter !== undefined) {
      this.#rung = false
      await this.#memory.alive()
      try {
        await this.#fetch()
        if (this.#isStuck()) continue
        for (const [number, letter] of await this.#waiting())
          if (!(await this.#bring(number, letter))) break
      } catch {
        this.#retryLater()
      }
    }
  }

  #retryLater(): void {
    const { signal } = this.#peer.life?.abort ?? {}
    void this.#pair.world.clock
      .sleep(RETRY_MS, signal ? { signal } : {})
      .then(() => this.wake())
      .catch(() => {})
  }

  /** Whether the next one may be tried. */
  async #bring(number: number, letter: Letter): Promise<boolean> {
    const hopeless = this.#hopeless()
    if (hopeless !== undefined) {
      await this.#report(number, letter, { kind: "failed", reason: hopeless })
      return true
    }
    if (this.#pair.isUp && this.#agreed()) {
      await this.#pair.world.hop()
      const taken = this.#peer.other.life?.mail.take(number, letter.content).then(() => true)
      if ((await Promise.race([taken, this.#pair.lost])) !== true) return false
      await this.#report(number, letter, { kind: "delivered" })
      return true
    }
    if (this.#pair.tower === undefined) return false
    if (!letter.stored) await this.#store(number, letter)
    return true
  }

  async #store(number: number, letter: Letter): Promise<void> {
    const queue = this.#pair.tower?.get(this.#peer.other.name) ?? []
    this.#pair.tower?.set(this.#peer.other.name, queue)
    if (!queue.some((one) => one.number === number)) queue.push({ number, content: letter.content })
    await this.#report(number, letter, { kind: "stored", place: "tower" })
  }

  /** What the tower holds for this peer. */
  async #fetch(): Promise<void> {
    const queue = this.#pair.tower?.get(this.#peer.name) ?? []
    for (const { number, content } of [...queue]) {
      await this.take(number, content)
      queue.splice(0, 1)
    }
  }

  #agreed(): boolean {
    const { other } = this.#peer
    return [this.#peer, other].every((peer) => peer.contacts[0]?.state === "accepted" && peer.life)
  }

  /** Nothing can go anywhere now. */
  #isStuck(): boolean {
    if (this.#pair.tower !== undefined || this.#hopeless() !== undefined) return false
    return !(this.#pair.isUp && this.#agreed())
  }

  #hopeless(): string | undefined {
    const state = this.#peer.contacts[0]?.state
    if (state === undefined) return "NO_CONTACT"
    return state === "refused" || state === "blocked" ? "CONTACT_STATE" : undefined
  }

  async #report(number: number, letter: Letter, state: LetterState): Promise<void> {
    const { identity, contacts, other } = this.#peer
    const contact = contacts[0] ?? { ...this.#pair.contactFor(other) }
    const report = await this.#reporter?.({ identity, contact, name: letter.name, state })
    const change =
      state.kind === "stored"
        ? this.#outbox.put(number, { ...letter, stored: true })
        : this.#outbox.remove(number)
    await this.#root.commit([...(report?.changes ?? []), change])
    if (this.#waitingCount !== undefined && state.kind !== "stored") this.#waitingCount--
    if (!this.#memory.dead) report?.done?.()
  }
}

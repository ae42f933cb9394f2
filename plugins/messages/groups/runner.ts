/**
 * Does what is due in a group: letters go to the mail, posts and facts into the conversation.
 *
 * @module
 */
import { AlliumError, type PluginContext, toAlliumError } from "allium/plugin"
import { applyRecord } from "../apply.ts"
import type { ConversationBook } from "../book.ts"
import type { Conversation } from "../conversation.ts"
import type { Pen } from "../pen.ts"
import { readRecord, unpackRecord } from "../wire.ts"
import { memberKeyOf } from "./bytes.ts"
import { isSettled, summaryOf } from "./facts.ts"
import type { GroupKeeper } from "./keeper.ts"
import type { Arrival, Due } from "./ledger.ts"
import { parseLetterName } from "./letter-name.ts"

/** Done in one go. */
const TOGETHER_MAX = 64
/** Until a full outbox or disk is tried again. */
const RETRY_MS = 5_000
/** Failures that pass by themselves. */
const PASSING = ["OUTBOX_FULL", "STORE_FULL", "STORE_FAILED", "BUSY", "NO_POST"]
/** What may be said in a group. */
const KINDS = ["text", "edit", "delete", "react", "timer"]
const RANK = { queued: 0, stored: 1, failed: 2, delivered: 3, received: 4 } as const

/** See the module. */
export class GroupRunner {
  readonly #context: PluginContext
  readonly #book: ConversationBook
  /** What runs, by group and kind of work: true when it was asked for again meanwhile. */
  readonly #running = new Map<string, boolean>()

  constructor(context: PluginContext, book: ConversationBook) {
    this.#context = context
    this.#book = book
  }

  /** Sends what is due. */
  send(keeper: GroupKeeper): void {
    this.#run(`send ${keeper.identity.key}/${keeper.id}`, () => this.#sendAll(keeper))
  }

  /** Brings what is new into the conversation. @param name - What the group is called here. */
  show(keeper: GroupKeeper, name: string): void {
    this.#run(`show ${keeper.identity.key}/${keeper.id}`, () => this.#showAll(keeper, name))
  }

  #run(key: string, work: () => Promise<void>): void {
    const runs = this.#running.has(key)
    this.#running.set(key, true)
    if (!runs) void this.#loop(key, work).finally(() => this.#running.delete(key))
  }

  async #loop(key: string, work: () => Promise<void>): Promise<void> {
    const { signal, clock, log } = this.#context
    while (this.#running.get(key) && !signal.aborted) {
      this.#running.set(key, false)
      try {
        await work()
      } catch (error) {
        const { code } = toAlliumError(error)
        if (signal.aborted || code === "STORE_CLOSED") return
        if (!PASSING.includes(code)) log.error("group.stuck", { code })
        this.#running.set(key, true)
        await clock.sleep(RETRY_MS, { signal }).catch(() => {})
      }
    }
  }

  async #sendAll(keeper: GroupKeeper): Promise<void> {
    for (;;) {
      const some: [number, Due][] = []
      for await (const one of keeper.ledger.due.read({ limit: TOGETHER_MAX })) some.push(one)
      if (some.length === 0) return
      const hops = new Map<string, [number, Due][]>()
      for (const one of some) hops.set(one[1].hop, [...(hops.get(one[1].hop) ?? []), one])
      const lines = [...hops.values()].map((line) => this.#sendLine(keeper, line))
      const failed = (await Promise.allSettled(lines)).find(({ status }) => status === "rejected")
      if (failed?.status === "rejected") throw failed.reason
    }
  }

  /** To one contact, in order. */
  async #sendLine(keeper: GroupKeeper, line: readonly [number, Due][]): Promise<void> {
    for (const [number, due] of line) {
      await this.#sendOne(keeper, number, due)
      keeper.sent(1)
    }
  }

  async #sendOne(keeper: GroupKeeper, number: number, due: Due): Promise<void> {
    const { identity, ledger } = keeper
    const { hop, content, name } = due
    try {
      const contact = this.#context.contacts.find(identity, hop)
      await this.#context.mail.send({ identity, contact }, { content, name }, [
        ledger.due.remove(number),
      ])
    } catch (error) {
      const { code } = toAlliumError(error)
      if (PASSING.includes(code) || code === "STORE_CLOSED" || code === "ABORTED") throw error
      const letter = parseLetterName(name)
      if (letter) await keeper.reported(letter, hop, { kind: "failed", reason: code })
      await ledger.room.commit([ledger.due.remove(number)])
    }
  }

  async #showAll(keeper: GroupKeeper, name: string): Promise<void> {
    const group = { id: keeper.id, name }
    const conversation = await this.#book.of(keeper.identity, { group })
    if (conversation.head.name !== name)
      await conversation.change(async (pen) => {
        pen.head.name = name
      })
    while (await this.#showSome(keeper, conversation));
    for (const sequence of [...keeper.following.fresh])
      await this.#tell(keeper, conversation, sequence)
  }

  async #showSome(keeper: GroupKeeper, conversation: Conversation): Promise<boolean> {
    const { arrivals } = keeper.ledger
    const some: [number, Arrival][] = []
    for await (const one of arrivals.read({ limit: TOGETHER_MAX })) some.push(one)
    if (some.length === 0) return false
    const blocked = this.#blockedBy(keeper)
    await conversation.change(async (pen) => {
      for (const [number, arrival] of some) {
        if (!blocked.has(arrival.author)) await this.#apply(pen, arrival)
        pen.also(arrivals.remove(number))
      }
    })
    return true
  }

  /** Of whom we want to hear nothing, in a group neither. */
  #blockedBy({ identity }: GroupKeeper): Set<string> {
    const contacts = this.#context.contacts.list(identity)
    return new Set(contacts.filter(({ state }) => state === "blocked").map(memberKeyOf))
  }

  async #apply(pen: Pen, { author, body }: Arrival): Promise<void> {
    const now = Math.floor(this.#context.clock.now())
    try {
      const record = readRecord(unpackRecord(body))
      if (KINDS.includes(record.kind)) await applyRecord(pen, record, { by: author, now })
    } catch (error) {
      if (!(error instanceof AlliumError) || error.code !== "BAD_RECORD") throw error
      this.#context.log.debug("group.bad-post")
    }
  }

  /** Puts beside a text of ours what is known of its way. */
  async #tell(keeper: GroupKeeper, conversation: Conversation, sequence: number): Promise<void> {
    const facts = keeper.following.get(sequence)
    keeper.following.fresh.delete(sequence)
    if (facts === undefined) return
    const { reached, ...said } = summaryOf(facts)
    const now = Math.floor(this.#context.clock.now())
    await conversation.change(async (pen) => {
      const number = await pen.find(facts.id)
      const entry = number ? await pen.entry(number) : undefined
      if (isSettled(facts)) pen.also(keeper.ledger.facts.remove(String(sequence)))
      if (!number || entry === undefined) return
      if (entry.state === "received" || entry.state === "note") return
      const { reason: _, ...rest } = entry
      const isNews = RANK[said.state] > RANK[entry.state]
      if (!isNews && JSON.stringify(reached) === JSON.stringify(entry.reached)) return
      const told = { ...rest, reached, ...(isNews ? said : { state: entry.state }) }
      const dies = isNews && said.state === "delivered" && entry.expiresS !== undefined
      pen.put(number, dies ? pen.expire(number, told, now + (entry.expiresS ?? 0) * 1_000) : told)
      if (isNews) pen.note(told.state, number, told)
    })
    if (isSettled(facts)) keeper.following.forget(sequence)
  }
}

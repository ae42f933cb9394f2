/**
 * Which plugin a letter is for: its topic is the plugin's name. What comes for one that does not run waits on the shelf.
 *
 * @module
 */
import { Alarm } from "../base/alarm.ts"
import { openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import { AlliumError, isAlliumError, toAlliumError } from "../base/errors.ts"
import { keepTrying } from "../base/keep-trying.ts"
import type { Log } from "../base/log.ts"
import type { Chance } from "../base/random.ts"
import type { Scope } from "../base/scope.ts"
import type { Contact } from "../identity/contacts.ts"
import type { Identity } from "../identity/identity.ts"
import type { InLetter, LetterState, Reception } from "../mail/post/post.ts"
import type { MailShelf, ShelfItem } from "./mail-shelf.ts"
import type { ArrivedLetter, LetterReport } from "./plugin.ts"

/** A plugin that could not take its letter is asked again. */
const RETRY = { firstMs: 1_000, mostMs: 60_000, factor: 2 } as const
const NOTHING: Reception = { changes: [] }

/** A correspondent's names, as plugins know them. */
export interface Parties {
  readonly identity: Identity
  readonly contact: Contact
}

/** What the topics stand on. */
export interface MailTopicsOptions {
  readonly shelf: MailShelf
  /** `undefined` when either is gone: nobody wants to hear of it any more. */
  readonly parties: (identityKey: string, peer: string) => Parties | undefined
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

type Kind = "letter" | "report"

interface Handler {
  readonly run: (event: ArrivedLetter & LetterReport) => Promise<Reception>
  /** Rung when something was put on the shelf. */
  readonly alarm: Alarm
  /** Whether everything from the shelf was taken. */
  direct: boolean
}

/** Handlers of the plugins that run, by plugin and kind. */
export class MailTopics {
  readonly #options: MailTopicsOptions
  readonly #handlers = new Map<string, Handler>()

  constructor(options: MailTopicsOptions) {
    this.#options = options
  }

  /** Takes letters or reports until `scope` ends. @throws {TypeError} when the plugin does so already. */
  set(plugin: string, kind: Kind, run: Handler["run"], scope: Scope): void {
    const name = `${plugin} ${kind}`
    if (this.#handlers.has(name))
      throw new TypeError(`Cannot take each ${kind} for ${plugin}: somebody does already`)
    const handler: Handler = { run, alarm: new Alarm(), direct: false }
    this.#handlers.set(name, handler)
    scope.defer(() => this.#handlers.delete(name))
    void this.#empty(plugin, kind, handler, scope.signal).catch(() => {})
  }

  /** @throws {AlliumError} `PLUGIN_FAILED` when it can neither be handed over nor kept: it comes again. */
  async letter(
    parties: Parties,
    peer: string,
    letter: InLetter,
    from: ArrivedLetter["from"] = "contact",
  ): Promise<Reception> {
    const handler = this.#handlers.get(`${letter.topic} letter`)
    if (handler?.direct) return handler.run(letterEvent(parties, letter.content, from))
    const own = from === "own device"
    const item = { plugin: letter.topic, identity: parties.identity.key, peer, ...(own && { own }) }
    const kept = this.#keep(item, letter.content, handler)
    if (kept !== undefined) return kept
    throw new AlliumError("PLUGIN_FAILED", "Cannot hand over letter: its plugin does not run")
  }

  /** What can be neither told nor kept is forgotten: the letter itself is on its way, or arrived. */
  async report(
    parties: Parties,
    peer: string,
    told: { plugin: string; name: string; state: LetterState },
  ): Promise<Reception> {
    const { plugin, name, state } = told
    const handler = this.#handlers.get(`${plugin} report`)
    if (handler?.direct) return handler.run(reportEvent(parties, name, state))
    const item = { plugin, identity: parties.identity.key, peer, report: { name, state } }
    return this.#keep(item, new Uint8Array(), handler) ?? NOTHING
  }

  /** Hands over what is worth nothing later, if the plugin runs. */
  async flash(parties: Parties, letter: InLetter): Promise<Reception> {
    const handler = this.#handlers.get(`${letter.topic} letter`)
    return handler?.direct ? handler.run(letterEvent(parties, letter.content)) : NOTHING
  }

  #keep(
    item: Omit<ShelfItem, "byteCount">,
    content: Uint8Array,
    handler: Handler | undefined,
  ): Reception | undefined {
    const kept = this.#options.shelf.keep(item, content)
    if (kept === undefined) return undefined
    const done = () => {
      kept.done?.()
      handler?.alarm.ring()
    }
    return { ...kept, done }
  }

  async #empty(plugin: string, kind: Kind, handler: Handler, signal: AbortSignal): Promise<void> {
    const { shelf, clock, chance, log } = this.#options
    const backoff = openBackoff({ ...RETRY, chance })
    const failed = (error: unknown) =>
      log.debug("mail.shelf", { plugin, code: toAlliumError(error).code })
    while (!signal.aborted) {
      const attempt = async () => {
        for (;;) {
          const places = shelf.waiting(plugin, kind)
          if (places.length === 0) return "done" as const
          for (const place of places) await this.#hand(place, handler)
        }
      }
      await keepTrying(attempt, { clock, signal, backoff, alarm: new Alarm(), failed })
      backoff.reset()
      handler.direct = true
      await handler.alarm.wait({ signal, clock })
      handler.direct = false
    }
  }

  async #hand(place: number, { run }: Handler): Promise<void> {
    const { shelf, parties } = this.#options
    const kept = await shelf.read(place)
    if (kept === undefined) return
    const who = parties(kept.item.identity, kept.item.peer)
    const reception = who ? await run(eventOf(who, kept)).catch(dropped) : NOTHING
    try {
      await shelf.take(place, reception.changes)
    } catch (error) {
      reception.failed?.()
      throw error
    }
    reception.done?.()
  }
}

function eventOf(who: Parties, kept: { item: ShelfItem; content: Uint8Array }) {
  const { report, own } = kept.item
  if (report) return reportEvent(who, report.name, report.state)
  return letterEvent(who, kept.content, own ? "own device" : "contact")
}

function letterEvent(
  who: Parties,
  content: Uint8Array,
  from: ArrivedLetter["from"] = "contact",
): ArrivedLetter & LetterReport {
  return { ...who, content, from, name: "", state: { kind: "queued" } }
}

function reportEvent(who: Parties, name: string, state: LetterState): ArrivedLetter & LetterReport {
  return { ...who, name, state, content: new Uint8Array(), from: "contact" }
}

function dropped(error: unknown): Reception {
  if (isAlliumError(error, "BAD_RECORD")) return NOTHING
  throw error
}

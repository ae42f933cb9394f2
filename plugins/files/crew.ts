/**
 * Who works for the transfers: hashers, tellers and pullers, each started when there is something to do.
 *
 * @module
 */
import {
  AlliumError,
  type Channel,
  type Contact,
  type Identity,
  openBackoff,
  type PluginContext,
  Slots,
  toAlliumError,
} from "allium/plugin"
import type { TransferBook } from "./book.ts"
import { type Disk, diskCode } from "./disk/disk.ts"
import { Puller } from "./puller.ts"
import { hashSource, openSource } from "./source.ts"
import { Teller } from "./teller.ts"
import type { Transfer } from "./transfer.ts"
import { PROTOCOL } from "./wire.ts"

/** First and longest wait between two tries to reach a contact. */
const RETRY = { firstMs: 1_000, mostMs: 300_000 }
/** Files that come in side by side, from all contacts. */
const INCOMING_MAX = 4
/** Files that come in side by side from one contact. */
const INCOMING_OF_ONE_MAX = 2

/** What the crew needs of the rest. */
export interface CrewOptions {
  readonly context: PluginContext
  readonly book: TransferBook
  readonly disk: Disk
}

/** Who: identity and contact, by key. */
interface Parties {
  readonly identity: string
  readonly contact: string
}

/** See the module. */
export class Crew {
  readonly #options: CrewOptions
  readonly #hashing = new Map<string, AbortController>()
  readonly #hashSlot = new Slots(1)
  readonly #tellers = new Map<string, Teller>()
  readonly #pullers = new Map<string, Puller>()
  readonly #slots = new Slots(INCOMING_MAX)
  readonly #slotsOfOne = new Map<string, Slots>()

  constructor(options: CrewOptions) {
    this.#options = options
    options.book.watch((transfer, _, kind) => {
      if (kind === "change") this.care(transfer)
    })
  }

  /** Starts whoever has something to do for this transfer, and stops whoever has nothing to do any more. */
  care(transfer: Transfer): void {
    const { id, stage, direction, tell } = transfer
    if (stage === "hashing") this.#hash(transfer)
    else this.#hashing.get(id)?.abort()
    if (tell !== undefined) this.#tellerOf(transfer).wake()
    if (direction === "in" && transfer.folder !== undefined) this.#pull(transfer)
  }

  /** The contact can be reached: everybody who waits for them tries now. */
  wake(identity: Identity, contact: Contact): void {
    const parties = { identity: identity.key, contact: contact.key }
    this.#tellers.get(keyOf(parties))?.wake()
    for (const { id } of this.#transfersOf(parties)) this.#pullers.get(id)?.wake()
  }

  #transfersOf({ identity, contact }: Parties): Transfer[] {
    return this.#options.book
      .list()
      .filter((one) => one.identity === identity && one.contact === contact)
  }

  #hash(transfer: Transfer): void {
    const { signal, log } = this.#options.context
    const { id } = transfer
    if (this.#hashing.has(id)) return
    const stop = new AbortController()
    const abort = () => stop.abort()
    signal.addEventListener("abort", abort)
    this.#hashing.set(id, stop)
    this.#hashSlot
      .take(() => this.#hashNow(transfer, stop.signal), stop)
      .catch((error: unknown) => this.#hashFailed(id, error, stop.signal))
      .catch((error: unknown) => log.error("hash.lost", { code: toAlliumError(error).code }))
      .finally(() => {
        signal.removeEventListener("abort", abort)
        this.#hashing.delete(id)
      })
  }

  async #hashNow({ id, path, size }: Transfer, signal: AbortSignal): Promise<void> {
    const { book, disk } = this.#options
    await using source = await openSource(disk, path ?? "")
    if (source.size !== size)
      throw new AlliumError("FILE_CHANGED", "Cannot hash file: its size has changed")
    const digest = await hashSource(source, {
      signal,
      keep: (block, hashes) => book.keepBlock(id, block, hashes),
      moved: (byteCount, done) => book.moved(id, byteCount, done),
    })
    const { modified } = source
    book.activity(id).done = 0
    await book.change(id, ({ stage }) =>
      stage === "hashing" ? { ...digest, modified, stage: "waiting", tell: "offer" } : undefined,
    )
  }

  async #hashFailed(id: string, error: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return // cancelled, or hashed again after the next start
    const reason = diskCode(error) ?? toAlliumError(error).code
    await this.#options.book.change(id, ({ stage }) =>
      stage === "hashing" ? { stage: "failed", reason } : undefined,
    )
  }

  #tellerOf(parties: Parties): Teller {
    const key = keyOf(parties)
    const known = this.#tellers.get(key)
    if (known) return known
    const teller = new Teller({
      ...this.#common(parties),
      transfers: () => this.#transfersOf(parties),
      failed: (error) =>
        this.#options.context.log.debug("tell.again", { code: toAlliumError(error).code }),
    })
    this.#tellers.set(key, teller)
    return teller
  }

  #pull(transfer: Transfer): void {
    const { id, stage } = transfer
    const known = this.#pullers.get(id)
    const wanted = stage === "accepted" || stage === "verifying"
    if (known && !wanted) known.stop()
    if (known || stage === "done") return
    const puller = new Puller(id, {
      ...this.#common(transfer),
      disk: this.#options.disk,
      log: this.#options.context.log,
      inPlace: (work, call) =>
        this.#slotsFor(transfer).take(() => this.#slots.take(work, call), call),
    })
    this.#pullers.set(id, puller)
    puller
      .run()
      .catch((error: unknown) =>
        this.#options.context.log.error("pull.lost", { code: toAlliumError(error).code }),
      )
      .finally(() => this.#pullers.delete(id))
  }

  #slotsFor(parties: Parties): Slots {
    const key = keyOf(parties)
    const slots = this.#slotsOfOne.get(key) ?? new Slots(INCOMING_OF_ONE_MAX)
    this.#slotsOfOne.set(key, slots)
    return slots
  }

  #common(parties: Parties) {
    const { book, context } = this.#options
    return {
      book,
      clock: context.clock,
      signal: context.signal,
      backoff: openBackoff({ ...RETRY, chance: Math.random }),
      hopeless: () => this.#hopeless(parties),
      open: (call: { signal: AbortSignal }) => this.#open(parties, call),
    }
  }

  #open(parties: Parties, call: { signal: AbortSignal }): Promise<Channel> {
    const { context } = this.#options
    const { identity, contact } = this.#find(parties)
    if (identity && contact) return context.open({ identity, contact }, PROTOCOL, call)
    throw new AlliumError("NO_CONTACT", "Cannot reach contact: it was removed")
  }

  /** Why nothing can go to or come from this contact any more. */
  #hopeless(parties: Parties): string | undefined {
    const { identity, contact } = this.#find(parties)
    if (identity === undefined) return "NO_IDENTITY"
    if (contact === undefined) return "NO_CONTACT"
    return contact.state === "refused" || contact.state === "blocked" ? "CONTACT_STATE" : undefined
  }

  #find(parties: Parties): { identity: Identity | undefined; contact: Contact | undefined } {
    const { identities, contacts } = this.#options.context
    const identity = identities.list().find(({ key }) => key === parties.identity)
    const contact = identity && contacts.list(identity).find(({ key }) => key === parties.contact)
    return { identity, contact }
  }
}

function keyOf({ identity, contact }: Parties): string {
  return `${identity}/${contact}`
}

/**
 * Answers the offers of the files plugin.
 *
 * @module
 */
import { basename, isAbsolute, join } from "node:path"
import {
  AlliumError,
  type Contact,
  type Identity,
  type Offer,
  type OfferCall,
  type PeerChannel,
  type PluginContext,
  toAlliumError,
  z,
} from "allium/plugin"
import { type Activity, TransferBook } from "./book.ts"
import { Crew } from "./crew.ts"
import type { Disk } from "./disk/disk.ts"
import { toDocument, untilDone } from "./documents.ts"
import type {
  acceptOffer,
  autoOffer,
  cancelOffer,
  listOffer,
  sendOffer,
  TransferDocument,
} from "./offers.ts"
import type { TransferOwner } from "./owners.ts"
import { answerFiles } from "./service.ts"
import { openSource } from "./source.ts"
import { isFinished, newId, type Transfer } from "./transfer.ts"
import { FILE_BYTES_MAX, PROTOCOL } from "./wire.ts"

/** Our transfers that are not finished. */
const OUTGOING_MAX = 1_000
/** Channels of one contact that are answered at once; beyond, new ones are reset. */
const CHANNELS_MAX = 8
/** Files of one contact accepted without asking within an hour; beyond, we are asked. */
const WELCOME_PER_HOUR_MAX = 100
const HOUR_MS = 3_600_000

const ruleShape = z.object({ below: z.int() })
type InputOf<O extends Offer> = z.output<O["input"]>

/** See the module. */
export class Desk implements TransferOwner {
  readonly #context: PluginContext
  readonly #disk: Disk
  readonly #book: TransferBook
  readonly #crew: Crew
  readonly #rules
  readonly #channels = new Map<string, number>()
  /** When files were accepted without asking, by contact; on the monotonic clock. */
  readonly #welcomed = new Map<string, number[]>()
  readonly #stages = new Map<string, string>()

  constructor(context: PluginContext, disk: Disk) {
    this.#context = context
    this.#disk = disk
    this.#book = new TransferBook(context.store, context.clock)
    this.#crew = new Crew({ context, book: this.#book, disk })
    this.#rules = context.store.table("auto", ruleShape)
  }

  /** Begins to answer contacts, and goes on with what was not finished. */
  async open(): Promise<void> {
    await this.#book.load()
    for (const { id, stage } of this.#book.list()) this.#stages.set(id, stage)
    this.#book.watch((transfer, activity, kind) => this.#tell(transfer, activity, kind))
    this.#context.serve(PROTOCOL, (peer) => this.#serve(peer))
    this.#context.onReachable(({ identity, contact }) => this.#crew.wake(identity, contact))
    for (const transfer of this.#book.list()) this.#crew.care(transfer)
  }

  async send(input: InputOf<typeof sendOffer>, call: OfferCall): Promise<TransferDocument> {
    const { identities, contacts, clock } = this.#context
    const identity = identities.find(input.identity)
    const contact = contacts.find(identity, input.contact)
    requireTrading(contact)
    const size = await this.#sizeOf(input.path)
    const id = newId()
    await this.#book.add({
      ...{ id, direction: "out", identity: identity.key, contact: contact.key },
      ...{ contactName: contact.name, name: basename(input.path), path: input.path, size },
      ...{ stage: "hashing", createdAt: Math.floor(clock.now()), blocks: 0, received: 0 },
    })
    return this.#answer(id, input.wait, call)
  }

  list(input: InputOf<typeof listOffer>): TransferDocument[] {
    if (input.identity === undefined && this.#context.identities.list().length === 0) return []
    const { key } = this.#context.identities.find(input.identity)
    const mine = this.#book.list().filter(({ identity }) => identity === key)
    return mine.map((transfer) => this.#document(transfer, this.#book.activity(transfer.id)))
  }

  async accept(input: InputOf<typeof acceptOffer>, call: OfferCall): Promise<TransferDocument> {
    const { id } = this.#book.find(input.id)
    const folder = await this.#folder(input.to)
    const transfer = await this.#book.change(id, (now) => {
      requireStage(now, now.direction === "in" && now.stage === "offered", "an offered file")
      return { stage: "accepted", folder }
    })
    return this.#answer(transfer!.id, input.wait, call)
  }

  async cancel(input: InputOf<typeof cancelOffer>, call: OfferCall): Promise<TransferDocument> {
    const { id } = this.#book.find(input.id)
    await this.#book.change(id, (now) => {
      requireStage(now, !isFinished(now), "one that goes on")
      const reason = now.direction === "in" && now.stage === "offered" ? "REFUSED" : "CANCELLED"
      const told = now.direction === "in" ? "decline" : "withdraw"
      return { stage: "cancelled", reason, tell: now.stage === "hashing" ? undefined : told }
    })
    return this.#answer(id, false, call)
  }

  ids(): string[] {
    return this.#book.list().map(({ id }) => id)
  }

  async show(id: string): Promise<TransferDocument> {
    return this.#document(this.#book.find(id), this.#book.activity(id))
  }

  pause(): Promise<TransferDocument> {
    return Promise.reject(cannotRest())
  }

  resume(): Promise<TransferDocument> {
    return Promise.reject(cannotRest())
  }

  async auto(input: InputOf<typeof autoOffer>): Promise<{ contact: string; below: number }> {
    const identity = this.#context.identities.find(input.identity)
    const contact = this.#context.contacts.find(identity, input.contact)
    const key = ruleKey(identity, contact)
    if (input.below === undefined)
      return { contact: contact.name, below: (await this.#rules.get(key))?.below ?? 0 }
    await this.#context.store.commit([this.#rules.put(key, { below: input.below })])
    return { contact: contact.name, below: input.below }
  }

  async #sizeOf(path: string): Promise<number> {
    if (!isAbsolute(path))
      throw new AlliumError(
        "BAD_INPUT",
        "Cannot send file: its path is relative, expected a whole one",
      )
    await using source = await openSource(this.#disk, path)
    if (source.size > FILE_BYTES_MAX)
      throw new AlliumError(
        "TOO_LARGE",
        `Cannot send file: has ${source.size} bytes, expected at most 8 TiB`,
      )
    const open = this.#book.list().filter((one) => one.direction === "out" && !isFinished(one))
    if (open.length < OUTGOING_MAX) return source.size
    throw new AlliumError(
      "FILE_LIMIT",
      `Cannot send file: ${open.length} transfers are not finished`,
    )
  }

  /** The folder for a received file: the given one, which must be there, or our own. */
  async #folder(to: string | undefined): Promise<string> {
    if (to === undefined) {
      const folder = join(this.#context.folder, "received")
      await this.#disk.mkdir(folder, { recursive: true, mode: 0o700 })
      return folder
    }
    const folder = await this.#disk.realpath(to).catch(() => undefined)
    if (folder !== undefined && (await this.#disk.lstat(folder)).isDirectory()) return folder
    throw new AlliumError("BAD_INPUT", "Cannot accept file: --to is not a folder that is there")
  }

  async #welcome({ identity, contact }: PeerChannel, size: number): Promise<string | undefined> {
    const rule = await this.#rules.get(ruleKey(identity, contact))
    if (rule === undefined || size >= rule.below) return undefined
    const key = ruleKey(identity, contact)
    const nowMs = this.#context.clock.monotonicMs()
    const lately = (this.#welcomed.get(key) ?? []).filter((atMs) => atMs > nowMs - HOUR_MS)
    if (lately.length >= WELCOME_PER_HOUR_MAX) return undefined
    this.#welcomed.set(key, [...lately, nowMs])
    return this.#folder(undefined)
  }

  async #serve(peer: PeerChannel): Promise<void> {
    const { channel, identity, contact } = peer
    channel.on("error", () => {}) // told to the reader, too
    const key = ruleKey(identity, contact)
    const open = this.#channels.get(key) ?? 0
    if (open >= CHANNELS_MAX) return void channel.destroy()
    this.#channels.set(key, open + 1)
    try {
      await answerFiles(peer, {
        ...{ book: this.#book, disk: this.#disk },
        now: () => Math.floor(this.#context.clock.now()),
        welcome: (from, size) => this.#welcome(from, size),
      })
      channel.end()
    } catch (error) {
      this.#context.log.debug("channel.lost", { code: toAlliumError(error).code })
      channel.destroy()
    } finally {
      this.#channels.set(key, this.#channels.get(key)! - 1)
    }
  }

  #answer(id: string, wait: boolean, call: OfferCall): Promise<TransferDocument> {
    const write = (transfer: Transfer, activity: Activity) => this.#document(transfer, activity)
    if (wait) return untilDone(id, this.#book, write, call)
    return Promise.resolve(write(this.#book.get(id)!, this.#book.activity(id)))
  }

  #document(transfer: Transfer, activity: Activity): TransferDocument {
    return toDocument(transfer, activity, this.#context)
  }

  /** One event for each new stage, and `progress` in between. */
  #tell(transfer: Transfer, activity: Activity, kind: "change" | "progress"): void {
    const { id, stage } = transfer
    const document = this.#document(transfer, activity)
    if (kind === "progress") this.#context.emit("progress", document)
    else if (this.#stages.get(id) !== stage) this.#context.emit(stage, document)
    this.#stages.set(id, stage)
  }
}

function cannotRest(): AlliumError {
  const message = "Cannot let transfer rest: it is with a contact, expected one with the world"
  return new AlliumError("FILE_STATE", message)
}

function ruleKey(identity: Identity, contact: Contact): string {
  return `${identity.key}/${contact.key}`
}

function requireTrading({ state }: Contact): void {
  if (state === "accepted" || state === "requested") return
  throw new AlliumError("CONTACT_STATE", `Cannot send file: contact is ${state}, expected accepted`)
}

function requireStage({ direction, stage }: Transfer, right: boolean, expected: string): void {
  if (right) return
  const which = direction === "in" ? "incoming" : "outgoing"
  throw new AlliumError(
    "FILE_STATE",
    `Cannot do that to transfer: it is ${which} and ${stage}, expected ${expected}`,
  )
}

/**
 * Transfers with contacts: answers the offers about them, letters, and lines.
 *
 * @module
 */
import { isAbsolute, join } from "node:path"
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
import type { DiskRoom } from "../disk/disk-room.ts"
import { type FoundFile, surveyShare } from "../disk/survey.ts"
import type {
  acceptOffer,
  autoOffer,
  listOffer,
  refuseOffer,
  sendOffer,
  TransferDocument,
  towerLimitOffer,
} from "../offers.ts"
import type { TransferOwner } from "../owners.ts"
import type { PlayState } from "../play/playable.ts"
import type { FileRates } from "../rates.ts"
import { FILE_BYTES_MAX } from "../size.ts"
import type { Bitfield } from "../torrent/bitfield.ts"
import { Admission } from "./admission.ts"
import { type Activity, TransferBook } from "./book.ts"
import { Circles } from "./circles.ts"
import { Crew } from "./crew.ts"
import { toDetails, toDocument, untilDone } from "./documents.ts"
import { GroupSends, type SharedContent } from "./group-sends.ts"
import { toMemberLines } from "./group-view.ts"
import { GroupWatch } from "./group-watch.ts"
import { STREAMS_MAX } from "./lane-count.ts"
import { FILES_LISTED_MAX, FILES_OFFERED_MAX } from "./letters.ts"
import { TRANSFER_PROTOCOL } from "./line-keys.ts"
import { forgetOldTransfers } from "./old-transfers.ts"
import { Post } from "./post.ts"
import { ProgressBook } from "./progress-book.ts"
import { Reader, type ReaderOptions, type Welcome } from "./reader.ts"
import { answerLine } from "./sealed-line.ts"
import { Sources } from "./sources.ts"
import { isFinished, newId, newKey, sourceId, type Transfer } from "./transfer.ts"
import { verifyFiles } from "./verify.ts"

/** Our transfers that are not finished. */
const OUTGOING_MAX = 1_000
/** What one contact asked for and did not get yet; beyond, they hear `BUSY`. */
const GIVEN_MAX = 16
/** Lines of one contact that are answered at once; beyond, new ones are reset. */
const LINES_MAX = 64
/** Until a line has said what it is for; then it is reset. */
const OPENING_MS = 30_000
/** Transfers of one contact accepted without asking within an hour; beyond, we are asked. */
const WELCOME_PER_HOUR_MAX = 100
const HOUR_MS = 3_600_000
/** Transfers up to this size are left at a tower of ours, unless the user says otherwise. */
const TOWER_BELOW_BYTES = 67_108_864

const ruleShape = z.object({ below: z.int() })
type InputOf<O extends Offer> = z.output<O["input"]>

/** What the desk needs. */
export interface DeskOptions {
  readonly room: DiskRoom
  /** Limits of everything that travels. */
  readonly rates: Pick<FileRates, "down" | "up">
  readonly random: (byteCount: number) => Uint8Array
  /** Names this run of the machine: what was not synced in another one is not believed. */
  readonly boot: string
  /** Lanes of one transfer; {@linkcode STREAMS_MAX}. */
  readonly lanesMax?: number
  /** How long a contact is waited for before a tower is used, or asked. */
  readonly towerAfterMs?: number
  /** Asked of each offer before the rules about sizes. */
  readonly welcome: ReaderOptions["welcome"]
}

/** See the module. */
export class ContactDesk implements TransferOwner, AsyncDisposable {
  readonly #context: PluginContext
  readonly #o: DeskOptions
  readonly #book: TransferBook
  readonly #sources: Sources
  readonly #post: Post
  readonly #progress: ProgressBook
  readonly #crew: Crew
  readonly #circles: Circles
  readonly #admission: Admission
  readonly #sends: GroupSends
  readonly #watch: GroupWatch
  readonly #rules
  readonly #towerLimit
  readonly #lines = new Map<string, number>()
  /** When transfers were accepted without asking, by contact; on the monotonic clock. */
  readonly #welcomed = new Map<string, number[]>()
  readonly #stages = new Map<string, string>()

  /** Begins to answer contacts, and goes on with what was not finished. */
  static async open(context: PluginContext, options: DeskOptions): Promise<ContactDesk> {
    await forgetOldTransfers(context.store)
    const progress = new ProgressBook(context.store, options.boot)
    const desk = new ContactDesk(context, options, progress)
    await desk.#open()
    return desk
  }

  private constructor(context: PluginContext, options: DeskOptions, progress: ProgressBook) {
    const { store, clock } = context
    const { room, rates, random, lanesMax = STREAMS_MAX } = options
    this.#context = context
    this.#o = options
    this.#progress = progress
    const sources = new Sources(store, room, progress)
    this.#sources = sources
    this.#book = new TransferBook(store, clock, async (one) => {
      const isShared = this.#book.together(one).length > 1
      return isShared ? [] : sources.forget(sourceId(one))
    })
    this.#post = new Post(context)
    const parts = {
      book: this.#book,
      post: this.#post,
      progress,
      sources,
      room,
      rates,
      random,
      lanesMax,
    }
    const bytesMax = async () => (await this.#towerLimit.get("below"))?.below ?? TOWER_BELOW_BYTES
    const { towerAfterMs } = options
    const tower = { bytesMax, ...(towerAfterMs !== undefined && { afterMs: towerAfterMs }) }
    const circles = new Circles(context)
    this.#circles = circles
    const now = () => context.clock.now()
    this.#admission = new Admission({ book: this.#book, post: this.#post, circles, now })
    const fellows = (transfer: Transfer) => this.#admission.fellows(transfer)
    this.#crew = new Crew({ context, ...parts, ...tower, fellows })
    const groups = { context, book: this.#book, post: this.#post, circles }
    const write = (transfer: Transfer, activity: Activity) => this.#document(transfer, activity)
    this.#sends = new GroupSends({ ...groups, write })
    this.#watch = new GroupWatch({ ...groups, admission: this.#admission })
    this.#rules = store.table("auto", ruleShape)
    this.#towerLimit = store.table("tower-limit", ruleShape)
  }

  async send(input: InputOf<typeof sendOffer>, call: OfferCall): Promise<TransferDocument> {
    const { identities, contacts } = this.#context
    const identity = identities.find(input.identity)
    const { path, note, wait } = input
    const more = note ? { note } : {}
    if (input.group) {
      const circle = await this.#sends.find(identity, input.contact, call)
      const shared = await this.#shared(identity, path, more, call)
      const send = await this.#sends.begin(identity, circle, shared)
      return wait ? this.#sends.untilDone(send, call) : this.#sends.document(send)
    }
    const contact = contacts.find(identity, input.contact)
    requireTrading(contact)
    const id = await this.#begin({ identity, contact }, path, more, call)
    return this.#answer(id, wait, call)
  }

  /**
   * Offers a contact what they asked for, under an id of their choice; a second time nothing happens.
   *
   * @param what.transfer - The id, 32 hexadecimal digits.
   * @returns What is offered.
   * @throws {AlliumError} `FILE_LIMIT` when too much they asked for is not finished; what the disk says.
   */
  async give(
    to: { readonly identity: Identity; readonly contact: Contact },
    what: { readonly path: string; readonly transfer: string },
    call: { signal: AbortSignal },
  ): Promise<Pick<Transfer, "size" | "fileCount">> {
    const parties = { identity: to.identity.key, contact: to.contact.key }
    const wireId = what.transfer
    const known = this.#book.between(parties, wireId)
    if (known !== undefined) return known
    const isOpen = (one: Transfer) =>
      one.wireId !== undefined && one.group === undefined && !isFinished(one)
    const asked = this.#book.list().filter((one) => one.direction === "out" && isOpen(one))
    if (asked.filter(({ contact }) => contact === parties.contact).length >= GIVEN_MAX)
      throw new AlliumError("FILE_LIMIT", `Cannot give file: ${GIVEN_MAX} are not finished`)
    return this.#book.require(await this.#begin(to, what.path, { wireId }, call))
  }

  async #begin(
    { identity, contact }: { readonly identity: Identity; readonly contact: Contact },
    path: string,
    more: Pick<Partial<Transfer>, "note" | "wireId">,
    call: { signal: AbortSignal },
  ): Promise<string> {
    const shared = await this.#shared(identity, path, more, call)
    const id = newId()
    const to = { contact: contact.key, contactName: contact.name }
    await this.#book.add({ ...shared, id, key: newKey(), ...to })
    return id
  }

  async #shared(
    identity: Identity,
    path: string,
    more: Pick<Partial<Transfer>, "note" | "wireId">,
    call: { signal: AbortSignal },
  ): Promise<SharedContent> {
    this.#requireRoom()
    const { name, isFolder, files } = await this.#survey(path, call)
    return {
      ...{ direction: "out", identity: identity.key, name, path, isFolder, isPaused: false },
      ...{ size: files.reduce((sum, file) => sum + file.size, 0), fileCount: files.length },
      files: files.slice(0, FILES_LISTED_MAX).map(toListed),
      ...{ stage: "hashing", createdAt: Math.floor(this.#context.clock.now()) },
      ...more,
    }
  }

  list(input: InputOf<typeof listOffer>): TransferDocument[] {
    if (input.identity === undefined && this.#context.identities.list().length === 0) return []
    const { key } = this.#context.identities.find(input.identity)
    const mine = this.#book.list().filter(({ identity }) => identity === key)
    return this.#sends.list(mine)
  }

  ids(): string[] {
    return [...this.#book.list().map(({ id }) => id), ...this.#sends.ids()]
  }

  async show(id: string): Promise<TransferDocument> {
    const [one] = this.#sends.of(id)
    if (one !== undefined) {
      const document = this.#sends.document(id)
      const details = toDetails(one, { ...this.#book.activity(one.id), streams: 0, pieceCount: 0 })
      return { ...document, details: ["members:", ...toMemberLines(document), ...details] }
    }
    const transfer = this.#book.require(id)
    const activity = this.#book.activity(id)
    return { ...this.#document(transfer, activity), details: toDetails(transfer, activity) }
  }

  async accept(input: InputOf<typeof acceptOffer>, call: OfferCall): Promise<TransferDocument> {
    const transfer = this.#find(input.id)
    const folder = await this.folder(input.to)
    await this.#book.change(
      transfer.id,
      (now) => {
        requireStage(now, now.direction === "in" && now.stage === "offered", "an offered file")
        return { stage: "accepted", folder }
      },
      this.#post.with(transfer, "accept"),
    )
    return this.#answer(transfer.id, input.wait, call)
  }

  async refuse(input: InputOf<typeof refuseOffer>, call: OfferCall): Promise<TransferDocument> {
    const transfer = this.#find(input.id)
    const { direction, stage } = transfer
    requireStage(transfer, direction === "in" && stage === "offered", "an offered file")
    return this.cancel({ id: transfer.id }, call)
  }

  async cancel(input: { readonly id: string }, call: OfferCall): Promise<TransferDocument> {
    if (this.#sends.of(input.id).length > 0)
      return this.#sends.each(input.id, (id) => this.cancel({ id }, call))
    const transfer = this.#book.require(input.id)
    const word = transfer.direction === "in" ? "decline" : "withdraw"
    await this.#book.change(
      transfer.id,
      (now) => {
        requireStage(now, !isFinished(now), "one that goes on")
        const reason = now.direction === "in" && now.stage === "offered" ? "REFUSED" : "CANCELLED"
        return { stage: "cancelled", reason, isUntidy: now.direction === "in" }
      },
      this.#post.with(transfer, word),
    )
    return this.#answer(transfer.id, false, call)
  }

  async verify(id: string, call: Pick<OfferCall, "signal">): Promise<TransferDocument> {
    const [one = this.#book.require(id)] = this.#sends.of(id)
    const isHere = one.stage === "done" || (isFinished(one) && one.isMending === true)
    requireStage(one, one.direction === "out" || isHere, "one that is here whole")
    const tools = { room: this.#o.room, sources: this.#sources }
    const signal = AbortSignal.any([call.signal, this.#context.signal])
    const { isRight, wrong, right } = await verifyFiles(one, tools, signal)
    const isMending = right?.isFull === false && (await this.#mend(one, right))
    const details = isRight
      ? ["It is as it was offered."]
      : ["It is not as it was offered:", ...wrong.map((path) => `  ${path}`)]
    const more = isMending ? ["What is wrong is asked for again, and written over."] : []
    return { ...(await this.show(id)), isRight, wrong: [...wrong], details: [...details, ...more] }
  }

  /** Asks for what is wrong of a whole transfer again. @returns False when it cannot be asked for. */
  async #mend(transfer: Transfer, have: Bitfield): Promise<boolean> {
    const { id, infohash } = transfer
    if (transfer.direction === "out" || transfer.stage !== "done") return false
    await this.#progress.save(id, infohash!, { have, partial: new Map() }, true)
    const now = await this.#book.change(
      id,
      ({ stage }) => (stage === "done" ? { stage: "accepted", isMending: true } : undefined),
      this.#post.with(transfer, "accept"),
    )
    return now?.stage === "accepted"
  }

  pause(id: string): Promise<TransferDocument> {
    return this.#restAll(id, true)
  }

  resume(id: string): Promise<TransferDocument> {
    return this.#restAll(id, false)
  }

  async play(id: string): Promise<PlayState> {
    const { direction, stage, path } = this.#book.require(id)
    if (direction === "out" || stage === "failed" || stage === "cancelled") return { kind: "never" }
    if (stage === "done") return path === undefined ? { kind: "never" } : { kind: "whole", path }
    const playable = this.#crew.playable(id)
    return playable ? { kind: "now", playable } : { kind: "later" }
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

  async tower(input: InputOf<typeof towerLimitOffer>): Promise<{ below: number }> {
    const { below } = input
    if (below === undefined)
      return { below: (await this.#towerLimit.get("below"))?.below ?? TOWER_BELOW_BYTES }
    await this.#context.store.commit([this.#towerLimit.put("below", { below })])
    return { below }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#crew.close()
  }

  async #open(): Promise<void> {
    const { mail, serve, onReachable } = this.#context
    await this.#book.load()
    for (const { id, stage } of this.#book.list()) this.#stages.set(id, stage)
    this.#book.watch((transfer, activity, kind) => this.#tell(transfer, activity, kind))
    const reader = new Reader({
      ...{ book: this.#book, post: this.#post },
      now: () => Math.floor(this.#context.clock.now()),
      welcome: async (from, offer) =>
        (await this.#o.welcome(from, offer)) ?? (await this.#welcome(from, offer.size)),
    })
    mail.receive((letter) => reader.read(letter))
    mail.onReport((report) => reader.report(report))
    serve(TRANSFER_PROTOCOL, (peer) => this.#serve(peer))
    onReachable(({ identity, contact }) => this.#crew.wake(identity.key, contact.key))
    for (const transfer of this.#book.list()) {
      this.#crew.care(transfer)
      this.#watch.care(transfer)
    }
  }

  /** By its id or the beginning of it. @throws {AlliumError} `NOT_FOUND` for none or several. */
  #find(beginning: string): Transfer {
    const found = this.#book.list().filter(({ id }) => id.startsWith(beginning.toLowerCase()))
    if (found.length === 1) return found[0]!
    throw new AlliumError(
      "NOT_FOUND",
      `Cannot find transfer: ${found.length} begin with "${beginning}", expected 1`,
    )
  }

  #restAll(id: string, isPaused: boolean): Promise<TransferDocument> {
    if (this.#sends.of(id).length === 0) return this.#rest(id, isPaused)
    return this.#sends.each(id, (one) => this.#rest(one, isPaused))
  }

  async #rest(id: string, isPaused: boolean): Promise<TransferDocument> {
    await this.#book.change(id, (now) => {
      const isRight = !isFinished(now) && now.isPaused !== isPaused
      requireStage(now, isRight, isPaused ? "one that goes on" : "one that rests")
      return { isPaused }
    })
    return this.#document(this.#book.require(id), this.#book.activity(id))
  }

  async #survey(path: string, call: { signal: AbortSignal }) {
    if (!isAbsolute(path)) throw badPath("its path is relative, expected a whole one")
    const survey = await surveyShare(this.#o.room.disk, path, call)
    if (survey.files.length > FILES_OFFERED_MAX)
      throw badPath(`it has ${survey.files.length} files, expected at most ${FILES_OFFERED_MAX}`)
    const size = survey.files.reduce((sum, file) => sum + file.size, 0)
    if (size <= FILE_BYTES_MAX) return survey
    const found = `has ${size} bytes, expected at most 8 TiB`
    throw new AlliumError("TOO_LARGE", `Cannot send file: ${found}`)
  }

  #requireRoom(): void {
    const open = this.#book.list().filter((one) => one.direction === "out" && !isFinished(one))
    if (open.length < OUTGOING_MAX) return
    const found = `${open.length} transfers are not finished`
    throw new AlliumError("FILE_LIMIT", `Cannot send file: ${found}`)
  }

  /** The folder for what is received: the given one, which must be there, or our own. @throws {AlliumError} `BAD_INPUT`. */
  async folder(to: string | undefined): Promise<string> {
    const { disk } = this.#o.room
    if (to === undefined) {
      const folder = join(this.#context.folder, "received")
      await disk.mkdir(folder, { recursive: true, mode: 0o700 })
      return folder
    }
    const folder = await disk.realpath(to).catch(() => undefined)
    if (folder !== undefined && (await disk.lstat(folder)).isDirectory()) return folder
    throw new AlliumError("BAD_INPUT", "Cannot accept file: --to is not a folder that is there")
  }

  async #welcome(
    from: { readonly identity: Identity; readonly contact: Contact },
    size: number,
  ): Promise<Welcome | undefined> {
    const key = ruleKey(from.identity, from.contact)
    const rule = await this.#rules.get(key)
    if (rule === undefined || size >= rule.below) return undefined
    const nowMs = this.#context.clock.monotonicMs()
    const lately = (this.#welcomed.get(key) ?? []).filter((atMs) => atMs > nowMs - HOUR_MS)
    if (lately.length >= WELCOME_PER_HOUR_MAX) return undefined
    this.#welcomed.set(key, [...lately, nowMs])
    return { folder: await this.folder(undefined) }
  }

  async #serve({ channel, identity, contact }: PeerChannel): Promise<void> {
    channel.on("error", () => {}) // told to the reader, too
    const key = ruleKey(identity, contact)
    const open = this.#lines.get(key) ?? 0
    if (open >= LINES_MAX) return void channel.destroy()
    this.#lines.set(key, open + 1)
    try {
      await this.#admission.look(identity, contact)
      const parties = { identity: identity.key, contact: contact.key }
      const find = (id: Uint8Array) => {
        const transfer = this.#admission.find(parties, Buffer.from(id).toString("hex"))
        return transfer && { key: transfer.key, transfer }
      }
      const { found, line } = await this.#soon(channel, () =>
        answerLine(channel, find, this.#o.random),
      )
      const { transfer } = found
      await this.#watch.during(transfer, { line, contact: contact.key }, () =>
        this.#crew.serve(transfer, line, contact.key),
      )
    } catch (error) {
      this.#context.log.debug("line.lost", { code: toAlliumError(error).code })
      channel.destroy()
    } finally {
      this.#lines.set(key, this.#lines.get(key)! - 1)
    }
  }

  /** Whoever opens a line and says nothing loses it. */
  async #soon<T>(channel: PeerChannel["channel"], deed: () => Promise<T>): Promise<T> {
    const said = new AbortController()
    void this.#context.clock.sleep(OPENING_MS, { signal: said.signal }).then(
      () => channel.destroy(),
      () => {}, // it has said it
    )
    return await deed().finally(() => said.abort())
  }

  #answer(id: string, wait: boolean, call: OfferCall): Promise<TransferDocument> {
    const write = (transfer: Transfer, activity: Activity) => this.#document(transfer, activity)
    if (wait) return untilDone(id, this.#book, write, call)
    return Promise.resolve(write(this.#book.require(id), this.#book.activity(id)))
  }

  #document(transfer: Transfer, activity: Activity): TransferDocument {
    const document = toDocument(transfer, activity, this.#context)
    const { identity, group } = transfer
    const name = group?.name ?? (group && this.#circles.known(identity, group.id)?.name)
    return { ...document, ...(name !== undefined && { group: name }) }
  }

  /** One event for each new stage, and `progress` in between. */
  #tell(transfer: Transfer, activity: Activity, kind: "change" | "progress"): void {
    const { id, stage } = transfer
    if (kind === "change") this.#watch.care(transfer)
    const document = this.#document(transfer, activity)
    if (kind === "progress") this.#context.emit("progress", document)
    else if (this.#stages.get(id) !== stage) this.#context.emit(stage, document)
    this.#stages.set(id, stage)
  }
}

function toListed({ names, size }: FoundFile): { path: string; size: number } {
  return { path: [...names.join("/")].slice(0, LISTED_CHARACTERS).join(""), size }
}
/** Of a path in an offer; 100 of them must fit a letter. */
const LISTED_CHARACTERS = 90

function ruleKey(identity: Identity, contact: Contact): string {
  return `${identity.key}/${contact.key}`
}

function requireTrading({ state }: Contact): void {
  if (state === "accepted" || state === "requested") return
  throw new AlliumError("CONTACT_STATE", `Cannot send file: contact is ${state}, expected accepted`)
}

function badPath(found: string): AlliumError {
  return new AlliumError("BAD_INPUT", `Cannot send file: ${found}`)
}

function requireStage(now: Transfer, right: boolean, expected: string): void {
  if (right) return
  const { direction, stage, isPaused } = now
  const which = direction === "in" ? "incoming" : "outgoing"
  const found = `it is ${which} and ${isPaused ? "paused" : stage}`
  throw new AlliumError("FILE_STATE", `Cannot do that to transfer: ${found}, expected ${expected}`)
}

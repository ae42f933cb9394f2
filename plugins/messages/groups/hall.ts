/**
 * All groups of this router: found by name, opened when they are needed, kept going by time.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import {
  AlliumError,
  type ArrivedLetter,
  type Change,
  type Identity,
  type LetterReport,
  type PluginContext,
  type Reception,
  Turns,
  toAlliumError,
} from "allium/plugin"
import type { ConversationBook } from "../book.ts"
import type { Head } from "../entry.ts"
import { hex } from "./bytes.ts"
import { Comeback, type SavedGroup } from "./comeback.ts"
import { createGroup, reviveGroup, tick } from "./deeds.ts"
import { Directory, type Listing } from "./directory.ts"
import { GroupKeeper, type KeeperListener } from "./keeper.ts"
import { groupRoom, Ledger } from "./ledger.ts"
import { parseLetterName } from "./letter-name.ts"
import { meetGroup } from "./meeting.ts"
import { receive } from "./receive.ts"
import { BODY_BYTES_MAX, type GroupRecord, readRecord } from "./records.ts"
import { GroupRunner } from "./runner.ts"
import type { GroupState, GroupWorld, Note } from "./state.ts"

/** Between two looks at what time brings. */
const TICK_MS = 60_000
/** A question about a group we know nothing of goes to the same contact once in so long. */
const QUESTION_MS = 60_000
/** Contacts such questions are remembered of. */
const QUESTIONS_MAX = 1_000

/** See the module. */
export class Hall implements KeeperListener {
  readonly #context: PluginContext
  readonly #runner: GroupRunner
  readonly #comeback: Comeback
  readonly directory: Directory
  readonly #open = new Map<string, Promise<GroupKeeper>>()
  /** Of the groups that are open: what members are called. */
  readonly #names = new Map<string, (key: string) => string>()
  readonly #meetings = new Turns()
  readonly #asked = new Map<string, number>()

  constructor(context: PluginContext, book: ConversationBook) {
    this.#context = context
    this.#runner = new GroupRunner(context, book)
    this.directory = new Directory(context)
    this.#comeback = new Comeback(context, this.directory)
  }

  /** Reads which groups there are; then they are kept going. */
  async load(): Promise<void> {
    await this.directory.load()
    void this.#keepGoing().catch((error) => this.#failed(error))
  }

  /** @throws {AlliumError} `STORE_DAMAGED`. */
  keeper({ identity, id }: Pick<Listing, "identity" | "id">): Promise<GroupKeeper> {
    const key = `${identity}/${id}`
    const known = this.#open.get(key)
    if (known !== undefined) return known
    const opening = this.#reopen(identity, id)
    this.#open.set(key, opening)
    opening.catch(() => this.#open.delete(key)) // the next one tries again
    return opening
  }

  /** Makes a group. @throws {AlliumError} `ALREADY_EXISTS`, `LIMIT_REACHED`. */
  create(identity: Identity, name: string): Promise<GroupKeeper> {
    return this.#meetings.take(async () => {
      this.directory.requireFree(identity, name)
      this.directory.requireRoom(identity)
      return this.#begin(identity, createGroup(this.#world(identity), name))
    })
  }

  /**
   * Says something in a group, in one commit with `also`.
   * @param id - Of the message, when its way is followed.
   * @throws {AlliumError} `TOO_LARGE`, `GROUP_ROLE`, `OUTBOX_FULL`.
   */
  async post(
    listing: Listing,
    said: { content: Uint8Array; id: Uint8Array | undefined },
    also: readonly Change[],
  ): Promise<void> {
    if (said.content.length > BODY_BYTES_MAX)
      throw new AlliumError(
        "TOO_LARGE",
        `Cannot send to group: ${said.content.length} bytes, expected at most ${BODY_BYTES_MAX}`,
      )
    await (await this.keeper(listing)).post(said.content, said.id, also)
  }

  /** What of the groups is in a backup: who may give their logs back. Whoever is alone in a group, is not in it. */
  async saved(identity: Identity): Promise<SavedGroup[]> {
    const saved: SavedGroup[] = []
    for (const listing of this.directory.list(identity)) {
      const { state } = await this.keeper(listing)
      const members = [...state.log.members.keys()].filter((key) => key !== identity.key)
      const { id, name } = listing
      if (listing.isIn && members.length > 0) saved.push({ id, name, members })
    }
    return saved
  }

  /** On a new machine: the members are asked for the logs. */
  restore(identity: Identity, groups: readonly SavedGroup[]): Promise<void> {
    return this.#comeback.begin(identity, groups)
  }

  /** Takes a letter of a group; all it changes is on disk when this resolves. @throws {AlliumError} `BAD_RECORD`. */
  async receive({ identity, contact, content, from }: ArrivedLetter): Promise<Reception> {
    const sender = from === "contact" ? contact.key : identity.key
    const record = read(content)
    const keeper = await this.#keeperFor(identity, sender, record)
    if (keeper === undefined) return { changes: [] }
    await asBadRecord(keeper.change((turn) => receive(turn, sender, record)))
    const back = await this.#comeback.end({ identity: identity.key, id: keeper.id })
    if (back !== undefined) await keeper.change(reviveGroup, [back])
    return { changes: [] }
  }

  /** Hears what became of a letter of a group. */
  async report({ identity, contact, name, state }: LetterReport): Promise<Reception> {
    const letter = parseLetterName(name)
    const listing =
      letter && this.directory.list(identity).find(({ id }) => id.startsWith(letter.group))
    if (letter !== undefined && listing !== undefined)
      await (await this.keeper(listing)).reported(letter, contact.key, state)
    return { changes: [] }
  }

  /** Resolves when names are as the logs say. */
  settled(): Promise<void> {
    return this.#meetings.take(async () => {})
  }

  /** For the keepers. */
  due(keeper: GroupKeeper): void {
    this.#runner.send(keeper)
  }

  /** For the keepers. */
  news(keeper: GroupKeeper): void {
    this.#runner.show(keeper, this.#nameOf(keeper))
  }

  /** For the keepers. */
  noted(keeper: GroupKeeper, notes: readonly Note[]): void {
    for (const note of notes) this.#tell(keeper, note)
    if (notes.some(({ kind }) => kind === "changed" || kind === "gone" || kind === "joined"))
      void this.#relist(keeper).catch((error) => this.#failed(error))
  }

  async #keeperFor(
    identity: Identity,
    sender: string,
    record: GroupRecord,
  ): Promise<GroupKeeper | undefined> {
    const of = { identity: identity.key, id: hex(record.group) }
    if (this.directory.get(of) !== undefined) return this.keeper(of)
    return this.#meetings.take(async () => {
      if (this.directory.get(of) !== undefined) return this.keeper(of)
      const met = await asBadRecord(
        Promise.resolve().then(() => meetGroup(this.#world(identity), record)),
      )
      if (met === undefined || !this.directory.hasRoom(identity, sender)) return undefined
      if ("state" in met) return this.#begin(identity, met.state)
      await this.#ask(identity, sender, met.question)
      return undefined
    })
  }

  /** "What group is this?" */
  async #ask(identity: Identity, sender: string, content: Uint8Array): Promise<void> {
    const key = `${identity.key}/${sender}`
    const now = this.#context.clock.monotonicMs()
    const last = this.#asked.get(key)
    if (sender === identity.key || (last !== undefined && now - last < QUESTION_MS)) return
    this.#asked.delete(key)
    this.#asked.set(key, now)
    for (const [oldest] of this.#asked) {
      if (this.#asked.size <= QUESTIONS_MAX) break
      this.#asked.delete(oldest)
    }
    const contact = this.#context.contacts.find(identity, sender)
    const name = `g/question/${Math.floor(this.#context.clock.now())}`
    await this.#context.mail.send({ identity, contact }, { content, name })
  }

  async #begin(identity: Identity, state: GroupState): Promise<GroupKeeper> {
    const ledger = new Ledger(groupRoom(this.#context.store, identity.key, state.log.id))
    const keeper = new GroupKeeper(this.#context, { identity, ledger, state, isNew: true }, this)
    const listing: Listing = {
      ...{ identity: identity.key, id: keeper.id, title: state.log.name },
      ...{ name: this.directory.freeName(identity, state.log.name), isIn: keeper.isIn },
      creator: state.log.entries[0]!.author,
    }
    const key = `${identity.key}/${keeper.id}`
    await this.directory.put(listing, (change) => keeper.change(() => undefined, [change]))
    this.#open.set(key, Promise.resolve(keeper))
    this.#names.set(key, (member) => this.memberName(keeper, member))
    this.news(keeper)
    return keeper
  }

  async #reopen(identityKey: string, id: string): Promise<GroupKeeper> {
    const identity = this.#context.identities.list().find(({ key }) => key === identityKey)
    if (identity === undefined)
      throw new AlliumError("NO_IDENTITY", "Cannot open group: its identity is gone")
    const room = groupRoom(this.#context.store, identityKey, Buffer.from(id, "hex"))
    const ledger = new Ledger(room)
    const state = await ledger.load()
    const keeper = new GroupKeeper(this.#context, { identity, ledger, state, isNew: false }, this)
    await keeper.load()
    this.#names.set(`${identityKey}/${id}`, (member) => this.memberName(keeper, member))
    this.due(keeper)
    this.news(keeper)
    return keeper
  }

  /** What a crash left is done first; then what time brings, again and again. */
  async #keepGoing(): Promise<void> {
    const { signal, clock } = this.#context
    await this.#comeback.askAgain().catch((error) => this.#failed(error))
    while (!signal.aborted) {
      for (const listing of this.directory.all()) await this.#tick(listing)
      await clock.sleep(TICK_MS, { signal }).catch(() => {})
    }
  }

  async #tick(listing: Listing): Promise<void> {
    try {
      await (await this.keeper(listing)).change(tick)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** The owner called it something else, or we came or went. */
  async #relist(keeper: GroupKeeper): Promise<void> {
    await this.#meetings.take(async () => {
      const old = this.directory.get({ identity: keeper.identity.key, id: keeper.id })
      const title = keeper.state.log.name
      if (old === undefined || (old.title === title && old.isIn === keeper.isIn)) return
      const name = old.title === title ? old.name : this.directory.freeName(keeper.identity, title)
      const listing = { ...old, title, name, isIn: keeper.isIn }
      await this.directory.put(listing, (change) => this.#context.store.commit([change]))
      this.news(keeper)
    })
  }

  #tell(keeper: GroupKeeper, note: Note): void {
    if (note.kind === "got" || note.kind === "resend") return
    const { kind, ...rest } = note
    const member = "member" in rest && { member: this.memberName(keeper, rest.member) }
    const about = { identity: keeper.identity.name, group: this.#nameOf(keeper), id: keeper.id }
    this.#context.emit(`group-${kind}`, { ...about, ...rest, ...member })
  }

  /** What we call a member: the name of the contact, what the owner calls them, or the beginning of their key. */
  memberName(keeper: GroupKeeper, key: string): string {
    const { identity, state } = keeper
    if (key === identity.key) return identity.name
    const contact = this.#context.contacts.list(identity).find((one) => one.key === key)
    return contact?.name ?? state.log.members.get(key)?.label ?? key.slice(0, 8)
  }

  /** What we call a member of the group of a conversation. */
  nameIn(head: Pick<Head, "identity" | "contact">, key: string): string {
    return this.#names.get(`${head.identity}/${head.contact}`)?.(key) ?? key
  }

  #nameOf(keeper: GroupKeeper): string {
    const listing = this.directory.get({ identity: keeper.identity.key, id: keeper.id })
    return listing?.name ?? keeper.state.log.name
  }

  #world(identity: Identity): GroupWorld {
    return {
      self: identity,
      nowMs: Math.floor(this.#context.clock.now()),
      isContact: () => false,
      random: (length) => new Uint8Array(randomBytes(length)),
    }
  }

  #failed(error: unknown): void {
    if (this.#context.signal.aborted) return
    this.#context.log.error("group.failed", { code: toAlliumError(error).code })
  }
}

function read(content: Uint8Array): GroupRecord {
  try {
    return readRecord(content)
  } catch {
    throw new AlliumError(
      "BAD_RECORD",
      "Cannot read group record: its shape is not that of version 1",
    )
  }
}

/** What a peer packed badly is a bad record: it never comes again. */
async function asBadRecord<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof AlliumError) || error.code !== "BAD_PACK") throw error
    throw new AlliumError(
      "BAD_RECORD",
      "Cannot read group record: it is not packed as it should be",
    )
  }
}

/**
 * All groups of this router: found by name, opened when they are needed, kept going by time.
 *
 * @module
 */
import { randomBytes, randomUUID } from "node:crypto"
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
  z,
} from "allium/plugin"
import type { ConversationBook } from "../book.ts"
import type { Head } from "../entry.ts"
import { hex, keyTextShape } from "./bytes.ts"
import { createGroup, reviveGroup, tick } from "./deeds.ts"
import { GroupKeeper, type KeeperListener } from "./keeper.ts"
import { groupRoom, Ledger } from "./ledger.ts"
import { parseLetterName } from "./letter-name.ts"
import { MEMBERS_MAX } from "./log.ts"
import { askWhole, meetGroup } from "./meeting.ts"
import { receive } from "./receive.ts"
import { BODY_BYTES_MAX, type GroupRecord, readRecord } from "./records.ts"
import { GroupRunner } from "./runner.ts"
import type { GroupState, GroupWorld, Note } from "./state.ts"

/** Groups an identity may belong to. */
export const GROUPS_MAX = 256
/** Groups one contact may make and add us to. */
export const GROUPS_BY_ONE_MAX = 32
/** Groups of an identity that are remembered, those it left among them. */
export const GROUPS_KEPT_MAX = 1_024
/** Between two looks at what time brings. */
const TICK_MS = 60_000
/** A question about a group we know nothing of goes to the same contact once in so long. */
const QUESTION_MS = 60_000
/** Contacts such questions are remembered of. */
const QUESTIONS_MAX = 1_000

const listingShape = z.object({
  identity: z.string(),
  /** Hex. */
  id: z.string(),
  /** What it is called here: unique within the identity. */
  name: z.string(),
  /** What its owner calls it. */
  title: z.string(),
  /** Identity key of who made it. */
  creator: z.string(),
  isIn: z.boolean(),
})
/** A group, as it is found. */
export type Listing = z.output<typeof listingShape>

/** A group in a backup. */
export const savedGroupShape = z.object({
  /** Hex. */
  id: z.string().regex(/^[0-9a-f]{64}$/),
  name: z.string(),
  /** Identity keys of the others. */
  members: z.array(keyTextShape).max(MEMBERS_MAX),
})
/** A group in a backup. */
export type SavedGroup = z.output<typeof savedGroupShape>

/** See the module. */
export class Hall implements KeeperListener {
  readonly #context: PluginContext
  readonly #runner: GroupRunner
  readonly #table
  readonly #wanted
  readonly #listings = new Map<string, Listing>()
  readonly #open = new Map<string, Promise<GroupKeeper>>()
  /** Of the groups that are open: what members are called. */
  readonly #names = new Map<string, (key: string) => string>()
  readonly #meetings = new Turns()
  readonly #asked = new Map<string, number>()

  constructor(context: PluginContext, book: ConversationBook) {
    this.#context = context
    this.#runner = new GroupRunner(context, book)
    this.#table = context.store.table("groups", listingShape)
    this.#wanted = context.store.table(
      "groups wanted",
      savedGroupShape.extend({ identity: z.string() }),
    )
  }

  /** Reads which groups there are; then they are kept going. */
  async load(): Promise<void> {
    for await (const [key, listing] of this.#table.entries()) this.#listings.set(key, listing)
    void this.#keepGoing().catch((error) => this.#failed(error))
  }

  /** In no particular order. */
  list(identity: Identity): Listing[] {
    return [...this.#listings.values()].filter((one) => one.identity === identity.key)
  }

  /** By name here, or by id: hex, 8 digits at least. */
  match(identity: Identity, nameOrId: string): Listing | undefined {
    const all = this.list(identity)
    const named = all.find(({ name }) => name === nameOrId)
    if (named !== undefined || !/^[0-9a-f]{8,64}$/.test(nameOrId)) return named
    const found = all.filter(({ id }) => id.startsWith(nameOrId))
    return found.length === 1 ? found[0] : undefined
  }

  /** @throws {AlliumError} `NO_GROUP`. */
  find(identity: Identity, nameOrId: string): Listing {
    const found = this.match(identity, nameOrId)
    if (found !== undefined) return found
    throw new AlliumError("NO_GROUP", "Cannot find group: there is none of this name or id")
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
      if (this.#isTaken(identity, name))
        throw new AlliumError("ALREADY_EXISTS", `Cannot create group: "${name}" is taken`)
      this.#requireRoom(identity, identity.key)
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
    for (const listing of this.list(identity)) {
      const { state } = await this.keeper(listing)
      const members = [...state.log.members.keys()].filter((key) => key !== identity.key)
      const { id, name } = listing
      if (listing.isIn && members.length > 0) saved.push({ id, name, members })
    }
    return saved
  }

  /** On a new machine: the members are asked for the logs. */
  async restore(identity: Identity, groups: readonly SavedGroup[]): Promise<void> {
    const fresh = groups.filter(({ id }) => !this.#listings.has(`${identity.key}/${id}`))
    await this.#context.store.commit(
      fresh.map((group) =>
        this.#wanted.put(`${identity.key}/${group.id}`, { ...group, identity: identity.key }),
      ),
    )
    for (const group of fresh) await this.#askFor(identity, group)
  }

  /** Takes a letter of a group; all it changes is on disk when this resolves. @throws {AlliumError} `BAD_RECORD`. */
  async receive({ identity, contact, content, from }: ArrivedLetter): Promise<Reception> {
    const sender = from === "contact" ? contact.key : identity.key
    const record = read(content)
    const keeper = await this.#keeperFor(identity, sender, record)
    if (keeper === undefined) return { changes: [] }
    await asBadRecord(keeper.change((turn) => receive(turn, sender, record)))
    const key = `${identity.key}/${keeper.id}`
    if ((await this.#wanted.get(key)) !== undefined)
      await keeper.change(reviveGroup, [this.#wanted.remove(key)])
    return { changes: [] }
  }

  /** Hears what became of a letter of a group. */
  async report({ identity, contact, name, state }: LetterReport): Promise<Reception> {
    const letter = parseLetterName(name)
    const listing = letter && this.list(identity).find(({ id }) => id.startsWith(letter.group))
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
    if (this.#listings.has(`${of.identity}/${of.id}`)) return this.keeper(of)
    return this.#meetings.take(async () => {
      if (this.#listings.has(`${of.identity}/${of.id}`)) return this.keeper(of)
      const met = await asBadRecord(
        Promise.resolve().then(() => meetGroup(this.#world(identity), record)),
      )
      if (met === undefined || !this.#hasRoom(identity, sender)) return undefined
      if ("state" in met) return this.#begin(identity, met.state)
      await this.#ask(identity, sender, met.question)
      return undefined
    })
  }

  async #askFor(identity: Identity, { id, members }: SavedGroup): Promise<void> {
    const content = askWhole(new Uint8Array(Buffer.from(id, "hex")))
    for (const contact of this.#context.contacts.list(identity)) {
      if (contact.state !== "accepted" || !members.includes(contact.key)) continue
      const name = `g/${id.slice(0, 16)}/${randomUUID()}`
      await this.#context.mail.send({ identity, contact }, { content, name })
    }
  }

  async #askAgain(): Promise<void> {
    for await (const [key, group] of this.#wanted.entries()) {
      const identity = this.#context.identities.list().find((one) => one.key === group.identity)
      if (this.#listings.has(key) || identity === undefined) continue
      await this.#askFor(identity, group)
    }
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
      ...{ name: this.#freeName(identity, state.log.name), isIn: keeper.isIn },
      creator: state.log.entries[0]!.author,
    }
    const key = `${identity.key}/${keeper.id}`
    await keeper.change(() => undefined, [this.#table.put(key, listing)])
    this.#listings.set(key, listing)
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
    await this.#askAgain().catch((error) => this.#failed(error))
    while (!signal.aborted) {
      for (const listing of [...this.#listings.values()]) await this.#tick(listing)
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
      const key = `${keeper.identity.key}/${keeper.id}`
      const old = this.#listings.get(key)
      const title = keeper.state.log.name
      if (old === undefined || (old.title === title && old.isIn === keeper.isIn)) return
      const name = old.title === title ? old.name : this.#freeName(keeper.identity, title)
      const listing = { ...old, title, name, isIn: keeper.isIn }
      await this.#context.store.commit([this.#table.put(key, listing)])
      this.#listings.set(key, listing)
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
    const listing = this.#listings.get(`${keeper.identity.key}/${keeper.id}`)
    return listing?.name ?? keeper.state.log.name
  }

  #isTaken(identity: Identity, name: string): boolean {
    const isIts = (one: { name: string }) => one.name === name
    return this.#context.contacts.list(identity).some(isIts) || this.list(identity).some(isIts)
  }

  #freeName(identity: Identity, wanted: string): string {
    let name = wanted
    for (let number = 2; this.#isTaken(identity, name); number++) name = `${wanted} ${number}`
    return name
  }

  #hasRoom(identity: Identity, creator: string): boolean {
    const all = this.list(identity)
    const by = all.filter((one) => one.creator === creator && creator !== identity.key)
    const active = all.filter(({ isIn }) => isIn)
    if (all.length >= GROUPS_KEPT_MAX || active.length >= GROUPS_MAX) return false
    return by.length < GROUPS_BY_ONE_MAX
  }

  #requireRoom(identity: Identity, creator: string): void {
    if (this.#hasRoom(identity, creator)) return
    throw new AlliumError("LIMIT_REACHED", `Cannot create group: there are ${GROUPS_MAX} already`)
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

/**
 * All groups of this router: found by name, opened when they are needed, kept going by time.
 *
 * @module
 */
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
import { GROUP_HAPPENINGS, type GroupEventDocument, groupHappeningShape } from "../document.ts"
import { hex, memberKeyOf } from "./bytes.ts"
import { Comeback, type SavedGroup } from "./comeback.ts"
import { createGroup } from "./deeds.ts"
import { Directory, type Listing } from "./directory.ts"
import { asBadRecord, readForeign } from "./foreign.ts"
import type { GroupKeeper } from "./keeper.ts"
import { Keepers, type KeepersListener } from "./keepers.ts"
import { parseLetterName } from "./letter-name.ts"
import { meetGroup } from "./meeting.ts"
import { GroupNames } from "./names.ts"
import { Questions } from "./questions.ts"
import { receive } from "./receive.ts"
import { BODY_BYTES_MAX, type GroupRecord } from "./records.ts"
import { GroupRunner } from "./runner.ts"
import type { Note } from "./state.ts"
import { reviveGroup, tick } from "./tick.ts"
import { worldOf } from "./world.ts"

/** Between two looks at what time brings. */
const TICK_MS = 60_000

/** See the module. */
export class Hall implements KeepersListener {
  readonly #context: PluginContext
  readonly #runner: GroupRunner
  readonly #comeback: Comeback
  readonly #keepers: Keepers
  readonly #questions: Questions
  readonly directory: Directory
  readonly names: GroupNames
  readonly #meetings = new Turns()
  readonly #tellWatchers: (identity: Identity, document: GroupEventDocument) => void

  /** @param tell - Hears what becomes of groups. */
  constructor(
    context: PluginContext,
    book: ConversationBook,
    tell: (identity: Identity, document: GroupEventDocument) => void,
  ) {
    this.#context = context
    this.#tellWatchers = tell
    this.#runner = new GroupRunner(context, book)
    this.directory = new Directory(context)
    this.names = new GroupNames(context, this.directory)
    this.#comeback = new Comeback(context, this.directory)
    this.#keepers = new Keepers(context, this.directory, this)
    this.#questions = new Questions(context)
  }

  /** Reads which groups there are; then they are kept going. */
  async load(): Promise<void> {
    await this.directory.load()
    void this.#keepGoing().catch((error) => this.#failed(error))
  }

  /** @throws {AlliumError} `STORE_DAMAGED`. */
  keeper(of: Pick<Listing, "identity" | "id">): Promise<GroupKeeper> {
    return this.#keepers.get(of)
  }

  /** Makes a group. @throws {AlliumError} `ALREADY_EXISTS`, `LIMIT_REACHED`. */
  create(identity: Identity, name: string): Promise<GroupKeeper> {
    return this.#meetings.take(async () => {
      this.directory.requireFree(identity, name)
      this.directory.requireRoom(identity)
      return this.#keepers.begin(identity, createGroup(worldOf(this.#context, identity), name))
    })
  }

  /** Takes a group that we do not belong to off the list. @throws {AlliumError} `GROUP_ROLE` for a member. */
  forget(listing: Listing): Promise<void> {
    return this.#meetings.take(async () => {
      if ((await this.keeper(listing)).isIn)
        throw new AlliumError(
          "GROUP_ROLE",
          "Cannot forget group: you belong to it, expected one you left",
        )
      const forgotten = { ...listing, isForgotten: true }
      await this.directory.put(forgotten, (change) => this.#context.store.commit([change]))
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
    const sender = from === "contact" ? memberKeyOf(contact) : identity.key
    const record = readForeign(content)
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
      await (await this.keeper(listing)).reported(letter, memberKeyOf(contact), state)
    return { changes: [] }
  }

  /** Resolves when names are as the logs say. */
  settled(): Promise<void> {
    return this.#meetings.take(async () => {})
  }

  /** For the keepers. */
  opened(keeper: GroupKeeper): void {
    this.names.add(keeper)
  }

  /** For the keepers. */
  due(keeper: GroupKeeper): void {
    this.#runner.send(keeper)
  }

  /** For the keepers. */
  news(keeper: GroupKeeper): void {
    this.#runner.show(keeper, this.names.nameOf(keeper))
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
        Promise.resolve().then(() => meetGroup(worldOf(this.#context, identity), record)),
      )
      if (met === undefined || !this.directory.hasRoom(identity, sender)) return undefined
      if ("state" in met) return this.#keepers.begin(identity, met.state)
      await this.#questions.ask(identity, sender, met.question)
      return undefined
    })
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
      // A name that was forgotten may have been given to another.
      const keepsName = old.title === title && !old.isForgotten
      const name = keepsName ? old.name : this.directory.freeName(keeper.identity, title)
      const { isForgotten, ...rest } = old
      const stays = isForgotten === true && !keeper.isIn && { isForgotten }
      const listing = { ...rest, title, name, isIn: keeper.isIn, ...stays }
      await this.directory.put(listing, (change) => this.#context.store.commit([change]))
      this.news(keeper)
    })
  }

  #tell(keeper: GroupKeeper, note: Note): void {
    if (note.kind === "got" || note.kind === "resend") return
    const { kind, ...rest } = note
    const member = "member" in rest && { member: this.names.memberName(keeper, rest.member) }
    const about = {
      identity: keeper.identity.name,
      group: this.names.nameOf(keeper),
      id: keeper.id,
    }
    this.#context.emit(`group-${kind}`, { ...about, ...rest, ...member })
    this.#watched(keeper, kind)
  }

  #watched(keeper: GroupKeeper, kind: string): void {
    const event = groupHappeningShape.safeParse(`group-${kind}`)
    if (!event.success) return
    const at = new Date(this.#context.clock.now()).toISOString()
    const whose = { identity: keeper.identity.name, contact: this.names.nameOf(keeper) }
    const text = GROUP_HAPPENINGS[event.data]
    this.#tellWatchers(keeper.identity, { ...whose, group: keeper.id, event: event.data, text, at })
  }

  #failed(error: unknown): void {
    if (this.#context.signal.aborted) return
    this.#context.log.error("group.failed", { code: toAlliumError(error).code })
  }
}

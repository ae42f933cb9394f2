/**
 * What an identity has put into its library, and whom each thing is shown to. On disk, and looked at now and then.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import {
  AlliumError,
  type Contact,
  type Identity,
  type PluginContext,
  Slots,
  safeName,
  Turns,
  toAlliumError,
  z,
} from "allium/plugin"
import { FILES_OFFERED_MAX } from "../contact/letters.ts"
import type { DiskRoom } from "../disk/disk-room.ts"
import { surveyShare } from "../disk/survey.ts"
import { refuseSecrets } from "../world/sharing.ts"
import { Catalogue } from "./catalogue.ts"

/** Things in all libraries of a router. */
const ENTRIES_MAX = 1_000
/** Files in all of them: what is known of each is in memory. */
const CATALOGUED_MAX = 100_000
/** What is on disk is looked at again when somebody asks later than that. */
const FRESH_MS = 300_000
/** Contacts that one thing is shown to by name. */
const AUDIENCE_MAX = 1_000

const entryShape = z.object({
  /** 32 hexadecimal digits; never told to anybody. */
  id: z.string(),
  /** Key of the identity whose library it is in. */
  identity: z.string(),
  /** What contacts see; safe, and the only one of that name in this library. */
  name: z.string(),
  /** Real path of the file or folder. */
  path: z.string(),
  /** `all` accepted contacts, or the keys of those who see it. */
  audience: z.union([z.literal("all"), z.array(z.string()).max(AUDIENCE_MAX)]),
  /** Milliseconds since 1970. */
  addedAt: z.int(),
})

/** One thing in a library. */
export type Entry = z.output<typeof entryShape>

interface Kept {
  entry: Entry
  catalogue: Catalogue | undefined
  lookedAtMs: number
  /** Code of why it cannot be shown. */
  reason: string | undefined
}

/** An entry and what is in it. */
export interface ShownEntry {
  readonly entry: Entry
  readonly catalogue: Catalogue
}

/** What is wanted of an entry. */
export interface EntryWish {
  readonly identity: Identity
  readonly path: string
  readonly name: string | undefined
  /** As it was, or nobody. */
  readonly audience: Entry["audience"] | undefined
}

/** See the module. */
export class Shelf {
  readonly #context: PluginContext
  readonly #room: DiskRoom
  readonly #table
  readonly #turns = new Turns()
  readonly #looking = new Slots(1)
  readonly #entries = new Map<string, Kept>()

  constructor(context: PluginContext, room: DiskRoom) {
    this.#context = context
    this.#room = room
    this.#table = context.store.table("library", entryShape)
  }

  /** Reads what is on disk. */
  async load(): Promise<void> {
    const found: Entry[] = []
    for await (const [, entry] of this.#table.entries()) found.push(entry)
    found.sort((left, right) => left.addedAt - right.addedAt)
    for (const entry of found) this.#entries.set(entry.id, unseen(entry))
  }

  /** Oldest first. */
  list(identity: Identity): { entry: Entry; catalogue?: Catalogue; reason?: string }[] {
    return this.#of(identity).map(({ entry, catalogue, reason }) => ({
      ...{ entry, ...(catalogue && { catalogue }), ...(reason && { reason }) },
    }))
  }

  /**
   * Puts something in, or changes whom it is shown to; on disk when it resolves.
   *
   * @throws {AlliumError} `BAD_INPUT`; `ALREADY_EXISTS` for another thing of that name; `LIMIT_REACHED`; what the disk says.
   */
  add(wish: EntryWish, call: { signal: AbortSignal }): Promise<ShownEntry> {
    return this.#turns.take(async () => {
      const { disk } = this.#room
      const survey = await surveyShare(disk, wish.path, call)
      const path = await disk.realpath(wish.path)
      await refuseSecrets(this.#context.folder, survey.files)
      const mine = this.#of(wish.identity)
      const old = mine.find(({ entry }) => entry.path === path)?.entry
      const name = safeName(wish.name ?? old?.name ?? survey.name)
      if (mine.some(({ entry }) => entry.name === name && entry.id !== old?.id))
        throw new AlliumError("ALREADY_EXISTS", "Cannot add to library: the name is in use there")
      this.#requireRoom(old?.id, survey.files.length)
      const entry: Entry = {
        ...{ id: old?.id ?? randomBytes(16).toString("hex"), identity: wish.identity.key },
        ...{ name, path, audience: wish.audience ?? old?.audience ?? [] },
        addedAt: old?.addedAt ?? Math.floor(this.#context.clock.now()),
      }
      const catalogue = new Catalogue(name, survey)
      await this.#context.store.commit([this.#table.put(entry.id, entry)])
      const lookedAtMs = this.#context.clock.monotonicMs()
      this.#entries.set(entry.id, { entry, catalogue, lookedAtMs, reason: undefined })
      return { entry, catalogue }
    })
  }

  /** By name or path; what is on disk stays. @throws {AlliumError} `NOT_FOUND`. */
  remove(identity: Identity, what: string): Promise<Entry> {
    return this.#turns.take(async () => {
      const found = this.#of(identity).find(
        ({ entry }) => entry.name === what || entry.path === what,
      )
      if (found === undefined)
        throw new AlliumError("NOT_FOUND", "Cannot remove from library: it is not there")
      await this.#context.store.commit([this.#table.remove(found.entry.id)])
      this.#entries.delete(found.entry.id)
      return found.entry
    })
  }

  /** What a contact may see now, by name. */
  async shownTo(
    identity: Identity,
    contact: Contact,
    call: { signal: AbortSignal },
  ): Promise<ShownEntry[]> {
    const shown: ShownEntry[] = []
    for (const kept of this.#of(identity)) {
      if (!isFor(kept.entry, contact)) continue
      const catalogue = await this.#fresh(kept, call)
      if (catalogue !== undefined) shown.push({ entry: kept.entry, catalogue })
    }
    return shown.sort((one, other) => (one.entry.name < other.entry.name ? -1 : 1))
  }

  #of(identity: Identity): Kept[] {
    return [...this.#entries.values()].filter(({ entry }) => entry.identity === identity.key)
  }

  /** One at a time, however many ask. */
  #fresh(kept: Kept, call: { signal: AbortSignal }): Promise<Catalogue | undefined> {
    return this.#looking.take(async () => {
      const nowMs = this.#context.clock.monotonicMs()
      if (nowMs - kept.lookedAtMs < FRESH_MS) return kept.catalogue
      try {
        const survey = await surveyShare(this.#room.disk, kept.entry.path, call)
        await refuseSecrets(this.#context.folder, survey.files)
        this.#requireRoom(kept.entry.id, survey.files.length)
        Object.assign(kept, { reason: undefined })
        kept.catalogue = new Catalogue(kept.entry.name, survey)
      } catch (error) {
        call.signal.throwIfAborted()
        Object.assign(kept, { catalogue: undefined, reason: toAlliumError(error).code })
      }
      kept.lookedAtMs = nowMs
      return kept.catalogue
    }, call)
  }

  #requireRoom(id: string | undefined, fileCount: number): void {
    const others = [...this.#entries.values()].filter(({ entry }) => entry.id !== id)
    const files = others.reduce((sum, { catalogue }) => sum + (catalogue?.items.length ?? 0), 0)
    if (others.length >= ENTRIES_MAX || files + fileCount > CATALOGUED_MAX)
      throw new AlliumError("LIMIT_REACHED", "Cannot add to library: there is too much in it")
    if (fileCount > FILES_OFFERED_MAX)
      throw new AlliumError("LIMIT_REACHED", `Cannot add to library: it has ${fileCount} files`)
  }
}

/** Whether a contact may see it. */
function isFor({ audience }: Entry, { key }: Contact): boolean {
  return audience === "all" || audience.includes(key)
}

function unseen(entry: Entry): Kept {
  return { entry, catalogue: undefined, lookedAtMs: Number.NEGATIVE_INFINITY, reason: undefined }
}

/**
 * Coming back on a new machine: from the words, by what contacts kept for us and what our towers hold.
 *
 * @see docs/protocol/backup.md
 * @module
 */
import { z } from "zod"
import { Alarm } from "../base/alarm.ts"
import { openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import { toAlliumError } from "../base/errors.ts"
import { keepTrying } from "../base/keep-trying.ts"
import type { Log } from "../base/log.ts"
import type { Chance } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { Turns } from "../base/turns.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import { freeName } from "../identity/names.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import type { BackupDesk } from "./backup-desk.ts"
import { type Backup, blobPlace, openBackup } from "./backup-format.ts"
import type { BackupMail } from "./backup-mail.ts"
import type { Keepsake } from "./keepsake.ts"
import type { KeepsakeDesk } from "./keepsake-desk.ts"
import type { Links } from "./links.ts"
import { type Findings, findAtTower, findInFile, namesFrom, namesOf } from "./restore-search.ts"
import type { TowerAddress } from "./tower-uri.ts"

/** Whoever was away when we came back has this long to hand us their keepsake. */
const ASKING_MS = 30 * 86_400_000
/** Tries to get a backup from a tower that is away. */
const RETRY = { firstMs: 5_000, mostMs: 600_000 } as const
/** Towers that keepsakes may name: ours, and those we used before. */
const TOWERS_MAX = 8

const progressShape = z.object({
  /** Milliseconds since 1970. */
  sinceMs: z.number(),
  towers: z.array(z.object({ key: z.string(), address: z.string() })),
  /** When the backup was made that was loaded, in milliseconds since 1970. */
  backupMs: z.number().optional(),
  /** By contact: when the keepsake was made that brought them. */
  brought: z.record(z.string(), z.number()),
})
/** How far an identity has come. */
type Progress = z.output<typeof progressShape>

/** What to restore, and from where. */
export interface RestoreWish {
  readonly words: string
  /** First identity first; what backups say when absent. */
  readonly names?: readonly string[] | undefined
  /** A tower that holds backups. */
  readonly tower?: TowerAddress | undefined
  /** A backup from a file. */
  readonly file?: Uint8Array | undefined
}

/** See the module. */
export interface RestoreDesk extends AsyncDisposable {
  /** @throws {AlliumError} `BAD_PHRASE`, `ALREADY_EXISTS`, `BAD_BACKUP` when the file opens for none of the identities, what the tower says. */
  restore(wish: RestoreWish, call: { signal: AbortSignal }): Promise<readonly Identity[]>
  /** `looking`: contacts are asked. `found`: a backup was loaded. `undefined`: it was never restored here. */
  state(identity: Identity): "looking" | "found" | undefined
}

/** What the desk stands on. */
export interface RestoreDeskOptions {
  readonly identities: IdentityBook
  readonly links: Pick<Links, "onStranger" | "contactChanged">
  readonly backups: BackupDesk
  readonly keepsakes: KeepsakeDesk
  readonly mail: Pick<BackupMail, "getBlob">
  /** Opens the post of an identity that came back. */
  readonly onPost: (identity: Identity) => Promise<void>
  /** Opens all the rest; when it is reachable, its session too. */
  readonly onNew: (identity: Identity) => Promise<void>
  /** Before there is a session: an identity that published nothing does not begin to. */
  readonly bringReach: (identity: Identity, reach: Backup["reach"]) => Promise<void>
  readonly emit: (event: string, data: Readonly<Record<string, unknown>>) => void
  readonly store: StoreRoom
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

/** Opens the desk; what was not found before the last end is looked for again. */
export async function openRestoreDesk(options: RestoreDeskOptions): Promise<RestoreDesk> {
  const desk = new Desk(options)
  await desk.open()
  return desk
}

class Desk implements RestoreDesk {
  readonly #options: RestoreDeskOptions
  readonly #table: Table<Progress>
  readonly #progress = new Map<string, Progress>()
  readonly #scope = new Scope()
  readonly #turns = new Turns()
  readonly #fetching = new Map<string, Alarm>()

  constructor(options: RestoreDeskOptions) {
    this.#options = options
    this.#table = options.store.table("restoring", progressShape)
  }

  async open(): Promise<void> {
    for await (const [key, progress] of this.#table.entries()) this.#progress.set(key, progress)
    this.#scope.defer(
      this.#options.links.onStranger((identity, peer) => {
        this.#ask(identity, peer).catch((thrown: unknown) => this.#tell("not-asked", thrown))
      }),
    )
    for (const identity of this.#options.identities.list()) this.#fetchLater(identity)
  }

  async restore(
    { words, names, tower, file }: RestoreWish,
    call: { signal: AbortSignal },
  ): Promise<readonly Identity[]> {
    const { identities, backups } = this.#options
    const found: Findings = new Map()
    if (file !== undefined) await findInFile(words, file, found)
    const ask = (id: Uint8Array) => this.#options.mail.getBlob(tower!, id, call)
    if (tower !== undefined) await findAtTower(words, tower.key, ask, found)
    await identities.restore(words, namesFrom(found, names))
    for (const identity of identities.list()) {
      await this.#begin(identity, tower === undefined ? [] : [tower])
      await this.#options.onPost(identity)
    }
    for (const identity of identities.list()) {
      const sealed = found.get(identity.index)?.sealed
      if (sealed !== undefined) await this.#loaded(identity, await backups.load(identity, sealed))
      await this.#options.onNew(identity)
    }
    return identities.list()
  }

  state(identity: Identity): "looking" | "found" | undefined {
    const progress = this.#progress.get(identity.key)
    return progress && (progress.backupMs === undefined ? "looking" : "found")
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }

  async #begin(identity: Identity, towers: readonly TowerAddress[]): Promise<void> {
    const sinceMs = this.#options.clock.now()
    await this.#save(identity, { sinceMs, towers: [...towers], brought: {} })
  }

  async #save(identity: Identity, progress: Progress): Promise<void> {
    await this.#options.store.commit([this.#table.put(identity.key, progress)])
    this.#progress.set(identity.key, progress)
  }

  #asksNow(identity: Identity): Progress | undefined {
    const progress = this.#progress.get(identity.key)
    const isOver = progress && this.#options.clock.now() - progress.sinceMs > ASKING_MS
    return isOver ? undefined : progress
  }

  /** Somebody our book does not know is here: perhaps a contact of the lost machine. */
  async #ask(identity: Identity, peer: { key: string; address: string }): Promise<void> {
    if (this.#asksNow(identity) === undefined) return
    const { signal } = this.#scope
    const keepsake = await this.#options.keepsakes.ask(identity, peer, { signal })
    if (keepsake !== undefined) await this.#turns.take(() => this.#take(identity, peer, keepsake))
  }

  async #take(
    identity: Identity,
    peer: { key: string; address: string },
    { madeMs, name, verified, since, towers }: Keepsake,
  ): Promise<void> {
    const progress = this.#progress.get(identity.key)
    const book = this.#options.identities.contacts(identity)
    // Who is not in a newer backup was removed; who is, is as the backup says.
    const isOld = progress?.backupMs !== undefined && madeMs <= progress.backupMs
    if (progress === undefined || isOld || book.byKey(peer.key)?.state === "blocked") return
    const contact = { ...peer, name, verified, since, state: "accepted", greeting: "" } as const
    await book.bring([contact])
    const news = towers.filter(({ key }) => !progress.towers.some((known) => known.key === key))
    await this.#save(identity, {
      ...progress,
      towers: [...progress.towers, ...news].slice(0, TOWERS_MAX),
      brought: { ...progress.brought, [peer.key]: madeMs },
    })
    this.#options.links.contactChanged(identity, peer.key)
    this.#options.emit("contact.changed", {
      identity: identity.name,
      contact: name,
      state: "accepted",
    })
    this.#fetchLater(identity)
  }

  /** Tries every tower that was named until one has our backup. */
  #fetchLater(identity: Identity): void {
    const progress = this.#asksNow(identity)
    if (progress === undefined || progress.backupMs !== undefined) return
    if (progress.towers.length === 0) return
    const running = this.#fetching.get(identity.key)
    running?.ring()
    if (running !== undefined) return
    const alarm = new Alarm()
    this.#fetching.set(identity.key, alarm)
    const { clock, chance } = this.#options
    const backoff = openBackoff({ ...RETRY, chance })
    const failed = (thrown: unknown) => this.#tell("not-found", thrown)
    const { signal } = this.#scope
    keepTrying(() => this.#fetch(identity), { clock, signal, backoff, alarm, failed })
      .catch((thrown: unknown) => this.#tell("ended", thrown))
      .finally(() => this.#fetching.delete(identity.key))
  }

  async #fetch(identity: Identity): Promise<"done" | "again"> {
    const progress = this.#asksNow(identity)
    if (progress === undefined || progress.backupMs !== undefined) return "done"
    const found: { sealed: Uint8Array; revision: number }[] = []
    for (const tower of progress.towers) {
      const sealed = await this.#fetchOne(identity, tower)
      if (sealed !== undefined) found.push(sealed)
    }
    const [newest] = found.sort((one, other) => other.revision - one.revision)
    if (newest === undefined) return "again"
    const backup = await this.#options.backups.load(identity, newest.sealed)
    await this.#turns.take(() => this.#loaded(identity, backup))
    return "done"
  }

  /** What a tower has for us, if it can be reached and what it has opens. */
  async #fetchOne(identity: Identity, tower: TowerAddress) {
    const { signal } = this.#scope
    try {
      const { id } = blobPlace(identity, tower.key)
      const sealed = await this.#options.mail.getBlob(tower, id, { signal })
      return sealed && { sealed, revision: openBackup(identity, sealed).revision }
    } catch (thrown) {
      this.#tell("not-fetched", thrown)
      return undefined
    }
  }

  async #loaded(identity: Identity, backup: Backup): Promise<void> {
    const { identities, emit, links } = this.#options
    const progress = this.#progress.get(identity.key)
    if (progress === undefined) return
    const book = identities.contacts(identity)
    const kept = new Set(backup.contacts.map(({ key }) => key))
    for (const [key, madeMs] of Object.entries(progress.brought)) {
      if (kept.has(key) || madeMs > backup.madeMs || book.byKey(key) === undefined) continue
      await book.remove(key) // removed before the loss; they kept what we had given them
      links.contactChanged(identity, key)
    }
    await this.#save(identity, { ...progress, backupMs: backup.madeMs })
    emit("identity.restored", { identity: identity.name, contacts: backup.contacts.length })
    await this.#addSiblings(backup)
  }

  /** Identities of the same words: those the user did not name are made, and each is told where its backup lies. */
  async #addSiblings({ siblings }: Backup): Promise<void> {
    const { identities } = this.#options
    const names = namesOf(siblings)
    for (let index = identities.list().length; index < names.length; index++) {
      const isTaken = (name: string) => identities.list().some((one) => one.name === name)
      const identity = await identities.create(freeName(names[index]!, isTaken))
      await this.#addSibling(
        identity,
        siblings.find((one) => one.index === index),
      )
    }
    for (const { index, towers } of siblings) {
      const identity = identities.list().find((one) => one.index === index)
      const progress = identity && this.#asksNow(identity)
      if (identity === undefined || progress === undefined || progress.towers.length > 0) continue
      await this.#save(identity, { ...progress, towers })
      this.#fetchLater(identity)
    }
  }

  async #addSibling(
    identity: Identity,
    said: Backup["siblings"][number] | undefined,
  ): Promise<void> {
    const { onPost, onNew, bringReach } = this.#options
    await this.#begin(identity, [])
    await onPost(identity)
    if (said?.reach === "pull-only") await bringReach(identity, said.reach)
    await onNew(identity)
  }

  #tell(event: string, thrown: unknown): void {
    if (!this.#scope.signal.aborted)
      this.#options.log.debug(`restore.${event}`, { code: toAlliumError(thrown).code })
  }
}

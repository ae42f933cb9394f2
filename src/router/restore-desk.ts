/**
 * Coming back on a new machine: from the words, by what contacts kept for us and what our towers hold.
 *
 * @see docs/protocol/backup.md
 * @module
 */
import { Alarm } from "../base/alarm.ts"
import { openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import { toAlliumError } from "../base/errors.ts"
import { keepTrying } from "../base/keep-trying.ts"
import type { Log } from "../base/log.ts"
import type { Chance } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { Turns } from "../base/turns.ts"
import { previewIdentities } from "../identity/book.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import { freeName } from "../identity/names.ts"
import type { StoreRoom } from "../store/store.ts"
import type { BackupDesk } from "./backup-desk.ts"
import { type Backup, blobPlace, openBackup } from "./backup-format.ts"
import type { BackupMail } from "./backup-mail.ts"
import { MEETING_MS, welcomeAtHomecoming } from "./homecoming.ts"
import type { Stranger } from "./identity-links.ts"
import type { Keepsake } from "./keepsake.ts"
import type { KeepsakeDesk } from "./keepsake-desk.ts"
import type { Links } from "./links.ts"
import { RestoreProgress } from "./restore-progress.ts"
import { type Findings, findAtTower, findInFile, namesFrom, namesOf } from "./restore-search.ts"
import type { Sessions } from "./sessions.ts"
import type { TowerAddress } from "./tower-uri.ts"

/** Tries to get a backup from a tower that is away. */
const RETRY = { firstMs: 5_000, mostMs: 600_000 } as const
/** Towers that keepsakes may name: ours, and those we used before. */
const TOWERS_MAX = 8

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
  readonly links: Pick<Links, "onStranger" | "contactChanged" | "welcome">
  readonly sessions: Pick<Sessions, "open">
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
  readonly #progress: RestoreProgress
  readonly #scope = new Scope()
  readonly #turns = new Turns()
  readonly #fetching = new Map<string, Alarm>()
  readonly #welcoming = new Map<string, Scope>()

  constructor(options: RestoreDeskOptions) {
    this.#options = options
    this.#progress = new RestoreProgress(options.store, options.clock)
  }

  async open(): Promise<void> {
    await this.#progress.load()
    this.#scope.defer(
      this.#options.links.onStranger((identity, peer) => {
        this.#ask(identity, peer).catch((thrown: unknown) => this.#tell("not-asked", thrown))
      }),
    )
    for (const identity of this.#options.identities.list()) {
      this.#fetchLater(identity)
      this.#welcome(identity)
    }
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
    const towers = tower === undefined ? [] : [tower]
    await this.#makeAll(words, namesFrom(found, names), towers, found.size > 0)
    for (const identity of identities.list()) await this.#options.onPost(identity)
    for (const identity of identities.list()) {
      const sealed = found.get(identity.index)?.sealed
      if (sealed !== undefined) await this.#loaded(identity, await backups.load(identity, sealed))
      await this.#options.onNew(identity)
      this.#welcome(identity)
    }
    return identities.list()
  }

  state(identity: Identity): "looking" | "found" | undefined {
    const progress = this.#progress.of(identity)
    return progress && (progress.backupMs === undefined ? "looking" : "found")
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }

  /** Progress first: a crash in the middle leaves nobody who does not know that he lost something. */
  async #makeAll(
    words: string,
    names: readonly string[],
    towers: readonly TowerAddress[],
    mayStand: boolean,
  ): Promise<void> {
    const { identities } = this.#options
    const keyAt = await previewIdentities(words)
    const stands = this.#own().length
    // What was found late, in a file or at a tower, still comes to the identities it belongs to.
    const isSame = mayStand && this.#own()[0]?.key === keyAt(0).key
    if (stands > 0 && !isSame) return identities.restore(words, names)
    for (const [index, name] of names.entries()) {
      const { key } = keyAt(index)
      if (this.#progress.of({ key }) === undefined) await this.#progress.begin({ key }, towers)
      if (isSame && index >= stands) await identities.create(this.#freeName(name))
    }
    if (!isSame) await identities.restore(words, names)
  }

  /** Identities of the words that are here. */
  #own(): readonly Identity[] {
    return this.#options.identities.list().filter(({ device }) => device === 0)
  }

  #freeName(name: string): string {
    const isTaken = (other: string) =>
      this.#options.identities.list().some((one) => one.name === other)
    return freeName(name, isTaken)
  }

  /** Who knows of no tower waits where contacts look for those they have just lost, too. */
  #welcome(identity: Identity): void {
    const progress = this.#progress.of(identity)
    if (progress === undefined || progress.backupMs !== undefined) return
    if (progress.towers.length > 0 || this.#welcoming.has(identity.key)) return
    const scope = this.#scope.use(new Scope())
    this.#welcoming.set(identity.key, scope)
    const untilMs = progress.sinceMs + MEETING_MS
    welcomeAtHomecoming(identity, this.#options, { untilMs, scope })
  }

  /** Somebody our book does not know is here: perhaps a contact of the lost machine. */
  async #ask(identity: Identity, peer: Stranger): Promise<void> {
    if (this.#progress.running(identity) === undefined) return
    const { signal } = this.#scope
    const keepsake = await this.#options.keepsakes.ask(identity, peer, { signal })
    if (keepsake !== undefined) await this.#turns.take(() => this.#take(identity, peer, keepsake))
  }

  async #take(
    identity: Identity,
    peer: { key: string; address: string },
    { madeMs, key, next, name, verified, since, towers }: Keepsake,
  ): Promise<void> {
    const progress = this.#progress.of(identity)
    const book = this.#options.identities.contacts(identity)
    // Who is not in a newer backup was removed; who is, is as the backup says.
    const isOld = progress?.backupMs !== undefined && madeMs <= progress.backupMs
    if (progress === undefined || isOld || book.byKey(key)?.state === "blocked") return
    const keys = { key, ...(key !== peer.key && { presentKey: peer.key }), nextKeyHash: next }
    const told = identity.present.version
    const them = { ...keys, address: peer.address, name, verified, since, told }
    await book.bring([{ ...them, state: "accepted", greeting: "" }])
    const news = towers.filter(({ key }) => !progress.towers.some((known) => known.key === key))
    await this.#progress.save(identity, {
      ...progress,
      towers: [...progress.towers, ...news].slice(0, TOWERS_MAX),
      brought: { ...progress.brought, [key]: madeMs },
    })
    this.#options.links.contactChanged(identity, key)
    this.#options.emit("contact.changed", {
      identity: identity.name,
      contact: name,
      state: "accepted",
    })
    this.#fetchLater(identity)
  }

  /** Tries every tower that was named until one has our backup. */
  #fetchLater(identity: Identity): void {
    const progress = this.#progress.running(identity)
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
    const progress = this.#progress.running(identity)
    if (progress === undefined || progress.backupMs !== undefined) return "done"
    const asked = progress.towers.map((tower) => this.#fetchOne(identity, tower))
    const found = (await Promise.all(asked)).filter((one) => one !== undefined)
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
    const progress = this.#progress.of(identity)
    if (progress === undefined) return
    const book = identities.contacts(identity)
    const kept = new Set(backup.contacts.map(({ key }) => key))
    for (const [key, madeMs] of Object.entries(progress.brought)) {
      if (kept.has(key) || madeMs > backup.madeMs || book.byKey(key) === undefined) continue
      await book.remove(key) // removed before the loss; they kept what we had given them
      links.contactChanged(identity, key)
    }
    await this.#progress.save(identity, { ...progress, backupMs: backup.madeMs })
    // Who publishes nothing is met nowhere; others may need the time until they are found at home.
    if (backup.reach === "pull-only") await this.#welcoming.get(identity.key)?.close()
    emit("identity.restored", { identity: identity.name, contacts: backup.contacts.length })
    await this.#addSiblings(backup)
  }

  /** Identities of the same words: those the user did not name are made, and each is told where its backup lies. */
  async #addSiblings({ siblings }: Backup): Promise<void> {
    const { identities } = this.#options
    const names = namesOf(siblings)
    for (let index = this.#own().length; index < names.length; index++) {
      const identity = await identities.create(this.#freeName(names[index]!))
      await this.#addSibling(
        identity,
        siblings.find((one) => one.index === index),
      )
    }
    for (const { index, towers } of siblings) {
      const identity = identities.list().find((one) => one.index === index)
      const progress = identity && this.#progress.running(identity)
      if (identity === undefined || progress === undefined || progress.towers.length > 0) continue
      await this.#progress.save(identity, { ...progress, towers })
      this.#fetchLater(identity)
    }
  }

  async #addSibling(
    identity: Identity,
    said: Backup["siblings"][number] | undefined,
  ): Promise<void> {
    const { onPost, onNew, bringReach } = this.#options
    await this.#progress.begin(identity, [])
    await onPost(identity)
    if (said?.reach === "pull-only") await bringReach(identity, said.reach)
    await onNew(identity)
  }

  #tell(event: string, thrown: unknown): void {
    if (!this.#scope.signal.aborted)
      this.#options.log.debug(`restore.${event}`, { code: toAlliumError(thrown).code })
  }
}

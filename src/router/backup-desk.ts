/**
 * Backups of all identities: written to their towers by themselves, and read back on a new machine.
 *
 * @see docs/protocol/backup.md
 * @module
 */
import { createHash } from "node:crypto"
import { z } from "zod"
import { Alarm } from "../base/alarm.ts"
import { openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import { AlliumError, isAlliumError, toAlliumError } from "../base/errors.ts"
import { keepTrying } from "../base/keep-trying.ts"
import type { Log } from "../base/log.ts"
import { packValue } from "../base/pack.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import { type Backup, blobPlace, openBackup, type Sibling, sealBackup } from "./backup-format.ts"
import type { BackupMail } from "./backup-mail.ts"
import { type BackupParts, openBackupParts } from "./backup-parts.ts"
import type { BackupPart } from "./plugin.ts"
import type { TowerAddress } from "./tower-uri.ts"

/** Changes come in swarms: one backup for all of them. */
const SETTLE_MS = 30_000
/** What plugins changed is written when a day is over; and a tower that lost a backup has it again. */
const DAILY_MS = 86_400_000
/** A tower that is away is asked again. */
const RETRY = { firstMs: 30_000, mostMs: 3_600_000 } as const

/** What became of one backup. */
export interface BackupReport {
  readonly revision: number
  readonly byteCount: number
  /** Addresses of the towers that have it. */
  readonly towers: readonly string[]
}

/** See the module. */
export interface BackupDesk extends AsyncDisposable {
  /** Begins to keep the backup of an identity; once for each. */
  keep(identity: Identity): void
  /** Something that belongs into the backup changed. */
  changed(identity: Identity): void
  /** Writes it to every tower now. @throws {AlliumError} `NO_TOWER`, and what the last tower said when none took it. */
  write(identity: Identity, call: { signal: AbortSignal }): Promise<BackupReport>
  /** For a file; as secret as nothing, for only the words open it. */
  make(identity: Identity): Promise<Uint8Array>
  /**
   * Brings back what a backup holds. One that is older than what was written or loaded here changes no contact there is.
   * @throws {AlliumError} `BAD_BACKUP`.
   */
  load(identity: Identity, sealed: Uint8Array): Promise<Backup>
  /** Plugins' parts; see `PluginContext.backup`. */
  part(plugin: string, part: BackupPart, scope: Scope): void
  /** Every part, for a new device; and there, what came. */
  readonly parts: Pick<BackupParts, "save" | "load">
}

/** What the desk stands on. */
export interface BackupDeskOptions {
  readonly identities: IdentityBook
  readonly mail: BackupMail
  /** Told of each contact that came back. */
  readonly contactChanged: (identity: Identity, contactKey: string) => void
  readonly store: StoreRoom
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
}

/** Opens the desk; backups begin with {@linkcode BackupDesk.keep}. */
export async function openBackupDesk(options: BackupDeskOptions): Promise<BackupDesk> {
  return new Desk(options, await openBackupParts(options))
}

class Desk implements BackupDesk {
  readonly #options: BackupDeskOptions
  readonly parts: BackupParts
  readonly #revisions: Table<number>
  readonly #scope = new Scope()
  readonly #alarms = new Map<string, Alarm>()
  /** Hash of what each tower was last given, by identity and tower. */
  readonly #written: Table<string>

  constructor(options: BackupDeskOptions, parts: BackupParts) {
    this.#options = options
    this.parts = parts
    this.#revisions = options.store.table("backup-revisions", z.int().min(0))
    this.#written = options.store.table("backup-written", z.string())
  }

  keep(identity: Identity): void {
    if (this.#alarms.has(identity.key)) return
    this.#alarms.set(identity.key, new Alarm())
    this.changed(identity)
    this.#keep(identity).catch((thrown: unknown) => this.#tell("ended", thrown))
  }

  changed(identity: Identity): void {
    this.#alarms.get(identity.key)?.ring()
  }

  async write(identity: Identity, call: { signal: AbortSignal }): Promise<BackupReport> {
    const towers = this.#options.mail.towers(identity)
    if (towers.length === 0)
      throw new AlliumError("NO_TOWER", "Cannot write backup: the identity uses no tower")
    const reached: TowerAddress[] = []
    let failure: unknown
    const each = async (tower: TowerAddress, deed: () => Promise<void>, into: TowerAddress[]) => {
      try {
        await deed()
        into.push(tower)
      } catch (thrown) {
        failure = thrown
        this.#tell("refused", thrown)
      }
    }
    for (const tower of towers) await each(tower, () => this.#look(identity, tower, call), reached)
    const made = await this.#make(identity)
    const done: TowerAddress[] = []
    for (const tower of reached)
      await each(tower, () => this.#put(identity, tower, made, call), done)
    if (done.length === 0) throw failure
    const { revision, bytes } = made
    return { revision, byteCount: bytes.length, towers: done.map(({ address }) => address) }
  }

  async make(identity: Identity): Promise<Uint8Array> {
    return (await this.#make(identity)).bytes
  }

  async load(identity: Identity, sealed: Uint8Array): Promise<Backup> {
    const { identities, mail, store, contactChanged } = this.#options
    const backup = openBackup(identity, sealed)
    await identities.rotate(identity, backup.keyVersion ?? 0)
    const book = identities.contacts(identity)
    const doors = identities.doors(identity)
    const known = (await this.#revisions.get(identity.key)) ?? 0
    const isOld = backup.revision < known
    const contacts = await book.bring(
      backup.contacts.filter(({ key }) => !isOld || book.byKey(key) === undefined),
    )
    const revision = this.#revisions.put(identity.key, Math.max(known, backup.revision))
    await store.commit([revision])
    await doors.bring(backup.doors)
    await mail.bring(identity, backup)
    await this.parts.load(identity, backup.parts)
    for (const { key } of contacts) contactChanged(identity, key)
    this.changed(identity)
    return backup
  }

  part(plugin: string, part: BackupPart, scope: Scope): void {
    this.parts.add(plugin, part, scope)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }

  /** A tower we never wrote to may have a backup of an earlier machine: that is taken up, not written over. */
  async #look(
    identity: Identity,
    tower: TowerAddress,
    call: { signal: AbortSignal },
  ): Promise<void> {
    if ((await this.#written.get(placeOf(identity, tower))) !== undefined) return
    const { id } = blobPlace(identity, tower.key)
    const found = await this.#options.mail.getBlob(tower, id, call)
    if (found !== undefined) await this.load(identity, found).catch((thrown) => this.#skip(thrown))
  }

  /** What does not open can bring nothing back. */
  #skip(thrown: unknown): void {
    if (!isAlliumError(thrown, "BAD_BACKUP")) throw thrown
    this.#options.log.warn("backup.unreadable", {})
  }

  async #put(
    identity: Identity,
    tower: TowerAddress,
    { bytes, hash }: Made,
    call: { signal: AbortSignal },
  ): Promise<void> {
    const { mail, store } = this.#options
    await mail.putBlob(identity, tower, { ...blobPlace(identity, tower.key), bytes }, call)
    await store.commit([this.#written.put(placeOf(identity, tower), hash)])
  }

  async #make(identity: Identity): Promise<Made> {
    const { random, store, clock } = this.#options
    const content = await this.#gather(identity)
    const revision = ((await this.#revisions.get(identity.key)) ?? 0) + 1
    await store.commit([this.#revisions.put(identity.key, revision)])
    const backup = { ...content, revision, madeMs: clock.now() }
    return { revision, bytes: sealBackup(identity, backup, random), hash: hashOf(content) }
  }

  async #gather(identity: Identity): Promise<Omit<Backup, "revision" | "madeMs">> {
    const { identities, mail } = this.#options
    return {
      name: identity.name,
      keyVersion: identity.present.version,
      contacts: identities.contacts(identity).keep(),
      doors: identities.doors(identity).keep(),
      ...(await mail.keep(identity)),
      parts: await this.parts.save(identity),
      siblings: identities.list().flatMap((one) => (one.device === 0 ? [this.#sibling(one)] : [])),
    }
  }

  /** Only the words open it, and the words are all of them: so one backup leads to the others. */
  #sibling(identity: Identity): Sibling {
    const { mail } = this.#options
    const { name, index } = identity
    return { name, index, reach: mail.reach(identity), towers: [...mail.towers(identity)] }
  }

  /** After each swarm of changes, and once a day; a tower that was away is tried until it has it. */
  async #keep(identity: Identity): Promise<void> {
    const { clock, chance } = this.#options
    const { signal } = this.#scope
    const alarm = this.#alarms.get(identity.key)!
    while (!signal.aborted) {
      const rung = await alarm.wait({ signal, clock, atMostMs: DAILY_MS })
      if (rung) await clock.sleep(SETTLE_MS, { signal })
      await keepTrying(() => this.#writeChanged(identity, !rung), {
        clock,
        signal,
        backoff: openBackoff({ ...RETRY, chance }),
        alarm: new Alarm(),
        failed: (thrown) => this.#tell("failed", thrown),
      })
    }
  }

  async #writeChanged(identity: Identity, evenSame: boolean): Promise<"done" | "again"> {
    const towers = this.#options.mail.towers(identity)
    if (towers.length === 0) return "done"
    const hash = hashOf(await this.#gather(identity))
    const written = towers.map((tower) => this.#written.get(placeOf(identity, tower)))
    if (!evenSame && (await Promise.all(written)).every((last) => last === hash)) return "done"
    const { towers: done } = await this.write(identity, { signal: this.#scope.signal })
    return done.length === towers.length ? "done" : "again"
  }

  #tell(event: string, thrown: unknown): void {
    if (!this.#scope.signal.aborted)
      this.#options.log.debug(`backup.${event}`, { code: toAlliumError(thrown).code })
  }
}

interface Made {
  readonly revision: number
  readonly bytes: Uint8Array
  /** Of what is in it. */
  readonly hash: string
}

function placeOf(identity: Identity, tower: TowerAddress): string {
  return `${identity.key}/${tower.key}`
}

function hashOf(content: unknown): string {
  return createHash("sha256").update(packValue(content)).digest("base64url")
}

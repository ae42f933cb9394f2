/**
 * Everything that lets an identity come back from its words: backups at towers, keepsakes at contacts, and the way back.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import type { StoreRoom } from "../store/store.ts"
import { type BackupDesk, openBackupDesk } from "./backup-desk.ts"
import { openBackupMail } from "./backup-mail.ts"
import type { Reach } from "./core/tower-offers.ts"
import { visitTheLost } from "./homecoming-visits.ts"
import { KEEPSAKE_TOPIC, type KeepsakeDesk, openKeepsakeDesk } from "./keepsake-desk.ts"
import type { Links } from "./links.ts"
import type { PluginBlobs } from "./plugin.ts"
import type { PostOffice } from "./post-office.ts"
import { openRestoreDesk, type RestoreDesk } from "./restore-desk.ts"
import type { Sessions } from "./sessions.ts"

/** See the module. */
export interface BackupOffice extends AsyncDisposable {
  readonly backups: BackupDesk
  readonly keepsakes: KeepsakeDesk
  readonly restores: RestoreDesk
  /** Of plugins, at the same towers. */
  readonly blobs: PluginBlobs
  /** Begins with an identity whose post is open; once for each. Of those whose words are elsewhere nothing is kept. */
  keep(identity: Identity): void
  /** Contacts, cards or towers of an identity changed. */
  changed(identity: Identity): void
}

/** What the office stands on. */
export interface BackupOfficeOptions {
  readonly identities: IdentityBook
  readonly links: Links
  readonly sessions: Sessions
  readonly post: PostOffice
  /** Opens the post of an identity that came back. */
  readonly onPost: (identity: Identity) => Promise<void>
  /** Opens all the rest of it. */
  readonly onNew: (identity: Identity) => Promise<void>
  /** Makes an identity reachable or not, with all that belongs to it. */
  readonly bringReach: (identity: Identity, reach: Reach) => Promise<void>
  readonly emit: (event: string, data: Readonly<Record<string, unknown>>) => void
  readonly store: StoreRoom
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
}

/** Opens the office; what was being restored goes on. */
export async function openBackupOffice(options: BackupOfficeOptions): Promise<BackupOffice> {
  await using opening = new Scope()
  const { links, post } = options
  const mail = openBackupMail(options)
  const contactChanged = (identity: Identity, key: string) => links.contactChanged(identity, key)
  const backups = opening.use(await openBackupDesk({ ...options, mail, contactChanged }))
  const letters = post.mailFor(KEEPSAKE_TOPIC, opening, { isPrivate: true })
  const towers = (identity: Identity) => mail.towers(identity)
  const door = (identity: Identity) => {
    const card = options.identities.doors(identity).byId(undefined)
    return card && post.doors(identity).own.placeOf(card)?.tower
  }
  const keepsakes = opening.use(openKeepsakeDesk({ ...options, letters, towers, door }))
  const restores = opening.use(await openRestoreDesk({ ...options, mail, backups, keepsakes }))
  const changed = (identity: Identity) => {
    if (identity.device !== 0) return
    backups.changed(identity)
    keepsakes.changed(identity)
  }
  opening.defer(links.onContactChanged(changed))
  const upForMs = (identity: Identity) => upFor(options.sessions, identity)
  const homecomingOf: KeepsakeDesk["homecomingOf"] = (identity, key) =>
    keepsakes.homecomingOf(identity, key)
  visitTheLost({ ...options, homecomingOf, upForMs, signal: opening.signal })
  const owned = opening.move()
  return {
    backups,
    keepsakes,
    restores,
    blobs: {
      towers: (identity) => mail.towers(identity),
      put: (identity, tower, blob, call) => mail.putBlob(identity, tower, blob, call),
      get: (tower, id, call) => mail.getBlob(tower, id, call),
    },
    changed,
    keep(identity) {
      if (identity.device !== 0) return
      backups.keep(identity)
      keepsakes.changed(identity)
    },
    [Symbol.asyncDispose]: () => owned.close(),
  }
}

/** Milliseconds; 0 while the session of an identity is not up. */
function upFor(sessions: Sessions, { name }: Identity): number {
  const found = sessions
    .list()
    .find(({ owner }) => owner.kind === "identity" && owner.name === name)
  return found?.state.name === "up" ? found.forMs : 0
}

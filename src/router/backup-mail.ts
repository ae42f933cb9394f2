/**
 * What backups need of the mail: its towers, what they hold for us, and what the post knows of correspondents.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import type { Log } from "../base/log.ts"
import type { RandomBytes } from "../base/random.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import { openMailboxClient } from "../mail/mailbox/client.ts"
import type { MailCall } from "../mail/mailbox/mailbox.ts"
import type { Backup } from "./backup-format.ts"
import { correspondents } from "./mail-devices.ts"
import type { PostOffice } from "./post-office.ts"
import type { Sessions } from "./sessions.ts"
import { openTowerLine } from "./tower-line.ts"
import type { TowerAddress } from "./tower-uri.ts"

/** What the post knows of correspondents may fill this much; the rest comes back when they link to us. */
const CORRESPONDENTS_BYTES_MAX = 10 * 1_048_576

/** The mail's part of a backup. */
export type MailKept = Pick<Backup, "correspondents" | "towers" | "towerDoors" | "reach">

/** See the module. */
export interface BackupMail {
  /** Towers the identity uses. */
  towers(identity: Identity): readonly TowerAddress[]
  reach(identity: Identity): Backup["reach"]
  /** What must come back. */
  keep(identity: Identity): Promise<MailKept>
  /** Takes it up on a new machine, and tells every correspondent by a fresh first envelope. */
  bring(identity: Identity, kept: MailKept): Promise<void>
  /** Leaves a blob at a tower the identity uses. */
  putBlob(
    identity: Identity,
    tower: TowerAddress,
    blob: { readonly id: Uint8Array; readonly writeKey: Uint8Array; readonly bytes: Uint8Array },
    call: MailCall,
  ): Promise<void>
  /** Asks a tower for a blob, from an address that is thrown away; `undefined` when it has none. */
  getBlob(tower: TowerAddress, id: Uint8Array, call: MailCall): Promise<Uint8Array | undefined>
}

/** What it stands on. */
export interface BackupMailOptions {
  readonly identities: IdentityBook
  readonly post: PostOffice
  readonly sessions: Pick<Sessions, "openOwn">
  /** Makes an identity reachable or not, with all that belongs to it. */
  readonly bringReach: (identity: Identity, reach: Backup["reach"]) => Promise<void>
  readonly clock: Clock
  readonly random: RandomBytes
  readonly log: Log
}

/** Joins backups to the post office. */
export function openBackupMail(options: BackupMailOptions): BackupMail {
  const { identities, post } = options
  return {
    towers: (identity) => post.towers(identity).used(),
    reach: (identity) => post.reach(identity),
    async keep(identity) {
      const peers = correspondents(identities.contacts(identity))
      const towers = post.towers(identity).keep()
      const towerDoors = post.doors(identity).own.keep()
      const reach = post.reach(identity)
      return { ...(await known(post, identity, peers)), towers, towerDoors, reach }
    },
    async bring(identity, { correspondents, towers, towerDoors, reach }) {
      const office = post.post(identity)
      // First, or others would be made.
      if (towerDoors !== undefined) await post.doors(identity).own.bring(towerDoors)
      await post.towers(identity).bring(towers)
      if (reach !== post.reach(identity)) await options.bringReach(identity, reach)
      for (const { peer, introduction } of correspondents)
        if (!office.knows(peer)) await office.meet(peer, introduction).catch(() => {}) // they will greet us
      await post.towers(identity).peersChanged()
      await office.placesChanged()
    },
    putBlob: (identity, tower, blob, call) => post.towers(identity).putBlob(tower, blob, call),
    getBlob: (tower, id, call) => getBlob(options, tower, id, call),
  }
}

async function known(post: PostOffice, identity: Identity, peers: readonly string[]) {
  const found: MailKept["correspondents"][number][] = []
  let byteCount = 0
  for (const peer of peers) {
    const introduction = await post.post(identity).theirs(peer)
    byteCount += (introduction?.bundle.length ?? 0) + 1_024
    if (byteCount > CORRESPONDENTS_BYTES_MAX) break
    if (introduction !== undefined) found.push({ peer, introduction })
  }
  return { correspondents: found }
}

/** Each question from an address of its own: a tower that is asked for two identities sees two strangers. */
async function getBlob(
  { sessions, clock, random, log }: BackupMailOptions,
  tower: TowerAddress,
  id: Uint8Array,
  call: MailCall,
): Promise<Uint8Array | undefined> {
  const name = Buffer.from(random(4)).toString("hex")
  await using line = openTowerLine({
    openSession: (scope) => sessions.openOwn({ kind: "mail", name }, "transient", scope),
    openClient: openMailboxClient,
    ...{ clock, random, log },
  })
  const { mailbox } = await line.reach(tower, call)
  return await mailbox.getBlob(id, call) // the line stays until then
}

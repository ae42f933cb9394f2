/**
 * What plugins put into backups; a part whose plugin does not run is kept until it does.
 *
 * @module
 */
import { z } from "zod"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Scope } from "../base/scope.ts"
import type { Identity, IdentityBook } from "../identity/identity.ts"
import type { StoreRoom } from "../store/store.ts"
import { PART_BYTES_MAX } from "./backup-format.ts"
import type { BackupPart } from "./plugin.ts"

/** Parts by name of plugin. */
export interface BackupParts {
  /** Until `scope` ends. What was kept for the plugin is given to it. */
  add(plugin: string, part: BackupPart, scope: Scope): void
  /** Every part; one that fails is left out, or stays as it was in the last backup that was loaded. */
  save(identity: Identity): Promise<Record<string, Uint8Array>>
  /** Gives each part to its plugin, or keeps it. */
  load(identity: Identity, parts: Readonly<Record<string, Uint8Array>>): Promise<void>
}

/** Opens the parts; nothing is added yet. */
export async function openBackupParts(options: {
  readonly identities: IdentityBook
  readonly store: StoreRoom
  readonly log: Log
}): Promise<BackupParts> {
  const { identities, store, log } = options
  const table = store.table("backup-parts", z.instanceof(Uint8Array))
  const parts = new Map<string, BackupPart>()
  const kept = new Map<string, Uint8Array>()
  for await (const [place, bytes] of table.entries()) kept.set(place, bytes)

  const tell = (event: string, plugin: string, thrown: unknown) =>
    log.warn(`backup.part-${event}`, { plugin, code: toAlliumError(thrown).code })

  /** Kept first, so that a crash in the middle loses nothing. */
  const give = async (plugin: string, identity: Identity) => {
    const place = placeOf(identity, plugin)
    const [part, bytes] = [parts.get(plugin), kept.get(place)]
    if (part === undefined || bytes === undefined) return
    try {
      await part.load(identity, bytes)
      await store.commit([table.remove(place)])
      kept.delete(place)
    } catch (thrown) {
      tell("not-loaded", plugin, thrown)
    }
  }
  const saveOne = async (plugin: string, part: BackupPart, identity: Identity) => {
    const bytes = await part.save(identity)
    if (bytes.length <= PART_BYTES_MAX) return bytes
    throw new AlliumError("TOO_LARGE", `Cannot back up ${plugin}: its part is longer than 1 MiB`)
  }
  return {
    add(plugin, part, scope) {
      if (parts.has(plugin)) throw new TypeError(`Cannot back up ${plugin}: it has a part already`)
      parts.set(plugin, part)
      scope.defer(() => void parts.delete(plugin))
      for (const identity of identities.list()) void give(plugin, identity)
    },
    async save(identity) {
      const start = placeOf(identity, "")
      const all = [...kept].filter(([place]) => place.startsWith(start))
      const saved: Record<string, Uint8Array> = Object.fromEntries(
        all.map(([place, bytes]) => [place.slice(start.length), bytes]),
      )
      for (const [plugin, part] of [...parts].sort())
        try {
          if (!kept.has(placeOf(identity, plugin)))
            saved[plugin] = await saveOne(plugin, part, identity)
        } catch (thrown) {
          tell("not-saved", plugin, thrown)
        }
      return saved
    },
    async load(identity, loaded) {
      const entries = Object.entries(loaded).map(([plugin, bytes]) => ({ plugin, bytes }))
      await store.commit(
        entries.map(({ plugin, bytes }) =>
          table.put(placeOf(identity, plugin), new Uint8Array(bytes)),
        ),
      )
      for (const { plugin, bytes } of entries) kept.set(placeOf(identity, plugin), bytes)
      for (const { plugin } of entries) await give(plugin, identity)
    },
  }
}

function placeOf(identity: Identity, plugin: string): string {
  return `${identity.key}/${plugin}`
}

/**
 * Which identities the words had: found by trying one after the other where their backups may be.
 *
 * @module
 */
import { setImmediate as breathe } from "node:timers/promises"
import { isAlliumError } from "../base/errors.ts"
import { previewIdentities } from "../identity/book.ts"
import { freeName } from "../identity/names.ts"
import { type Backup, blobPlace, openBackup } from "./backup-format.ts"

/** Identities that left no backup at a tower, in a row, end the search there. */
const MISSES_MAX = 3
const IDENTITIES_MAX = 100
/** What the first identity is called when neither the user nor a backup says it. */
const NAMELESS = "me"

/** Backups by the identity's place in the tree. */
export type Findings = Map<number, { readonly sealed: Uint8Array; readonly backup: Backup }>

/**
 * Asks a tower for successive identities, until several in a row have left nothing.
 *
 * @throws {AlliumError} `BAD_BACKUP` for what was left there and does not open, and what asking says.
 */
export async function findAtTower(
  words: string,
  towerKey: string,
  ask: (id: Uint8Array) => Promise<Uint8Array | undefined>,
  found: Findings,
): Promise<void> {
  const ownerAt = await previewIdentities(words)
  for (let index = 0, misses = 0; index < IDENTITIES_MAX && misses < MISSES_MAX; index++) {
    const owner = ownerAt(index)
    const sealed = await ask(blobPlace(owner, towerKey).id)
    misses = sealed === undefined ? misses + 1 : 0
    if (sealed !== undefined) found.set(index, { sealed, backup: openBackup(owner, sealed) })
  }
}

/** The identity that the file is about. @throws {AlliumError} `BAD_BACKUP` when it opens for none. */
export async function findInFile(
  words: string,
  sealed: Uint8Array,
  found: Findings,
): Promise<void> {
  const ownerAt = await previewIdentities(words)
  let failure: unknown
  for (let index = 0; index < IDENTITIES_MAX; index++) {
    try {
      await breathe()
      const backup = openBackup(ownerAt(index), sealed)
      found.set(index, { sealed, backup })
      return
    } catch (thrown) {
      if (!isAlliumError(thrown, "BAD_BACKUP")) throw thrown
      failure = thrown
    }
  }
  throw failure
}

/** What the user says first; then what backups say. */
export function namesFrom(found: Findings, given: readonly string[] = []): string[] {
  const names: string[] = []
  for (const { backup } of found.values())
    for (const [index, name] of namesOf(backup.siblings).entries()) names[index] ??= name
  for (const [index, { backup }] of found) names[index] = backup.name
  for (const [index, name] of given.entries()) names[index] = name
  const taken = new Set<string>()
  return Array.from({ length: Math.max(names.length, 1) }, (_, index) => {
    const isGiven = given[index] !== undefined
    const name = isGiven
      ? given[index]!
      : freeName(names[index] ?? NAMELESS, (one) => taken.has(one))
    taken.add(name)
    return name
  })
}

/** Names by place in the tree. */
export function namesOf(siblings: Backup["siblings"]): string[] {
  const names: string[] = []
  for (const { index, name } of siblings) names[index] = name
  return Array.from(names, (name) => name ?? NAMELESS)
}

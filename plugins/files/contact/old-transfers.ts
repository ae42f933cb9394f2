/**
 * What the plugin kept before transfers had torrents: it cannot be gone on with, and is forgotten.
 *
 * @module
 */
import { type Change, type StoreRoom, z } from "allium/plugin"

/** Rows removed in one commit. */
const OLD_ROWS_AT_ONCE = 256

/** Removes them; once. */
export async function forgetOldTransfers(store: StoreRoom): Promise<void> {
  for (const name of ["transfers", "manifest"]) {
    const table = store.table(name, z.unknown())
    let changes: Change[] = []
    for await (const [key] of table.entries()) {
      changes.push(table.remove(key))
      if (changes.length < OLD_ROWS_AT_ONCE) continue
      await store.commit(changes)
      changes = []
    }
    if (changes.length > 0) await store.commit(changes)
  }
}

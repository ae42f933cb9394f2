/**
 * Remembers over restarts which destinations were in use: the same keys again too soon kill a session.
 *
 * @module
 */
import { z } from "zod"
import type { KeyMemory, KeyUse } from "../sam/key-guard.ts"
import type { StoreRoom, Table } from "../store/store.ts"

const useShape = z.object({ state: z.enum(["held", "released"]), atMs: z.number() })

/** Keeps uses in the store; destinations are names there, so only their keyed hash is on disk. */
export function openKeyMemory(store: StoreRoom): KeyMemory {
  const table: Table<KeyUse> = store.table("key-uses", useShape)
  return {
    read: (b32) => table.get(b32),
    write: (b32, use) => store.commit([table.put(b32, use)]),
  }
}

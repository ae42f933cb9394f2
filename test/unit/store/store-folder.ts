/** A folder for one test, and stores opened in it with everything decided by the test. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { onTestFinished } from "vitest"
import { systemClock } from "../../../src/base/clock.ts"
import { silentLog } from "../../../src/base/log.ts"
import { openStore, type StoreOptions } from "../../../src/store/open-store.ts"
import type { Store } from "../../../src/store/store.ts"

export const KEY: Uint8Array = new Uint8Array(32).fill(7)

/** A folder, and how to remove it. */
export async function makeFolder(): Promise<[folder: string, remove: () => Promise<void>]> {
  const folder = await mkdtemp(join(tmpdir(), "allium-store-"))
  return [folder, () => rm(folder, { recursive: true, force: true })]
}

/** Gone when the test is over. */
export async function freshFolder(): Promise<string> {
  const [folder, remove] = await makeFolder()
  onTestFinished(remove)
  return folder
}

/** Closed when the test is over, if not before. */
export async function openIn(folder: string, more: Partial<StoreOptions> = {}): Promise<Store> {
  const store = await openStore({ folder, key: KEY, clock: systemClock, log: silentLog, ...more })
  onTestFinished(() => store[Symbol.asyncDispose]())
  return store
}

/** Everything an async iterable gives. */
export async function gather<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/**
 * How a database written by an earlier Allium becomes one of ours.
 *
 * The schema's version is the number of migrations a database has gone through. Each one is a single
 * synced batch together with the new version: it happened, or it did not and is done at the next start.
 * Entries are only ever added at the end.
 *
 * @module
 */
import type { Change, StoreRoom } from "./store.ts"

/** Reads what it must and says what changes; it commits nothing itself. */
export type Migration = (root: StoreRoom) => Promise<readonly Change[]>

/** All of them, oldest first. */
export const MIGRATIONS: readonly Migration[] = []

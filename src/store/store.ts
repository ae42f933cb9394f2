/**
 * The store as the rest of the house sees it: tables and journals, encrypted, changed in one synced batch.
 *
 * @module
 */
import type { z } from "zod"

/** One change to be made by {@linkcode StoreRoom.commit}; made by tables and journals only. */
export interface Change {
  readonly kind: "put" | "remove"
}

/** A change that was given its place in a journal. */
export interface AppendedChange extends Change {
  readonly sequence: number
}

/** Values by key. Keys are texts of at most 512 bytes of UTF-8; on disk only their keyed hash stands. */
export interface Table<T> {
  get(key: string): Promise<T | undefined>
  /** Every entry, in no particular order. */
  entries(): AsyncIterable<[key: string, value: T]>
  put(key: string, value: T): Change
  remove(key: string): Change
}

/** Values in order of appending, numbered from 1; numbers of removed entries are never used again. */
export interface Journal<T> {
  append(value: T): AppendedChange
  get(sequence: number): Promise<T | undefined>
  /** In order of sequence, or newest first with `reverse`; `after` and `before` are exclusive. */
  read(range?: {
    after?: number
    before?: number
    limit?: number
    reverse?: boolean
  }): AsyncIterable<[sequence: number, value: T]>
  put(sequence: number, value: T): Change
  remove(sequence: number): Change
}

/** A part of the store with names of its own. */
export interface StoreRoom {
  /** A part of this part; names of one room never meet those of another. */
  room(name: string): StoreRoom
  /** Values pass `shape` when they are read; `STORE_DAMAGED` otherwise. */
  table<T>(name: string, shape: z.ZodType<T>): Table<T>
  journal<T>(name: string, shape: z.ZodType<T>): Journal<T>
  /**
   * Makes all changes or none; on disk (fsync) when it resolves. Calls run in order.
   * @throws {AlliumError} `STORE_FULL` when the disk is full, `STORE_CLOSED`.
   */
  commit(changes: readonly Change[]): Promise<void>
}

/** The whole store; closing waits for running commits. */
export interface Store extends StoreRoom, AsyncDisposable {}

/**
 * Changes on their way: made by tables and journals, sealed at once, written together.
 *
 * @module
 */
import type { Operation } from "./database.ts"
import type { AppendedChange, Change } from "./store.ts"

/** The last number a journal gave; shared by everybody who opened it. */
export interface JournalNumbers {
  /** Where it is kept in the database. */
  readonly place: Uint8Array
  last: number
}

/** The value was taken when the change was made: later changes of the object do not matter. */
export class PendingChange implements AppendedChange {
  readonly kind: Change["kind"]
  /** 0 unless it was appended. */
  readonly sequence: number
  readonly operation: Operation
  /** The journal it was appended to; its last number must be written along. */
  readonly numbers: JournalNumbers | undefined
  /** Of one store only: another one has other keys. */
  readonly owner: object

  constructor(owner: object, operation: Operation, appended?: JournalNumbers) {
    this.owner = owner
    this.kind = operation.sealed === undefined ? "remove" : "put"
    this.operation = operation
    this.numbers = appended
    this.sequence = appended?.last ?? 0
  }
}

/** @throws {TypeError} when a change was not made by a table or journal of this store. */
export function requireOwn(owner: object, changes: readonly Change[]): PendingChange[] {
  return changes.map((change) => {
    if (change instanceof PendingChange && change.owner === owner) return change
    throw new TypeError("Cannot commit: the change was not made by this store")
  })
}

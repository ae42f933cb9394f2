/**
 * Records of groups as peers send them: what is packed or shaped badly is a bad record, and never comes again.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"
import { type GroupRecord, readRecord } from "./records.ts"

/** @throws {AlliumError} `BAD_RECORD`; it does not quote the content. */
export function readForeign(content: Uint8Array): GroupRecord {
  try {
    return readRecord(content)
  } catch {
    throw new AlliumError(
      "BAD_RECORD",
      "Cannot read group record: its shape is not that of version 1",
    )
  }
}

/** The same for work with such a record. @throws {AlliumError} `BAD_RECORD`, and what the work says. */
export async function asBadRecord<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof AlliumError) || error.code !== "BAD_PACK") throw error
    throw new AlliumError(
      "BAD_RECORD",
      "Cannot read group record: it is not packed as it should be",
    )
  }
}

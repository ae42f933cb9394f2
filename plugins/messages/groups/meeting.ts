/**
 * The first record of a group we know nothing of.
 *
 * @module
 */
import { keyBytes, same } from "./bytes.ts"
import { readEntry } from "./entry.ts"
import { beginLog } from "./log.ts"
import { ERA_BYTES, type GroupRecord, type PlainRecord, readPlain, writeRecord } from "./records.ts"
import { type GroupState, type GroupWorld, newState } from "./state.ts"

/**
 * A group begins with the first entry of its log; the record itself is to be received afterwards.
 *
 * @returns The new state; or a question to be sent back: "what group is this?" Who asks us gets no answer, so that two who both
 * know nothing do not ask each other for ever.
 * @throws {AlliumError} `BAD_RECORD`, `BAD_PACK`.
 */
export function meetGroup(
  world: GroupWorld,
  record: GroupRecord,
): { state: GroupState } | { question: Uint8Array } | undefined {
  const plain = plainOf(world, record)
  const first = plain?.do === "log" ? plain.entries[0] : undefined
  const entry = first && readEntry(first)
  if (entry?.says.deed === "create" && same(entry.hash, record.group))
    return { state: newState(beginLog(entry), world.random(ERA_BYTES)) }
  const isNews = plain?.do === "log" || plain?.do === "post" || plain?.do === "here"
  return isNews ? { question: askWhole(record.group) } : undefined
}

/** Asks for a log from its beginning. */
export function askWhole(group: Uint8Array): Uint8Array {
  return writeRecord({ group, do: "ask", log: 0 })
}

function plainOf(world: GroupWorld, record: GroupRecord): PlainRecord | undefined {
  if (record.do !== "pass") return record
  return same(record.to, keyBytes(world.self.key)) ? readPlain(record.record) : undefined
}

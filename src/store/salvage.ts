/**
 * Reads what is sound out of a damaged database, without LevelDB.
 *
 * @module
 */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { readBatch } from "./leveldb/batches.ts"
import { Unreadable } from "./leveldb/cursor.ts"
import { readLog } from "./leveldb/log-file.ts"
import { readTable, type StoredEntry } from "./leveldb/table-file.ts"

/**
 * Every readable entry of every table and log, file by file in order of their numbers. The same key may come
 * again: the entry with the highest sequence counts.
 *
 * @param folder - LevelDB's own; nothing in it is changed.
 */
export async function* salvageEntries(folder: string): AsyncGenerator<StoredEntry> {
  const names = (await readdir(folder)).filter((name) => /^\d+\.(ldb|log)$/.test(name))
  for (const name of names.sort()) {
    const bytes = await readFile(join(folder, name))
    if (name.endsWith(".ldb")) yield* readTable(bytes, "entries").entries
    else for (const record of readLog(bytes).records) yield* readWhatIsThere(record)
  }
}

function readWhatIsThere(record: Uint8Array): readonly StoredEntry[] {
  try {
    return readBatch(record)
  } catch (error) {
    if (error instanceof Unreadable) return [] // a record of the right checksum that is no batch
    throw error
  }
}

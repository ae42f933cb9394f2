/**
 * Looks at every byte of a database before LevelDB does, and says what is damaged.
 *
 * LevelDB checks few of its checksums: damage makes it lose entries in silence, answer wrongly, or end the
 * process with SIGABRT (measured, `docs/decisions/0005-store-inspection.md`). All of it shows in the
 * checksums, so they are checked here, in TypeScript, where a damaged file is only an answer.
 *
 * @module
 */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { FileReader } from "./file-reader.ts"
import { type LiveFiles, readBatch, readEdits } from "./leveldb/batches.ts"
import { Unreadable } from "./leveldb/cursor.ts"
import { readLog } from "./leveldb/log-file.ts"
import { TableSums } from "./table-sums.ts"

/** One damaged file. */
export interface FileDamage {
  /** Name within the database's folder. */
  readonly file: string
  readonly found: string
}

/**
 * @param folder - LevelDB's own; it must be locked against others.
 * @param how - `closed`: the database was closed in good order, so nothing may be cut off either. `sums`: tables that were
 * checked before; those found sound are added, those not alive forgotten. Without them every block is checked.
 */
export async function inspectFiles(
  folder: string,
  how: { closed: boolean; sums?: TableSums },
): Promise<readonly FileDamage[]> {
  const names = new Set(await readdir(folder))
  const damage: FileDamage[] = []
  const live = await inspectManifest(folder, how, damage)
  if (live === undefined) return damage
  const { sums = new TableSums() } = how
  const tables = tablesOf(live)
  sums.keepOnly(new Set(tables.keys()))
  const left = tables.entries()
  const look = async () => {
    const reader = new FileReader()
    for (const [file, size] of left)
      inspectTable({ file, size, sums, bytes: await reader.read(join(folder, file)) }, damage)
  }
  await Promise.all([look(), look()]) // one is read while another is checked
  for (const name of logsOf(names, live)) await inspectLog(folder, name, how, damage)
  const first = fileName(live.logNumber, "log")
  if (!names.has(first)) damage.push({ file: first, found: "is gone" })
  return damage
}

/** Whether the list of files names a table; one that is being written is not there yet. */
export async function isAlive(folder: string, file: string): Promise<boolean> {
  const live = await inspectManifest(folder, { closed: false }, [])
  return live !== undefined && tablesOf(live).has(file)
}

/** One line for people: how many files, and the first one. */
export function describeDamage(damage: readonly FileDamage[]): string {
  const [first] = damage
  const more = damage.length > 1 ? ` (and ${damage.length - 1} more)` : ""
  return `file ${first?.file} ${first?.found}${more}`
}

/** `000005.log` and its like. */
function fileName(number: number, ending: string): string {
  return `${String(number).padStart(6, "0")}.${ending}`
}

async function inspectManifest(
  folder: string,
  how: { closed: boolean },
  damage: FileDamage[],
): Promise<LiveFiles | undefined> {
  const current = await readOrNothing(join(folder, "CURRENT"))
  const file = /^(MANIFEST-\d{6,})\n$/.exec(Buffer.from(current).toString("latin1"))?.[1]
  if (file === undefined) return note(damage, "CURRENT", "names no list of files")
  const bytes = await readOrNothing(join(folder, file))
  const { records, damageCount, tornBytes } = readLog(bytes)
  if (damageCount > 0 || (how.closed && tornBytes > 0)) return note(damage, file, "is damaged")
  try {
    return readEdits(records)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return note(damage, file, error.message)
  }
}

interface Table {
  readonly file: string
  /** Bytes it must have. */
  readonly size: number
  readonly bytes: Uint8Array | undefined
  readonly sums: TableSums
}

function inspectTable({ file, size, bytes, sums }: Table, damage: FileDamage[]): void {
  if (bytes === undefined) note(damage, file, "is gone")
  else if (bytes.length !== size) note(damage, file, `has ${bytes.length} bytes of ${size}`)
  else {
    const damageCount = sums.countDamage(file, bytes)
    if (damageCount > 0) note(damage, file, `has ${damageCount} damaged blocks`)
  }
}

async function inspectLog(
  folder: string,
  file: string,
  how: { closed: boolean },
  damage: FileDamage[],
): Promise<void> {
  const { records, damageCount, tornBytes } = readLog(await readFile(join(folder, file)))
  if (damageCount > 0) return note(damage, file, `is damaged in ${damageCount} places`)
  if (how.closed && tornBytes > 0) return note(damage, file, `is cut off by ${tornBytes} bytes`)
  try {
    for (const record of records) readBatch(record)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    note(damage, file, error.message)
  }
}

/** Size in bytes by name. */
function tablesOf({ tables }: LiveFiles): ReadonlyMap<string, number> {
  return new Map([...tables].map(([number, size]) => [fileName(number, "ldb"), size]))
}

function logsOf(names: ReadonlySet<string>, live: LiveFiles): string[] {
  return [...names].filter((name) => {
    const number = /^(\d+)\.log$/.exec(name)?.[1]
    return number !== undefined && Number(number) >= live.logNumber
  })
}

async function readOrNothing(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Uint8Array()
    throw error
  }
}

function note(damage: FileDamage[], file: string, found: string): undefined {
  damage.push({ file, found })
}

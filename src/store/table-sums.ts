/**
 * Remembers tables whose every block was checked, so that the same bytes need not be checked that way again.
 *
 * Node makes the CRC-32 of a whole file several times as fast as we make LevelDB's CRC-32C of each block. Every byte
 * is still read at every opening. A sum only ever saves work: where it differs or is not there, the blocks decide.
 *
 * @module
 */
import { join } from "node:path"
import { crc32 } from "node:zlib"
import { z } from "zod"
import { readFileIfThere, writeFileDurably } from "../base/files.ts"
import { readTable } from "./leveldb/table-file.ts"

const FILE_NAME = "sums.json"

const sumsShape = z.strictObject({
  format: z.literal(1),
  /** CRC-32 of the whole file, by its name. */
  tables: z.record(z.string().regex(/^\d{6,}\.ldb$/), z.int().nonnegative()),
})

/** The sums of one database's tables. */
export class TableSums {
  readonly #sums: Map<string, number>
  #changed = false

  /** @param sums - By name of the table; without them every table is checked block by block. */
  constructor(sums: Iterable<readonly [string, number]> = []) {
    this.#sums = new Map(sums)
  }

  /** @param folder - The store's. A file that cannot be read is as good as none. */
  static async read(folder: string): Promise<TableSums> {
    const bytes = await readFileIfThere(join(folder, FILE_NAME)).catch(() => undefined)
    const result = sumsShape.safeParse(parseJson(bytes ?? new Uint8Array()))
    return new TableSums(result.success ? Object.entries(result.data.tables) : [])
  }

  /** Tables that were found sound. */
  get names(): readonly string[] {
    return [...this.#sums.keys()]
  }

  /** How many blocks are not as LevelDB wrote them; a table without any is remembered. */
  countDamage(name: string, bytes: Uint8Array): number {
    const sum = crc32(bytes)
    if (this.#sums.get(name) === sum) return 0
    const { damageCount } = readTable(bytes, "checksums")
    this.#changed = true
    if (damageCount === 0) this.#sums.set(name, sum)
    else this.#sums.delete(name)
    return damageCount
  }

  /** Forgets tables that are gone. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#sums.keys())
      if (!names.has(name)) this.#changed = this.#sums.delete(name)
  }

  /** On disk when it resolves; does nothing when nothing is new. @param folder - The store's. */
  async write(folder: string): Promise<void> {
    if (!this.#changed) return
    this.#changed = false
    const text = JSON.stringify({ format: 1, tables: Object.fromEntries(this.#sums) })
    await writeFileDurably(join(folder, FILE_NAME), new TextEncoder().encode(text), 0o600)
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined // the shape refuses it
  }
}

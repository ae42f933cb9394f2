/**
 * The file that remembers there was a database: it tells "new" from "emptied".
 *
 * LevelDB opens as empty when its `CURRENT` file is gone, and may drop the end of a damaged log without
 * a word. So a file beside it says which database belongs here and how many batches it must hold.
 *
 * @module
 */
import { join } from "node:path"
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import { readFileIfThere, writeFileDurably } from "../base/files.ts"

const FILE_NAME = "store.json"

const sentinelShape = z.strictObject({
  /** Layout of the files; higher ones are refused. */
  format: z.literal(1),
  /** Id of the database, 16 bytes in hex. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  /** When the database was made, ISO 8601. */
  created: z.iso.datetime(),
  /** Batches the database holds at least; exactly, when it was closed. */
  batches: z.int().nonnegative(),
  closed: z.boolean(),
})

/** What stands in the file. */
export type Sentinel = z.infer<typeof sentinelShape>

/** @throws {AlliumError} `STORE_DAMAGED` when it cannot be read, `STORE_TOO_NEW` for a later format. */
export async function readSentinel(folder: string): Promise<Sentinel | undefined> {
  const bytes = await readFileIfThere(join(folder, FILE_NAME))
  if (bytes === undefined) return undefined
  const value = parseJson(bytes)
  const format = z.object({ format: z.int().min(2) }).safeParse(value)
  if (format.success)
    throw new AlliumError(
      "STORE_TOO_NEW",
      `Cannot open store: format ${format.data.format}, expected 1`,
    )
  const result = sentinelShape.safeParse(value)
  if (result.success) return result.data
  throw new AlliumError("STORE_DAMAGED", `Cannot open store: ${FILE_NAME} cannot be read`)
}

/** On disk when it resolves. */
export async function writeSentinel(folder: string, sentinel: Sentinel): Promise<void> {
  const text = `${JSON.stringify(sentinel, undefined, 2)}\n`
  await writeFileDurably(join(folder, FILE_NAME), new TextEncoder().encode(text), 0o600)
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined // the shape refuses it
  }
}

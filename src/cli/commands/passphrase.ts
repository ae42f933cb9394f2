/**
 * `allium passphrase …`: locks the home with other words. Only the wrapped key changes, so a router may run.
 *
 * @module
 */
import { z } from "zod"
import { changePassphrase } from "../../store/unlock.ts"
import type { LocalCall } from "../local.ts"

/** Shorter ones are guessed within days by whoever has the disk. */
const PASSPHRASE_CHARACTERS_MIN = 12

const current = z
  .string()
  .max(1_024)
  .optional()
  .meta({ kind: "secret", description: "The passphrase until now, if there is one" })

/** See `allium passphrase set --help`. */
export const setOptions = z.object({
  current,
  next: z
    .string()
    .min(PASSPHRASE_CHARACTERS_MIN)
    .max(1_024)
    .meta({ kind: "secret", description: "The passphrase from now on, 12 characters or more" }),
})

/** See `allium passphrase remove --help`. */
export const removeOptions = z.object({ current })

/** Wraps the master key anew. @returns Exit code. */
export async function changeTo(
  { current, next }: { current?: string | undefined; next?: string | undefined },
  { paths, terminal, json }: LocalCall,
): Promise<number> {
  await changePassphrase(paths.home, {
    ...(current !== undefined && { passphrase: current }),
    ...(next !== undefined && { next }),
  })
  const locked = next !== undefined
  const sentence = locked
    ? "From now on: allium run --passphrase"
    : "The home has no passphrase any more: whoever reads the disk reads everything."
  await terminal.print(json ? JSON.stringify({ passphrase: locked }) : sentence)
  return 0
}

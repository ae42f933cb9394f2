/**
 * `allium repair`: saves what can be saved of a damaged store.
 *
 * @module
 */
import { join } from "node:path"
import { z } from "zod"
import { systemClock } from "../../base/clock.ts"
import { repairStore } from "../../store/repair.ts"
import { openVault } from "../../store/unlock.ts"
import type { LocalCall } from "../local.ts"
import { printableJson } from "../printable.ts"

/** See `allium repair --help`. */
export const repairOptions = z.object({
  passphrase: z
    .string()
    .max(1_024)
    .optional()
    .meta({ kind: "secret", description: "The home's passphrase, if it has one" }),
})

/** @returns Exit code. */
export async function repair(
  { passphrase }: z.output<typeof repairOptions>,
  { paths, terminal, json }: LocalCall,
): Promise<number> {
  const { masterKey } = await openVault(paths.home, passphrase === undefined ? {} : { passphrase })
  const report = await repairStore({
    folder: join(paths.home, "store"),
    key: masterKey,
    clock: systemClock,
  })
  const { keptCount, lostCount, batchesMissing, damagedFolder } = report
  const sentence =
    `Kept ${keptCount} entries, lost ${lostCount}; ${batchesMissing} commits are missing. ` +
    `The damaged files are in ${damagedFolder}.`
  await terminal.print(json ? printableJson(report) : sentence)
  return 0
}

/**
 * Flags that choose the network, for the commands that start a router.
 *
 * @module
 */
import { readFile } from "node:fs/promises"
import { z } from "zod"
import { LOG_LEVELS } from "../../base/log.ts"
import { NETWORK_CHOICES } from "../../router/network.ts"
import type { RouterOptions } from "../../router/router.ts"
import { SESSIONS_MAX } from "../../router/session-budget.ts"
import { parseBridgeAddress } from "../../sam/bridge-address.ts"

/** See `allium run --help`. */
export const runOptions = z.object({
  network: z.enum(NETWORK_CHOICES).default("auto").meta({
    description: "auto: a SAM bridge, else an own i2pd; embedded: this machine only, not anonymous",
  }),
  sam: z.string().optional().meta({
    description: "HOST:PORT of the SAM bridge (default 127.0.0.1:7656), or of the embedded network",
  }),
  i2pdConfig: z
    .string()
    .optional()
    .meta({ kind: "path", description: "File with lines to add to the own i2pd's configuration" }),
  passphrase: z.string().max(1_024).optional().meta({
    kind: "secret",
    description: "Ask for the home's passphrase; sets it on the first run",
  }),
  sessions: z
    .number()
    .int()
    .min(1)
    .max(1_024)
    .default(SESSIONS_MAX)
    .meta({ description: "Sessions that tunnels and plugins may have together" }),
  apiPort: z
    .number()
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .meta({ description: "Open the API on this loopback port too (0: a free one); wants a token" }),
  logLevel: z
    .enum(LOG_LEVELS)
    .default("info")
    .meta({ description: "What is written to allium.log in the home" }),
})

/** What was asked for. */
export type RunInput = z.output<typeof runOptions>

/** The part of a router's options that the flags decide. */
export async function networkOf(input: RunInput): Promise<RouterOptions["network"]> {
  const { network: choice, sam, i2pdConfig } = input
  return {
    choice,
    sam: sam === undefined ? undefined : parseBridgeAddress(sam),
    i2pdExtraConfig: i2pdConfig === undefined ? undefined : await readFile(i2pdConfig, "utf8"),
  }
}

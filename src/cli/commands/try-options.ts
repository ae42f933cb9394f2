/**
 * Flags of `allium try`.
 *
 * @module
 */
import { z } from "zod"
import { EMBEDDED_DEFAULT } from "../../router/network.ts"

/** See `allium try --help`. */
export const tryOptions = z.object({
  port: z
    .number()
    .int()
    .min(1)
    .max(65_535)
    .default(EMBEDDED_DEFAULT.port)
    .meta({ description: "Loopback port where the embedded network is opened or joined" }),
  proxy: z
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(4_444)
    .meta({ description: "Loopback port of your http-proxy; 0 takes a free one" }),
  once: z.boolean().default(false).meta({ description: "End after the story instead of staying" }),
})

/** What was asked for. */
export type TryInput = z.output<typeof tryOptions>

/**
 * `allium status` and `allium doctor`: how things stand, and what to do about it.
 *
 * @module
 */
import { z } from "zod"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"

const statusShape = z.object({
  version: z.string(),
  network: z.object({
    kind: z.enum(["sam", "i2pd", "embedded"]),
    anonymous: z.boolean(),
    bridge: z.string(),
    answers: z.boolean(),
    i2pdRestarts: z.number().optional(),
  }),
  uptimeMs: z.number(),
  home: z.string(),
  sessions: z.array(
    z.object({
      owner: z.string(),
      address: z.string(),
      state: z.enum(["opening", "up", "down", "closed"]),
      forMs: z.number(),
      reason: z.string().optional(),
    }),
  ),
  /** Sessions of tunnels and plugins, how many there may be, and who has them, most first. */
  budget: z.object({
    used: z.number(),
    max: z.number(),
    holders: z.array(z.object({ owner: z.string(), sessions: z.number() })),
  }),
  towers: z.array(
    z.object({
      identity: z.string(),
      name: z.string(),
      use: z.enum(["used", "leaving"]),
      state: z.enum(["opening", "up", "away"]),
      reason: z.string().optional(),
    }),
  ),
  contacts: z.object({ accepted: z.number(), asking: z.number(), reachable: z.number() }),
  tunnels: z.object({ open: z.number(), failed: z.number() }),
  plugins: z.array(
    z.object({ name: z.string(), state: z.string(), reason: z.string().optional() }),
  ),
  memoryBytes: z.number(),
})

/** One line of a diagnosis. */
export const findingShape = z.object({
  check: z.string(),
  state: z.enum(["ok", "warning", "fault"]),
  found: z.string(),
  todo: z.string().optional(),
})

/** What `allium status` tells. */
export type Status = z.output<typeof statusShape>
/** What `allium doctor` tells, one for each check. */
export type Finding = z.output<typeof findingShape>

const status = offer({
  verb: "status",
  summary: "Show how the router stands",
  input: z.object({}),
  output: statusShape,
})

const doctor = offer({
  verb: "doctor",
  summary: "Find out what is wrong, why, and what to do",
  input: z.object({}),
  output: z.array(findingShape),
  display: { columns: ["state", "check", "found", "todo"] },
})

/** Every offer of this file. */
export const statusOffers: readonly Offer[] = [status, doctor]

/** Gives the offers their runners. */
export function answerStatusOffers(
  book: OfferBook,
  tell: { status: () => Status; doctor: (call: { signal: AbortSignal }) => Promise<Finding[]> },
): void {
  book.register(status, async () => tell.status())
  book.register(doctor, (_, { signal }) => tell.doctor({ signal }))
}

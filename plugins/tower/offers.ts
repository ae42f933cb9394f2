/**
 * What the plugin offers: `tower run`, `stop`, `invite`, `revoke` and `status`.
 *
 * @module
 */
import { offer, z } from "allium/plugin"
import { capShape } from "./size.ts"

/** Tokens of one invitation, unless said otherwise: a hundred contacts. */
const INVITED_COUNT = 100

const towerShape = z.object({
  /** `off`: it does not run. Otherwise of its session: `opening`, `up`, `down`. */
  state: z.string(),
  address: z.string(),
  /** Ed25519 key, base64url, 43 characters. */
  key: z.string(),
  queues: z.number(),
  envelopes: z.number(),
  bytes: z.number(),
  capBytes: z.number(),
  /** Links that stand. */
  visitors: z.number(),
})

/** A tower as its owner sees it. */
export type TowerState = z.output<typeof towerShape>

const startedShape = towerShape.extend({
  /** Of a tower that is run for the first time. */
  uri: z.string().optional(),
})

export const towerRun = offer({
  verb: "tower run",
  summary: "Run a tower: hold sealed letters for friends, without knowing whose they are",
  examples: ["tower run", "tower run --cap 4GiB"],
  input: z.object({
    cap: capShape.optional().meta({ description: "How much disk it may fill; 1 GiB at first" }),
  }),
  output: startedShape,
  display: {
    line: "The tower is at {address} ({state}), {bytes|bytes} of {capBytes|bytes} used.\n{uri}",
  },
})

export const towerStop = offer({
  verb: "tower stop",
  summary: "Stop running the tower; what it holds stays, and its address too",
  input: z.object({}),
  output: towerShape,
  display: { line: "The tower is {state}. Run it again: allium tower run" },
})

export const towerInvite = offer({
  verb: "tower invite",
  summary: "Invite a friend to use the tower you run; give the address to nobody else",
  examples: ["tower invite", "tower invite --count 20 --label ann"],
  input: z.object({
    count: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .default(INVITED_COUNT)
      .meta({ description: "How many queues they may make: one for each contact" }),
    label: z.string().max(64).optional().meta({ description: "For your own list; stays here" }),
  }),
  output: z.object({ uri: z.string(), count: z.number() }),
  display: { line: "{uri}" },
})

export const towerStatus = offer({
  verb: "tower status",
  summary: "Show the tower you run",
  input: z.object({}),
  output: towerShape,
  display: {
    line: "{state} {address}: {queues} queues, {envelopes} envelopes, {bytes|bytes} of {capBytes|bytes}, {visitors} links",
  },
})

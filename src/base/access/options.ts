/**
 * What people may choose about a gate, the same for every kind of server.
 *
 * @module
 */
import { z } from "zod"
import type { Clock } from "../clock.ts"
import type { Log } from "../log.ts"
import { AccessFilter } from "./access-filter.ts"
import type { Rate } from "./buckets.ts"
import { isPeerName } from "./filter-file.ts"
import { Gate, type GateLimits } from "./gate.ts"
import { openFilter } from "./watch-filter.ts"

const MIB = 2 ** 20
const HOUR_S = 3_600

const peers = z
  .array(z.string().toLowerCase().refine(isPeerName, "expected a .b32.i2p name of 52 characters"))
  .max(1_024)
  .default([])

const connectionCount = z.number().int().min(1).max(10_000)
const mebibytes = z.number().int().min(1).max(1_048_576)

/** `30/60`: so many within so many seconds. */
export const rateText = z
  .string()
  .regex(/^[1-9]\d{0,6}\/[1-9]\d{0,6}$/, "expected COUNT/SECONDS such as 30/60")

/** Reads what {@linkcode rateText} lets pass. */
export function readRate(text: string | undefined): Rate | undefined {
  const [count = 0, seconds = 0] = (text ?? "").split("/").map(Number)
  return text === undefined ? undefined : { count, seconds }
}

/** Options of a gate, each with its line of help. */
export const accessOptions = {
  allow: peers.meta({
    description: "Only these .b32.i2p names may connect; everybody, when none is given",
  }),
  deny: peers.meta({ description: "These .b32.i2p names may not connect" }),
  filter: z
    .string()
    .optional()
    .meta({ kind: "path", description: "Filter file as of Java I2P; read again when it changes" }),
  connections: connectionCount
    .default(128)
    .meta({ description: "Connections at a time, from all together" }),
  connectionsPerPeer: connectionCount
    .default(32)
    .meta({ description: "Connections at a time from one destination" }),
  connectionRate: rateText
    .optional()
    .meta({ description: "New connections from one destination, as COUNT/SECONDS" }),
  connectionRateTotal: rateText
    .optional()
    .meta({ description: "New connections from all together, as COUNT/SECONDS" }),
  hourlyMib: mebibytes
    .optional()
    .meta({ description: "MiB an hour for one destination, both directions together" }),
  hourlyMibTotal: mebibytes.optional().meta({ description: "MiB an hour for all together" }),
}

/** Such options after they were checked. */
export interface AccessChoice {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  readonly filter?: string | undefined
  readonly connections: number
  readonly connectionsPerPeer: number
  readonly connectionRate?: string | undefined
  readonly connectionRateTotal?: string | undefined
  readonly hourlyMib?: number | undefined
  readonly hourlyMibTotal?: number | undefined
}

/**
 * The gate they describe; its filter file is watched until the signal aborts.
 *
 * @throws {AlliumError} `BAD_FILTER`, `NOT_FOUND`.
 */
export async function openGate(
  chosen: AccessChoice,
  host: { clock: Clock; log: Log; signal: AbortSignal },
  more: Partial<GateLimits> = {},
): Promise<Gate> {
  const { filter: path } = chosen
  const filter = path === undefined ? new AccessFilter() : await openFilter({ path, ...host })
  const lists = { allow: new Set(chosen.allow), deny: new Set(chosen.deny) }
  return new Gate({ limits: { ...limitsOf(chosen), ...more }, lists, filter, clock: host.clock })
}

function limitsOf(chosen: AccessChoice): GateLimits {
  return {
    connectionsMax: chosen.connections,
    connectionsPerPeerMax: chosen.connectionsPerPeer,
    connections: {
      perPeer: readRate(chosen.connectionRate),
      total: readRate(chosen.connectionRateTotal),
    },
    bytes: { perPeer: hourly(chosen.hourlyMib), total: hourly(chosen.hourlyMibTotal) },
  }
}

function hourly(mib: number | undefined): Rate | undefined {
  return mib === undefined ? undefined : { count: mib * MIB, seconds: HOUR_S }
}

/**
 * What people may choose about a web server behind a site, the same for tunnels and sites.
 *
 * @module
 */
import { z } from "zod"
import type { GateLimits } from "../access/gate.ts"
import { accessOptions, rateText, readRate } from "../access/options.ts"
import type { RequestRefusals } from "./backend-answers.ts"

const MIB = 2 ** 20
const KIB = 1_024

/** Options of the gate of a web server: browsers open several streams each. */
export const webAccessOptions = {
  ...accessOptions,
  connections: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(512)
    .meta({ description: "Connections at a time, from all together" }),
}

/** Bounds of requests, each with its line of help. */
export const requestOptions = {
  requestRate: rateText
    .default("1200/60")
    .meta({ description: "Requests of one destination, as COUNT/SECONDS" }),
  requestRateTotal: rateText
    .optional()
    .meta({ description: "Requests of all together, as COUNT/SECONDS" }),
  postRate: rateText
    .default("120/60")
    .meta({ description: "POST, PUT, PATCH and DELETE of one destination, as COUNT/SECONDS" }),
  postRateTotal: rateText
    .optional()
    .meta({ description: "The same of all together, as COUNT/SECONDS" }),
  postBanSeconds: z
    .number()
    .int()
    .min(0)
    .max(31 * 86_400)
    .default(60)
    .meta({ description: "How long a destination stays out that posts too often; 0: it does not" }),
}

/** Options of a web server, each with its line of help. */
export const webServerOptions = {
  host: z
    .string()
    .regex(/^[a-z0-9.-]+(?::\d{1,5})?$/i, "expected a host name, with a port where needed")
    .max(255)
    .optional()
    .meta({ description: "Host the server is asked for; the site's address, unless given" }),
  clearnetLinks: z.boolean().default(false).meta({
    description: "Let redirections to the clear net stay; they may name this machine",
  }),
  bodyMib: z
    .number()
    .int()
    .min(1)
    .max(1_048_576)
    .default(1_024)
    .meta({ description: "Largest body of a request, in MiB" }),
  headKib: z
    .number()
    .int()
    .min(4)
    .max(64)
    .default(16)
    .meta({ description: "Largest head of a request, in KiB" }),
  refuseInproxy: z
    .boolean()
    .default(false)
    .meta({ description: "Refuse requests that came through a gateway from the clear net" }),
  refuseReferer: z
    .boolean()
    .default(false)
    .meta({ description: "Refuse requests that follow a link on another site" }),
  refuseUserAgent: z
    .array(z.string().min(1).max(255))
    .max(64)
    .default([])
    .meta({ description: "Refuse requests whose User-Agent holds this text; none: without one" }),
  ...requestOptions,
}

/** {@linkcode requestOptions} after they were checked. */
export interface RequestChoice {
  readonly requestRate: string
  readonly requestRateTotal?: string | undefined
  readonly postRate: string
  readonly postRateTotal?: string | undefined
  readonly postBanSeconds: number
}

/** {@linkcode webServerOptions} after they were checked. */
export interface WebServerChoice extends RequestChoice {
  readonly host?: string | undefined
  readonly clearnetLinks: boolean
  readonly bodyMib: number
  readonly headKib: number
  readonly refuseInproxy: boolean
  readonly refuseReferer: boolean
  readonly refuseUserAgent: readonly string[]
}

/** The bounds of requests for a gate. */
export function requestLimits(chosen: RequestChoice): Partial<GateLimits> {
  return {
    requests: { perPeer: readRate(chosen.requestRate), total: readRate(chosen.requestRateTotal) },
    posts: { perPeer: readRate(chosen.postRate), total: readRate(chosen.postRateTotal) },
    ...(chosen.postBanSeconds > 0 && { postBanMs: chosen.postBanSeconds * 1_000 }),
  }
}

/** What was chosen, as the server's parts take it. */
export function readWebServer(chosen: WebServerChoice): {
  keepClearnet: boolean
  bodyBytesMax: number
  headBytesMax: number
  refusals: RequestRefusals
} {
  return {
    keepClearnet: chosen.clearnetLinks,
    bodyBytesMax: chosen.bodyMib * MIB,
    headBytesMax: chosen.headKib * KIB,
    refusals: {
      inproxy: chosen.refuseInproxy,
      referer: chosen.refuseReferer,
      userAgents: chosen.refuseUserAgent,
    },
  }
}

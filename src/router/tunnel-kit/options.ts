/**
 * What people may choose about a tunnel, the same for several kinds; each with its line of help.
 *
 * @module
 */
import { z } from "zod"
import { accessOptions } from "../../base/access/options.ts"
import { backendOptions } from "../../base/backend/options.ts"
import { parseHostPort } from "../../base/host-port.ts"
import type { WayRules } from "../ways.ts"
import type { ClientTunnelSettings } from "./client-tunnel.ts"
import type { LocalPortRules } from "./local-port.ts"
import type { ServerTunnelSettings } from "./server-tunnel.ts"

const MIB = 2 ** 20
/** How long to wait for tunnels of a new session: 20 to 40 s are usual. */
const SESSION_WAIT_MS = 120_000

/** A whole number between two bounds, both included. */
export const whole = (min: number, max: number) => z.number().int().min(min).max(max)

const spoolOptions = (what: string) => ({
  spoolMib: whole(1, 1_048_576)
    .default(1_024)
    .meta({ description: `Disk for ${what}, in MiB, for the whole tunnel` }),
})

/** Where programs of this machine connect. @param at - Unless they say otherwise. */
export const listenOptions = (at: string) => ({
  listen: z
    .string()
    .default(at)
    .meta({ description: "PORT or HOST:PORT of this machine; port 0 takes a free one" }),
  allowLan: z
    .boolean()
    .default(false)
    .meta({ description: "Allow a HOST that other machines can reach" }),
})

/** Where a tunnel leads. @param count - Destinations at most. */
export const targetOptions = (count: number, description: string) => ({
  to: z.array(z.string().min(1).max(1_024).regex(/^\S+$/)).min(1).max(count).meta({ description }),
})

/** The keys of a tunnel that others do not connect to. */
export const keyOptions = {
  keys: z
    .enum(["transient", "persistent"])
    .default("transient")
    .meta({ description: "transient: a new address each start; persistent: the same one" }),
}

const closeMinutes = (minutes: number) =>
  whole(0, 1_440)
    .default(minutes)
    .meta({ description: "Close an address nobody used for so long; 0 never" })

/** How long a stream stays open after the program's last word. */
export const lingerOptions = {
  lingerSeconds: whole(1, 3_600)
    .default(60)
    .meta({ description: "How long to wait for an answer after the program's last word" }),
}

/** Options of a tunnel as {@linkcode ClientTunnelSettings}. */
export const clientOptions = (listensAt: string) => ({
  ...targetOptions(16, "Where to connect: names, .b32.i2p or base64; the first that answers"),
  toPort: whole(0, 65_535)
    .default(0)
    .meta({ description: "Port at the other end; i2pd ignores it" }),
  ...listenOptions(listensAt),
  ...keyOptions,
  lazy: z
    .boolean()
    .default(false)
    .meta({ description: "Open the address with the first connection instead of at once" }),
  closeMinutes: closeMinutes(0),
  waitSeconds: whole(1, 600).default(60).meta({ description: "How long to try one destination" }),
  ...lingerOptions,
  connections: whole(1, 10_000)
    .default(128)
    .meta({ description: "Connections at a time; more are refused" }),
  ...spoolOptions("answers that wait for slow programs"),
})

/** Such options after they were checked. */
export type ClientChoice = z.output<z.ZodObject<ReturnType<typeof clientOptions>>>

/** @throws {AlliumError} `BAD_INPUT`. */
export function readClient(given: ClientChoice): ClientTunnelSettings {
  return {
    ...readPort(given),
    targets: given.to,
    toPort: given.toPort,
    keys: given.keys,
    isLazy: given.lazy,
    idleMs: given.closeMinutes * 60_000,
    waitMs: given.waitSeconds * 1_000,
    lingerMs: given.lingerSeconds * 1_000,
    spoolBytesMax: given.spoolMib * MIB,
  }
}

/** Options of a proxy that keeps visits apart; the kind adds what is its own. */
export const proxyOptions = (listensAt: string) => ({
  ...listenOptions(listensAt),
  sessions: whole(1, 32)
    .default(8)
    .meta({ description: "I2P addresses open at a time; the one unused longest is closed" }),
  closeMinutes: closeMinutes(30),
  resume: z
    .enum(["new", "same"])
    .default("new")
    .meta({ description: "After that, come back under a new address or the same" }),
  lazy: z.boolean().default(false).meta({
    description: "Open the first address with the first connection instead of at once",
  }),
  users: z.string().max(4_096).optional().meta({
    kind: "path",
    description: "A file of user:password lines, mode 0600: only they may use the proxy",
  }),
  waitSeconds: whole(1, 600)
    .default(60)
    .meta({ description: "How long to look for a site before giving up" }),
  connections: whole(1, 10_000)
    .default(512)
    .meta({ description: "Connections of programs at a time; more are refused" }),
  ...spoolOptions("answers that wait for slow programs"),
})

type ProxyChoice = z.output<z.ZodObject<ReturnType<typeof proxyOptions>>>

/** What a proxy makes of such options; units are in the names. */
export interface ProxyRules extends LocalPortRules, WayRules {
  /** The tunnel's own session opens with the first connection instead of at once. */
  readonly isLazy: boolean
  /** How long to look for a site, once the session is up. */
  readonly waitMs: number
  /** How long to wait for the session. */
  readonly sessionWaitMs: number
  readonly spoolBytesMax: number
}

/** @throws {AlliumError} `BAD_INPUT`. */
export function readProxy(given: ProxyChoice): ProxyRules {
  return {
    ...readPort(given),
    sessionsMax: given.sessions,
    idleMs: given.closeMinutes * 60_000,
    keepAddress: given.resume === "same",
    isLazy: given.lazy,
    waitMs: given.waitSeconds * 1_000,
    sessionWaitMs: SESSION_WAIT_MS,
    spoolBytesMax: given.spoolMib * MIB,
  }
}

/** Options of a tunnel as {@linkcode ServerTunnelSettings}, and of the program it leads to. */
export const serverOptions = {
  ...backendOptions,
  ...accessOptions,
  lingerSeconds: whole(0, 3_600).default(30).meta({
    description: "How long to wait for the other side to close first, after the last byte",
  }),
  ...spoolOptions("what waits for a slow program"),
}

/** What {@linkcode serverOptions} say, apart from the program. */
export function readServer(
  given: z.output<z.ZodObject<typeof serverOptions>>,
): ServerTunnelSettings {
  return {
    access: given,
    lingerMs: given.lingerSeconds * 1_000,
    spoolBytesMax: given.spoolMib * MIB,
  }
}

function readPort(given: {
  readonly listen: string
  readonly allowLan: boolean
  readonly connections: number
}): LocalPortRules {
  const { allowLan, connections } = given
  const at = parseHostPort(given.listen, { allowLan, allowAnyPort: true })
  return { ...at, connectionsMax: connections }
}

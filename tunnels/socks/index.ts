/**
 * A proxy for programs that speak SOCKS: they reach I2P by name, and nothing else.
 *
 * @module
 */
import {
  defineTunnel,
  type OpenTunnel,
  openUserFile,
  parseHostPort,
  type TunnelContext,
  z,
} from "allium/tunnel"
import { ISOLATIONS } from "./isolation.ts"
import type { Admit } from "./request.ts"
import { openSocks } from "./socks.ts"

const MIB = 2 ** 20
/** How long to wait for tunnels of a new session: 20 to 40 s are usual. */
const SESSION_WAIT_MS = 120_000

const options = z.object({
  listen: z
    .string()
    .default("127.0.0.1:4447")
    .meta({ description: "PORT or HOST:PORT of this machine; port 0 takes a free one" }),
  allowLan: z
    .boolean()
    .default(false)
    .meta({ description: "Allow a HOST that other machines can reach" }),
  isolate: z.enum(ISOLATIONS).default("user").meta({
    description:
      "Another I2P address of ours for each user name and password, for each site, or one",
  }),
  sessions: z
    .number()
    .int()
    .min(1)
    .max(32)
    .default(8)
    .meta({ description: "I2P addresses open at a time; the one unused longest is closed" }),
  closeMinutes: z
    .number()
    .int()
    .min(0)
    .max(1_440)
    .default(30)
    .meta({ description: "Close an address nobody used for so long; 0 never" }),
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
  waitSeconds: z
    .number()
    .int()
    .min(1)
    .max(600)
    .default(60)
    .meta({ description: "How long to look for a site before giving up" }),
  lingerSeconds: z
    .number()
    .int()
    .min(1)
    .max(3_600)
    .default(60)
    .meta({ description: "How long to wait for an answer after the program's last word" }),
  connections: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(512)
    .meta({ description: "Connections of programs at a time; more are refused" }),
  spoolMib: z.number().int().min(1).max(1_048_576).default(1_024).meta({
    description: "Disk for answers that wait for slow programs, in MiB, for the whole tunnel",
  }),
})

/** Options of `socks` after they were checked. */
type SocksOptions = z.output<typeof options>

const everybody: Admit = () => true

/** Only users of the file; version 4 knows no passwords, so it is refused then. */
async function onlyUsers(path: string): Promise<Admit> {
  const isUser = await openUserFile(path)
  return (credentials) => credentials !== undefined && isUser(credentials)
}

async function open(context: TunnelContext, given: SocksOptions): Promise<OpenTunnel> {
  return openSocks(context, {
    ...parseHostPort(given.listen, { allowLan: given.allowLan, allowAnyPort: true }),
    isolation: given.isolate,
    sessionsMax: given.sessions,
    idleMs: given.closeMinutes * 60_000,
    keepAddress: given.resume === "same",
    isLazy: given.lazy || given.isolate === "site",
    admit: given.users === undefined ? everybody : await onlyUsers(given.users),
    waitMs: given.waitSeconds * 1_000,
    sessionWaitMs: SESSION_WAIT_MS,
    lingerMs: given.lingerSeconds * 1_000,
    connectionsMax: given.connections,
    spoolBytesMax: given.spoolMib * MIB,
  })
}

/** The kind `socks`. */
export const socks = defineTunnel({
  kind: "socks",
  summary: "A SOCKS 4a and 5 proxy through which programs reach I2P",
  options,
  examples: [
    "tunnel add socks",
    "tunnel add socks --listen 127.0.0.1:9050 --isolate site --resume same",
  ],
  open,
})

/**
 * A proxy for programs that speak SOCKS: they reach I2P by name, and nothing else.
 *
 * @module
 */
import {
  defineTunnel,
  lingerOptions,
  type OpenTunnel,
  openUserFile,
  proxyOptions,
  readProxy,
  type TunnelContext,
  type Users,
  z,
} from "allium/tunnel"
import { ISOLATIONS } from "./isolation.ts"
import { openSocks } from "./socks.ts"

const options = z.object({
  ...proxyOptions("127.0.0.1:4447"),
  isolate: z.enum(ISOLATIONS).default("user").meta({
    description:
      "Another I2P address of ours for each user name and password, for each site, or one",
  }),
  plain: z.boolean().default(false).meta({
    description:
      "Datagrams go to programs that no udp-server of Allium leads to: bytes as they are",
  }),
  ...lingerOptions,
})

/** Options of `socks` after they were checked. */
type SocksOptions = z.output<typeof options>

const anybody: Users = { refusal: () => undefined }

async function open(context: TunnelContext, given: SocksOptions): Promise<OpenTunnel> {
  return openSocks(context, {
    ...readProxy(given),
    isolation: given.isolate,
    isLazy: given.lazy || given.isolate === "site",
    users: given.users === undefined ? anybody : await openUserFile(given.users, context.clock),
    isPlain: given.plain,
    lingerMs: given.lingerSeconds * 1_000,
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

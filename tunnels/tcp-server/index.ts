/**
 * A destination that leads to programs of this machine which listen and know nothing of I2P.
 *
 * @module
 */
import {
  chooseBackend,
  defineTunnel,
  type OpenTunnel,
  openServerTunnel,
  readServer,
  serverOptions,
  type TunnelContext,
  z,
} from "allium/tunnel"
import { leadByPort } from "./lead-by-port.ts"
import { parsePortRule } from "./port-rules.ts"

const expose = z.string().min(1).max(512)

const asList = (given: unknown) => (typeof given === "string" ? [given] : given)

const options = z.object({
  expose: z.preprocess(asList, z.array(expose).min(1).max(64)).meta({
    description:
      'Where the program listens: PORT, HOST:PORT or unix:PATH; by port: "80 -> 8080", "* -> refuse"',
  }),
  ...serverOptions,
  clientFirst: z.boolean().default(false).meta({
    description: "Connect to the program only when the client has said something",
  }),
})

/** Options of `tcp-server` after they were checked. */
type TcpServerOptions = z.output<typeof options>

async function open(context: TunnelContext, given: TcpServerOptions): Promise<OpenTunnel> {
  const { clientFirst } = given
  const rules = await Promise.all(
    given.expose.map(parsePortRule).map(async ({ port, target }) => ({
      port,
      backend: target === "refuse" ? undefined : await chooseBackend(target, given),
    })),
  )
  return openServerTunnel(context, readServer(given), {
    choose: (stream) => leadByPort(stream, { rules, clientFirst }),
  })
}

/** The kind `tcp-server`. */
export const tcpServer = defineTunnel({
  kind: "tcp-server",
  summary: "Lead a destination of its own to programs of this machine",
  options,
  examples: [
    "tunnel add tcp-server --expose 127.0.0.1:22 --name ssh",
    "tunnel add tcp-server --expose 6667 --connections-per-peer 4 --connection-rate 30/60",
    'tunnel add tcp-server --expose "80 -> 8080" --expose "443 -> unix:/run/x" --expose "* -> refuse"',
  ],
  open,
})

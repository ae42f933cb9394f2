/**
 * A destination that leads to programs of this machine which listen and know nothing of I2P.
 *
 * @module
 */
import {
  accessOptions,
  backendOptions,
  chooseBackend,
  defineTunnel,
  type OpenTunnel,
  type TunnelContext,
  z,
} from "allium/tunnel"
import { parsePortRule } from "./port-rules.ts"
import { openTcpServer } from "./tcp-server.ts"

const MIB = 2 ** 20

const expose = z.string().min(1).max(512)

const asList = (given: unknown) => (typeof given === "string" ? [given] : given)

const options = z.object({
  expose: z.preprocess(asList, z.array(expose).min(1).max(64)).meta({
    description:
      'Where the program listens: PORT, HOST:PORT or unix:PATH; by port: "80 -> 8080", "* -> refuse"',
  }),
  ...backendOptions,
  ...accessOptions,
  clientFirst: z.boolean().default(false).meta({
    description: "Connect to the program only when the client has said something",
  }),
  lingerSeconds: z.number().int().min(0).max(3_600).default(30).meta({
    description: "How long to wait for the other side to close first, after the last byte",
  }),
  spoolMib: z
    .number()
    .int()
    .min(1)
    .max(1_048_576)
    .default(1_024)
    .meta({ description: "Disk for what waits for a slow program, in MiB, for the whole tunnel" }),
})

/** Options of `tcp-server` after they were checked. */
type TcpServerOptions = z.output<typeof options>

async function open(context: TunnelContext, given: TcpServerOptions): Promise<OpenTunnel> {
  const rules = given.expose.map(parsePortRule)
  return openTcpServer(context, {
    rules: await Promise.all(
      rules.map(async ({ port, target }) => ({
        port,
        backend: target === "refuse" ? undefined : await chooseBackend(target, given),
      })),
    ),
    access: given,
    clientFirst: given.clientFirst,
    lingerMs: given.lingerSeconds * 1_000,
    spoolBytesMax: given.spoolMib * MIB,
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

/**
 * A web server of this machine at a destination of its own: every message is read and written anew.
 *
 * @module
 */
import {
  backendOptions,
  chooseBackend,
  defineTunnel,
  type OpenTunnel,
  openBackendAnswers,
  openGate,
  openStreamServer,
  readWebServer,
  requestLimits,
  Scope,
  SpoolPlace,
  type TunnelContext,
  webAccessOptions,
  webServerOptions,
  whole,
  z,
} from "allium/tunnel"

const MIB = 2 ** 20

const options = z.object({
  expose: z
    .string()
    .min(1)
    .max(512)
    .meta({ description: "Where the server listens: PORT, HOST:PORT or unix:PATH" }),
  ...webServerOptions,
  ...backendOptions,
  ...webAccessOptions,
  idleSeconds: whole(10, 86_400)
    .default(3_600)
    .meta({ description: "Longest pause of a stream, WebSockets and events included" }),
  spoolMib: z.number().int().min(1).max(1_048_576).default(1_024).meta({
    description: "Disk for answers that wait for slow readers, in MiB, for the whole tunnel",
  }),
})

/** Options of `http-server` after they were checked. */
type HttpServerOptions = z.output<typeof options>

async function open(context: TunnelContext, given: HttpServerOptions): Promise<OpenTunnel> {
  await using opening = new Scope()
  const backend = await chooseBackend(given.expose, given)
  const gate = await openGate(
    given,
    { clock: context.clock, log: context.log, signal: opening.signal },
    requestLimits(given),
  )
  const { destination, incoming } = await context.session({ keys: "persistent" })
  const { headBytesMax, ...chosen } = readWebServer(given)
  const answers = openBackendAnswers({
    ...chosen,
    backend,
    host: given.host ?? destination.b32,
    site: destination.b32,
    place: new SpoolPlace(context.folder, given.spoolMib * MIB),
    signal: opening.signal,
  })
  opening.use(answers)
  const limits = { requestMs: 0, idleMs: given.idleSeconds * 1_000, headBytesMax }
  const server = opening.use(openStreamServer({ incoming, answers, limits, gate }))
  const scope = opening.move()
  return {
    address: destination.b32,
    counters: () => server.counters(),
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

/** The kind `http-server`. */
export const httpServer = defineTunnel({
  kind: "http-server",
  summary: "Make a web server of this machine an I2P site",
  options,
  examples: [
    "tunnel add http-server --expose 127.0.0.1:8080",
    "tunnel add http-server --expose unix:/run/app.sock --host app.localhost --post-rate 3/300",
    "tunnel add http-server --expose 443 --tls --tls-pin 5f…c1 --client-address proxy-v2",
  ],
  open,
})

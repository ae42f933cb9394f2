/**
 * A proxy on the embedded network, sites whose every byte a test decides, and clients that send what
 * they like.
 *
 * @module
 */
import { once } from "node:events"
import type { Server } from "node:http"
import { connect, type Socket } from "node:net"
import { buffer } from "node:stream/consumers"
import { systemClock } from "../../../src/base/clock.ts"
import { StreamSocket, startWithoutListening } from "../../../src/base/http/index.ts"
import { Scope } from "../../../src/base/scope.ts"
import { dial } from "../../../src/router/dial.ts"
import type { SamStream, Session } from "../../../src/sam/session.ts"
import { type HttpProxySettings, openHttpProxy } from "../../../tunnels/http-proxy/http-proxy.ts"
import { anybody } from "../../../tunnels/http-proxy/users.ts"
import { openEmbeddedNetwork } from "../../support/embedded-network.ts"
import type { FakeNetwork } from "../../support/fake-session.ts"
import { type FakeTunnelContext, openFakeTunnelContext } from "../../support/fake-tunnel-context.ts"

/** Settings of a proxy that loses patience quickly. */
const HASTY: HttpProxySettings = {
  host: "127.0.0.1",
  port: 0,
  server: { headBytesMax: 64 * 1024, headMs: 30_000, requestMs: 0, keepAliveMs: 75_000 },
  waitMs: 10_000,
  sessionWaitMs: 10_000,
  limits: {
    connectMs: 20_000,
    secondMs: 5_000,
    answerMs: 10_000,
    idleMs: 10_000,
    waitForReader: true,
  },
  opaqueIdleMs: 60_000,
  isolation: "none",
  sessionsMax: 4,
  idleMs: 0,
  keepAddress: false,
  isLazy: true,
  users: anybody,
  refusedPorts: [22, 25],
  jumps: [],
  outproxies: [],
  connectionsMax: 256,
  spoolBytesMax: 2 ** 30,
}

/** A site at the other end, told of every stream. */
export interface RawSite {
  readonly b32: string
  readonly base64: string
  /** Streams that came so far; those that ended too. */
  readonly streams: SamStream[]
}

/** A proxy and where it listens. */
export interface StagedProxy {
  readonly port: number
  readonly url: string
  readonly context: FakeTunnelContext
  counters(): Readonly<Record<string, number>>
}

/** What {@linkcode openStage} gives; ends with `scope`. */
export class Stage {
  readonly scope = new Scope()
  network!: FakeNetwork

  async open(): Promise<void> {
    this.network = this.scope.use(await openEmbeddedNetwork())
  }

  close(): Promise<void> {
    return this.scope.close()
  }

  /** `changes.limits` are merged, too. */
  async proxy(
    changes: Omit<Partial<HttpProxySettings>, "limits"> & {
      limits?: Partial<HttpProxySettings["limits"]>
    } = {},
    options: { sessionsMax?: number } = {},
  ): Promise<StagedProxy> {
    const made = this.scope.use(await openFakeTunnelContext(this.network, options))
    // As the router dials: a site that is not there yet is looked for again.
    const patient = { ...made, dial: patientDial(made) }
    const limits = { ...HASTY.limits, ...changes.limits }
    const tunnel = this.scope.use(await openHttpProxy(patient, { ...HASTY, ...changes, limits }))
    const port = Number(tunnel.listens!.split(":").at(-1))
    const url = `http://127.0.0.1:${port}`
    return { port, url, context: made, counters: () => tunnel.counters() }
  }

  /** A site that does with each stream what `serve` does. */
  async site(
    serve: (stream: SamStream, index: number) => void,
    session: Session = this.scope.use(this.network.open()),
  ): Promise<RawSite> {
    await session.ready({ signal: this.scope.signal })
    const streams: SamStream[] = []
    void (async () => {
      for await (const stream of session.incoming) {
        stream.on("error", () => {})
        serve(stream, streams.push(stream) - 1)
      }
    })()
    const { b32, base64 } = session.destination
    return { b32, base64, streams }
  }

  /** A site that sends these bytes for each request's first packet. */
  answering(...answers: (string | Buffer)[]): Promise<RawSite> {
    return this.site((stream) => {
      let turn = 0
      stream.on("data", () => void stream.write(answers[turn++ % answers.length]!))
    })
  }

  /** A site run by a server of Node. */
  async served(server: Server): Promise<RawSite> {
    startWithoutListening(server)
    this.scope.defer(() => server.close())
    return this.site((stream) =>
      server.emit("connection", new StreamSocket(stream, { lingerMs: 500 })),
    )
  }

  /** A connection to the proxy. */
  async client(proxy: StagedProxy): Promise<Socket> {
    const socket = connect({ host: "127.0.0.1", port: proxy.port, allowHalfOpen: true })
    socket.on("error", () => {})
    this.scope.defer(() => void socket.destroy())
    await once(socket, "connect")
    return socket
  }

  /** Sends bytes and reads until the proxy closes, or `enough` was read, or 3 s have passed. */
  async raw(proxy: StagedProxy, text: string | Buffer, enough = /$^/): Promise<string> {
    const socket = await this.client(proxy)
    socket.write(text)
    return readUntil(socket, enough)
  }
}

/** Reads until `enough` matches what came, the other side ends, or 3 s have passed; ends the socket. */
export async function readUntil(socket: Socket, enough: RegExp): Promise<string> {
  const timer = setTimeout(() => socket.destroy(), 3_000)
  let text = ""
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1")
    if (enough.test(text)) socket.destroy()
  })
  await buffer(socket).catch(() => {})
  clearTimeout(timer)
  socket.destroy()
  return text
}

/** A GET as browsers send it to a proxy. */
export function GET(host: string, path = "/", more = "", method = "GET"): string {
  return `${method} http://${host}${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`
}

/** A whole answer. */
export function OK(body: string, more = ""): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`
}

function patientDial(context: FakeTunnelContext): FakeTunnelContext["dial"] {
  const tools = { clock: systemClock, chance: () => 0 }
  return async (session, host, call) => {
    context.dialled.push(host)
    return dial(session, await context.resolve(host, call), call, tools)
  }
}

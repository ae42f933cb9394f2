/** `http-proxy` and `http-server` together: many who ask at once, and streams that are cut. */
import { once } from "node:events"
import { Agent, createServer, get, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { text } from "node:stream/consumers"
import { setTimeout as wait } from "node:timers/promises"
import { afterEach, describe, expect, it } from "vitest"
import { Scope } from "../../../src/base/scope.ts"
import type { SamStream } from "../../../src/sam/session.ts"
import { httpProxy } from "../../../tunnels/http-proxy/index.ts"
import { httpServer } from "../../../tunnels/http-server/index.ts"
import { openEmbeddedNetwork } from "../../support/embedded-network.ts"
import { openFakeTunnelContext } from "../../support/fake-tunnel-context.ts"

const CONNECTIONS = 200
const PAGES = 2

describe("http-proxy and http-server, on the embedded network", () => {
  let scope = new Scope()
  afterEach(async () => {
    await scope.close()
    scope = new Scope()
  })

  /** A pair with a program behind it that answers with the path; each new stream takes `dialMs` and is shown. */
  async function openPair({ dialMs = 0, onStream = (_stream: SamStream) => {} } = {}) {
    const network = scope.use(await openEmbeddedNetwork())
    const program = createServer(({ url }, response) => void response.end(url))
    await once(program.listen(0, "127.0.0.1"), "listening")
    scope.defer(() => {
      program.close()
      program.closeAllConnections()
    })
    const far = scope.use(await openFakeTunnelContext(network))
    const near = scope.use(await openFakeTunnelContext(network))
    const expose = String((program.address() as AddressInfo).port)
    const server = scope.use(await httpServer.open(far, httpServer.options.parse({ expose })))
    const dial: typeof near.dial = async (...call) => {
      await wait(dialMs)
      const stream = await near.dial(...call)
      onStream(stream)
      return stream
    }
    const options = httpProxy.options.parse({ listen: "0" })
    const proxy = scope.use(await httpProxy.open({ ...near, dial }, options))
    const [host, port] = proxy.listens!.split(":") as [string, string]
    const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
    scope.defer(() => agent.destroy())
    const headers = { host: server.address! }
    const ask = async (path: string) => {
      const asked = get({ agent, host, port, path: `http://${server.address}${path}`, headers })
      const [answer] = (await once(asked, "response")) as [IncomingMessage]
      return `${answer.statusCode} ${await text(answer)}`
    }
    return { ask, counters: server.counters!, dialled: near.dialled }
  }

  it("A13: 200 connections ask page after page over sixteen streams, and each is answered", async () => {
    const { ask, counters, dialled } = await openPair({ dialMs: 500 })
    const askOn = async (who: number) => {
      for (let page = 0; page < PAGES; page++)
        expect(await ask(`/${who}-${page}`)).toBe(`200 /${who}-${page}`)
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, (_, who) => askOn(who)))
    expect(dialled).toHaveLength(16)
    expect(counters()).toMatchObject({ refused: 0, requests: CONNECTIONS * PAGES })
  })

  it("asks again on a new stream when all kept ones are cut, also for those who stand in line", async () => {
    const streams: SamStream[] = []
    const { ask } = await openPair({ onStream: (stream) => streams.push(stream) })
    const paths = Array.from({ length: 40 }, (_, count) => `/${count}`)
    const asked = paths.map(ask)
    await asked[12]
    for (const stream of streams.slice()) stream.destroy()
    expect(await Promise.all(asked)).toEqual(paths.map((path) => `200 ${path}`))
  })

  it("asks again when a new stream is cut at once, a few times", async () => {
    let cutCount = 2
    const { ask, dialled } = await openPair({
      onStream: (stream) => {
        if (cutCount-- > 0) setImmediate(() => stream.destroy())
      },
    })
    expect(await ask("/")).toBe("200 /")
    expect(dialled).toHaveLength(3)
  })
})

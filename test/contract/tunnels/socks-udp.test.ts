/** UDP ASSOCIATE of `socks`, with a program that speaks SOCKS by hand, to a `udp-server`. */
import { createSocket, type Socket as UdpSocket } from "node:dgram"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { Scope } from "../../../src/base/scope.ts"
import { socks } from "../../../tunnels/socks/index.ts"
import { udpServer } from "../../../tunnels/udp-server/index.ts"
import { openEmbeddedNetwork } from "../../support/embedded-network.ts"
import type { FakeNetwork } from "../../support/fake-session.ts"
import { openFakeTunnelContext } from "../../support/fake-tunnel-context.ts"

const text = (value: string) => [value.length, ...Buffer.from(value)]
/** A name and a port as SOCKS says them. */
const named = (host: string, port = 53) => [3, ...text(host), port >> 8, port & 255]
const datagram = (to: number[], payload: string) =>
  Buffer.from([0, 0, 0, ...to, ...Buffer.from(payload)])

/** A program with an association: its connection, its UDP socket, and all it hears. */
interface Program {
  readonly local: Socket
  readonly udp: UdpSocket
  /** The proxy's UDP port. */
  readonly port: number
  readonly heard: string[]
}

describe("UDP ASSOCIATE on the embedded network", () => {
  const whole = new Scope()
  let network: FakeNetwork
  beforeAll(async () => {
    network = whole.use(await openEmbeddedNetwork())
  })
  afterAll(() => whole.close())
  let scope = new Scope()
  afterEach(async () => {
    await scope.close()
    scope = new Scope()
  })

  async function bound(): Promise<UdpSocket> {
    const socket = createSocket("udp4")
    scope.defer(() => socket.close())
    socket.on("error", () => {}).bind(0, "127.0.0.1")
    await once(socket, "listening")
    return socket
  }

  /** A program that answers `re: …` behind a destination, and who asked it. */
  async function server() {
    const backend = await bound()
    const askers = new Set<number>()
    backend.on("message", (bytes, from) => {
      askers.add(from.port)
      backend.send(`re: ${bytes}`, from.port, from.address)
    })
    const context = scope.use(await openFakeTunnelContext(network))
    const chosen = udpServer.options.parse({ expose: String(backend.address().port) })
    const tunnel = scope.use(await udpServer.open(context, chosen))
    const session = await context.datagrams({ keys: "persistent", style: "DATAGRAM" })
    await session.ready({ signal: scope.signal })
    return { address: tunnel.address!, tunnel, askers }
  }

  async function proxy(options: Record<string, unknown> = {}, sessionsMax = 64) {
    const context = scope.use(await openFakeTunnelContext(network, { sessionsMax }))
    const chosen = socks.options.parse({ listen: "0", lazy: true, ...options })
    const tunnel = scope.use(await socks.open(context, chosen))
    const port = Number(tunnel.listens!.split(":")[1])
    return { context, tunnel, port }
  }

  /** Sends a request and resolves with the reply to it. */
  async function ask(port: number, bytes: number[], skip: number) {
    const local = connect({ host: "127.0.0.1", port })
    scope.defer(() => local.destroy())
    local.on("error", () => {}).on("readable", () => {})
    local.write(Uint8Array.from(bytes))
    await expect.poll(() => local.readableLength).toBeGreaterThanOrEqual(skip + 10)
    return { local, reply: (local.read(skip + 10) as Buffer).subarray(skip) }
  }

  const ASSOCIATE = [5, 3, 0, 1, 0, 0, 0, 0, 0, 0]

  async function associate(port: number, user?: string): Promise<Program> {
    const udp = await bound()
    const heard: string[] = []
    const greeting = user === undefined ? [5, 1, 0] : [5, 1, 2, 1, ...text(user), ...text("x")]
    const { local, reply } = await ask(
      port,
      [...greeting, ...ASSOCIATE],
      user === undefined ? 2 : 4,
    )
    expect([...reply.subarray(0, 8)]).toEqual([5, 0, 0, 1, 127, 0, 0, 1])
    udp.on("message", (bytes) => heard.push(bytes.toString("latin1")))
    return { local, udp, port: reply.readUInt16BE(8), heard }
  }

  const say = ({ udp, port }: Program, bytes: Uint8Array) => udp.send(bytes, port, "127.0.0.1")

  /** Asks as programs do: again, until there is an answer; resolves with it, whole. */
  async function answerTo(program: Program, to: number[], question: string): Promise<Buffer> {
    const answer = () => program.heard.find((one) => one.endsWith(`re: ${question}`))
    await expect
      .poll(
        () => {
          if (answer() === undefined) say(program, datagram(to, question))
          return answer()
        },
        { interval: 50, timeout: 15_000 },
      )
      .toBeDefined()
    return Buffer.from(answer()!, "latin1")
  }

  it("A19: carries questions and answers, which come from whom they were for", async () => {
    const { address } = await server()
    const { port, tunnel, context } = await proxy()
    context.names.set("dns.i2p", address)
    const program = await associate(port)
    const answer = await answerTo(program, named("DNS.i2p"), "query")
    expect(answer).toEqual(datagram(named("DNS.i2p"), "re: query"))
    expect(await answerTo(program, named(address, 7), "other")).toEqual(
      datagram(named(address, 7), "re: other"),
    )
    expect(tunnel.counters()).toMatchObject({ connectionsNow: 1, sessions: 1, refused: 0 })
    expect(tunnel.counters().datagramsIn).toBeGreaterThanOrEqual(2)
  })

  it("A19: programs of one user share an address, and hear only their own", async () => {
    const { address, tunnel: far } = await server()
    const { port } = await proxy()
    const [ann, bob] = [await associate(port), await associate(port)]
    await Promise.all([answerTo(ann, named(address), "ann"), answerTo(bob, named(address), "bob")])
    expect(ann.heard.every((one) => one.endsWith("re: ann"))).toBe(true)
    expect(bob.heard.every((one) => one.endsWith("re: bob"))).toBe(true)
    expect(far.counters().connectionsNow).toBe(2)
  })

  it("B17: users are different visitors in their datagrams too, and none is their streams'", async () => {
    const { address, tunnel: far } = await server()
    const allowed = await proxy()
    const [ann, bob] = [await associate(allowed.port, "ann"), await associate(allowed.port, "bob")]
    await answerTo(ann, named(address), "ann")
    await answerTo(bob, named(address), "bob")
    expect(allowed.tunnel.counters().sessions).toBe(2)
    expect(far.counters().connectionsNow).toBe(2)
    expect(allowed.context.opened).toEqual([])
  })

  it("B17: with isolation by site, each site has another visitor", async () => {
    const [one, two] = [await server(), await server()]
    const { port, tunnel } = await proxy({ isolate: "site" })
    const program = await associate(port)
    await answerTo(program, named(one.address), "one")
    await answerTo(program, named(two.address), "two")
    expect(tunnel.counters().sessions).toBe(2)
  })

  it.each([
    { what: "a name outside", bytes: datagram(named("example.org"), "x"), code: "PROXY_REFUSED" },
    { what: "loopback", bytes: datagram([1, 127, 0, 0, 1, 0, 53], "x"), code: "PROXY_REFUSED" },
    { what: "IPv6", bytes: datagram([4, ...Buffer.alloc(18)], "x"), code: "PROXY_REFUSED" },
    {
      what: "a fragment",
      bytes: Buffer.from([0, 0, 1, ...named("a.i2p"), 1]),
      code: "BAD_REQUEST",
    },
    { what: "damage", bytes: Buffer.from([0, 0, 0, 9]), code: "BAD_REQUEST" },
    { what: "a damaged address", bytes: datagram(named("a.b32.i2p"), "x"), code: "BAD_NAME" },
  ])("B7: lets $what go nowhere, and counts it", async ({ bytes, code }) => {
    const { port, tunnel } = await proxy()
    const program = await associate(port)
    await expect
      .poll(() => {
        say(program, bytes)
        return tunnel.counters()[`failed.${code}`] ?? 0
      })
      .toBeGreaterThan(0)
    expect(tunnel.counters()).toMatchObject({ datagramsOut: 0, refused: expect.any(Number) })
    expect(tunnel.counters().refused).toBeGreaterThan(0)
  })

  it("hears only the port that spoke first", async () => {
    const { address, askers } = await server()
    const { port, tunnel } = await proxy()
    const program = await associate(port)
    await answerTo(program, named(address), "mine")
    const stranger = await bound()
    await expect
      .poll(() => {
        stranger.send(datagram(named(address), "not mine"), program.port, "127.0.0.1")
        return tunnel.counters().refused
      })
      .toBeGreaterThan(0)
    expect(askers.size).toBe(1)
  })

  it("ends with the program's connection, and gives its port back", async () => {
    const { port, tunnel } = await proxy()
    const program = await associate(port)
    program.local.end()
    await expect.poll(() => tunnel.counters().connectionsNow).toBe(0)
    await expect
      .poll(async () => {
        const udp = createSocket("udp4").on("error", () => {})
        udp.bind({ port: program.port, address: "127.0.0.1", exclusive: true })
        const [state] = await Promise.race([
          once(udp, "listening").then(() => ["free"]),
          once(udp, "error").then(() => ["taken"]),
        ])
        udp.close()
        return state
      })
      .toBe("free")
  })

  it("answers 1 when there is no place for another session, and keeps none", async () => {
    const { port, tunnel } = await proxy({ sessions: 1 })
    const first = await associate(port, "ann")
    const login = [5, 1, 2, 1, ...text("bob"), ...text("x")]
    const { reply } = await ask(port, [...login, ...ASSOCIATE], 4)
    expect(reply[1]).toBe(1)
    first.local.destroy()
    await expect.poll(() => tunnel.counters().connectionsNow).toBe(1)
    await associate(port, "bob")
    expect(tunnel.counters().sessions).toBe(1)
  })

  it("speaks plainly to who knows no tags", async () => {
    const { address } = await server()
    const { port } = await proxy({ plain: true })
    await answerTo(await associate(port), named(address), "query")
  })
})

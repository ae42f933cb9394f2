import { createSocket, type RemoteInfo, type Socket } from "node:dgram"
import { once } from "node:events"
import { setTimeout as wait } from "node:timers/promises"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import type { Clock } from "../../../src/base/clock.ts"
import { Scope } from "../../../src/base/scope.ts"
import { addTag } from "../../../src/base/udp/index.ts"
import { DATAGRAM_BYTES_MAX } from "../../../src/sam/index.ts"
import { udpClient } from "../../../tunnels/udp-client/index.ts"
import { udpServer } from "../../../tunnels/udp-server/index.ts"
import { openEmbeddedNetwork } from "../../support/embedded-network.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import type { FakeNetwork } from "../../support/fake-session.ts"
import { openFakeTunnelContext } from "../../support/fake-tunnel-context.ts"

/** Ahead of a datagram that some programs add, so that many of them are told apart. */
const TAG_BYTES = 8

/** A program with a UDP port, and all it hears. */
interface Program {
  readonly socket: Socket
  readonly port: number
  readonly heard: string[]
  readonly from: RemoteInfo[]
}

describe("udp-client and udp-server on the embedded network", () => {
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

  async function program(answer?: (text: string) => string | undefined): Promise<Program> {
    const socket = createSocket("udp4")
    scope.defer(() => socket.close())
    socket.bind(0, "127.0.0.1")
    await once(socket, "listening")
    const heard: string[] = []
    const from: RemoteInfo[] = []
    socket.on("error", () => {})
    socket.on("message", (bytes, info) => {
      const text = bytes.toString("latin1")
      heard.push(text)
      from.push(info)
      const reply = answer?.(text)
      if (reply !== undefined) socket.send(Buffer.from(reply, "latin1"), info.port, info.address)
    })
    return { socket, port: socket.address().port, heard, from }
  }

  const answering = () => program((text) => `re: ${text}`)

  async function server(expose: number, options: Record<string, unknown> = {}, clock?: Clock) {
    const made = scope.use(await openFakeTunnelContext(network))
    const context = clock === undefined ? made : { ...made, clock }
    const chosen = udpServer.options.parse({ expose: String(expose), ...options })
    const tunnel = scope.use(await udpServer.open(context, chosen))
    const session = await context.datagrams({ keys: "persistent", style: "DATAGRAM" })
    await session.ready({ signal: scope.signal })
    return { tunnel, address: tunnel.address!, session }
  }

  async function client(to: string, options: Record<string, unknown> = {}, clock?: Clock) {
    const made = scope.use(await openFakeTunnelContext(network))
    const context = clock === undefined ? made : { ...made, clock }
    const chosen = udpClient.options.parse({ to: [to], ...options })
    const tunnel = scope.use(await udpClient.open(context, chosen))
    const session = await context.datagrams({ keys: "transient", style: "DATAGRAM" })
    await session.ready({ signal: scope.signal })
    const port = Number(tunnel.listens!.split(":")[1])
    return { tunnel, port, session, b32: session.destination.b32 }
  }

  /** Asks as programs do: again, until there is an answer. */
  async function ask(from: Program, port: number, text: string): Promise<void> {
    await expect
      .poll(
        () => {
          if (!from.heard.includes(`re: ${text}`)) from.socket.send(text, port, "127.0.0.1")
          return from.heard
        },
        { interval: 50, timeout: 5_000 },
      )
      .toContain(`re: ${text}`)
  }

  it("A19: questions and answers, as of DNS, from many programs of one client", async () => {
    const { address } = await server((await answering()).port)
    const { port, tunnel } = await client(address)
    const programs = await Promise.all(Array.from({ length: 8 }, () => program()))
    await Promise.all(programs.map((one, index) => ask(one, port, `query ${index}`)))
    for (const [index, { heard, from }] of programs.entries()) {
      expect(new Set(heard)).toEqual(new Set([`re: query ${index}`]))
      expect(from[0]!.port).toBe(port)
    }
    expect(tunnel.counters()).toMatchObject({ connections: 8, connectionsNow: 8, refused: 0 })
  })

  it("A19: two peers at one time, no cross talk", async () => {
    const backend = await answering()
    const { address, tunnel } = await server(backend.port)
    const [one, two] = [await client(address), await client(address)]
    const [ann, bob] = [await program(), await program()]
    const talk = (from: Program, port: number, name: string) =>
      Promise.all(["a", "b", "c"].map((text) => ask(from, port, name + text)))
    await Promise.all([talk(ann, one.port, "ann "), talk(bob, two.port, "bob ")])
    expect(ann.heard.every((text) => text.startsWith("re: ann "))).toBe(true)
    expect(bob.heard.every((text) => text.startsWith("re: bob "))).toBe(true)
    expect(new Set(backend.from.map(({ port }) => port)).size).toBe(2)
    expect(tunnel.counters().connectionsNow).toBe(2)
  })

  it("A19: 100 packets a second of 1 KiB, less than 2 in 100 lost", async () => {
    const backend = await answering()
    const { address } = await server(backend.port)
    const { port } = await client(address)
    const near = await program()
    await ask(near, port, "warm")
    for (let count = 0; count < 100; count++) {
      near.socket.send(String(count).padEnd(1_024, "."), port, "127.0.0.1")
      await wait(10)
    }
    await expect.poll(() => near.heard.length, { timeout: 3_000 }).toBeGreaterThanOrEqual(99)
    const numbers = near.heard.slice(1).map((text) => Number.parseInt(text.slice(4), 10))
    expect(new Set(numbers).size).toBeGreaterThanOrEqual(98)
    expect(near.heard.slice(1).every((text) => text.length === 1_028)).toBe(true)
  })

  it("A19: a session ends after two minutes without a datagram, on both sides", async () => {
    const clock = new FakeClock()
    const { address, tunnel: far } = await server((await answering()).port, {}, clock)
    const near = await client(address, {}, clock)
    const [busy, quiet] = [await program(), await program()]
    await ask(busy, near.port, "one")
    await ask(quiet, near.port, "two")
    await clock.pass(100_000)
    await ask(busy, near.port, "three")
    expect(near.tunnel.counters().connectionsNow).toBe(2)
    await clock.pass(40_000)
    expect(near.tunnel.counters().connectionsNow).toBe(1)
    expect(far.counters().connectionsNow).toBe(1)
    await clock.pass(135_000)
    expect([near.tunnel, far].map((one) => one.counters().connectionsNow)).toEqual([0, 0])
  })

  it("refuses and counts what does not fit a datagram, both ways", async () => {
    const sizes = (text: string) =>
      text === "large" ? "x".repeat(DATAGRAM_BYTES_MAX) : `re: ${text}`
    const { address, tunnel: far } = await server((await program(sizes)).port)
    const { port, tunnel } = await client(address)
    const near = await program()
    await ask(near, port, "warm")
    const most = "m".repeat(DATAGRAM_BYTES_MAX - TAG_BYTES - 4)
    await ask(near, port, most)
    near.socket.send("x".repeat(DATAGRAM_BYTES_MAX - TAG_BYTES + 1), port, "127.0.0.1")
    near.socket.send("large", port, "127.0.0.1")
    await expect.poll(() => tunnel.counters()["failed.TOO_LARGE"]).toBe(1)
    await expect.poll(() => far.counters()["failed.TOO_LARGE"]).toBe(1)
    expect(tunnel.counters().lost).toBe(1)
    await ask(near, port, "still here")
  })

  it("carries an empty datagram", async () => {
    const { address } = await server((await answering()).port)
    const { port } = await client(address)
    const near = await program()
    await ask(near, port, "warm")
    await ask(near, port, "")
  })

  it("speaks plainly to who knows no tags: one program at a time", async () => {
    const { address } = await server((await answering()).port)
    const { port, tunnel } = await client(address, { plain: true })
    const [first, second] = [await program(), await program()]
    await ask(first, port, "one")
    second.socket.send("two", port, "127.0.0.1")
    await expect.poll(() => tunnel.counters().refused).toBe(1)
    expect(second.heard).toEqual([])
  })

  it("keeps out whom the access rules do not admit", async () => {
    const backend = await answering()
    const { address, tunnel: first } = await server(backend.port)
    const allowed = await client(address)
    await ask(await program(), allowed.port, "hello")
    expect(first.counters().refused).toBe(0)
    const closed = await server(backend.port, { allow: [allowed.b32] })
    const stranger = await client(closed.address)
    const near = await program()
    await expect
      .poll(() => {
        near.socket.send("let me in", stranger.port, "127.0.0.1")
        return closed.tunnel.counters().refused
      })
      .toBeGreaterThan(0)
    expect(backend.heard).not.toContain("let me in")
  })

  it("makes room among the talks of one destination, and not at the cost of others", async () => {
    const { address, tunnel } = await server((await answering()).port, { connectionsPerPeer: 3 })
    const [greedy, other] = [await client(address), await client(address)]
    await ask(await program(), other.port, "other")
    for (let count = 0; count < 6; count++) await ask(await program(), greedy.port, `${count}`)
    expect(tunnel.counters()).toMatchObject({ connectionsNow: 4, refused: 0 })
  })

  it("believes no answer but the destination's own", async () => {
    const { address } = await server((await answering()).port)
    const near = await client(address)
    const ann = await program()
    await ask(ann, near.port, "hello")
    const rude = network.openDatagrams!("DATAGRAM")
    scope.use(rude)
    await rude.ready({ signal: scope.signal })
    await expect
      .poll(async () => {
        for (const number of [1, undefined])
          await rude.send(near.session.destination, addTag(number, Buffer.from("forged")))
        return near.tunnel.counters().refused
      })
      .toBeGreaterThan(1)
    expect(ann.heard).not.toContain("forged")
  })

  it("tells when the bytes of an hour are used up, and shuts that destination out", async () => {
    const { address, tunnel } = await server((await answering()).port, { hourlyMib: 1 })
    const { port } = await client(address)
    const near = await program()
    await ask(near, port, "warm")
    await expect
      .poll(() => {
        for (let count = 0; count < 4; count++)
          near.socket.send(Buffer.alloc(30_000), port, "127.0.0.1")
        return tunnel.counters()["failed.TOO_MANY_REQUESTS"] ?? 0
      })
      .toBeGreaterThan(0)
    await expect
      .poll(() => {
        near.socket.send("more", port, "127.0.0.1")
        return tunnel.counters().refused
      })
      .toBeGreaterThan(0)
  })
})

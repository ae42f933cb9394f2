import { describe, expect, it } from "vitest"
import { type Clock, systemClock } from "../../../src/base/clock.ts"
import { seededChance } from "../../../src/base/random.ts"
import type { Datagram, Endpoint } from "../../../src/bridge/endpoint.ts"
import { defaultKnobs, type Knobs } from "../../../src/bridge/knobs.ts"
import { Listener } from "../../../src/bridge/listener.ts"
import { Network } from "../../../src/bridge/network.ts"
import { ROUTERS, type RouterName } from "../../../src/bridge/routers.ts"
import type { EmbeddedStream } from "../../../src/bridge/stream.ts"
import { type Destination, deriveDestinationKeys } from "../../../src/sam/index.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"

const people = [1, 2, 3].map((seed) => deriveDestinationKeys(new Uint8Array(32).fill(seed)))
const [ann, ben, eve] = people.map(({ destination }) => destination) as [
  Destination,
  Destination,
  Destination,
]

interface Options {
  knobs?: Partial<Knobs>
  router?: RouterName
  seed?: number
  clock?: Clock
}

function openNetwork({
  knobs = {},
  router = "strict",
  seed = 1,
  clock = new FakeClock(),
}: Options = {}) {
  const traits = ROUTERS[router]
  const network = new Network({
    clock,
    chance: seededChance(seed),
    knobs: defaultKnobs(knobs),
    traits,
  })
  const join = (destination: Destination, port?: number) => {
    const endpoint = network.attach(destination)
    if (endpoint === undefined) throw new Error("destination is in use")
    const listener = new Listener({ port, traits, knobs: network.knobs, clock })
    endpoint.listeners.add(listener)
    const taken: EmbeddedStream[] = []
    const accept = () =>
      listener.accept({
        sinceMs: clock.monotonicMs(),
        take: (stream) => taken.push(stream),
        close: () => {},
      })
    return { endpoint, listener, taken, accept }
  }
  const dial = (from: Endpoint, to: Destination, toPort = 0) =>
    network.dial(from, { from: from.destination, to: to.b32, fromPort: 0, toPort })
  return { network, clock: clock as FakeClock, join, dial }
}

function datagram(from: Destination, changes: Partial<Datagram> = {}): Datagram {
  const payload = new Uint8Array([1, 2, 3])
  return { style: "DATAGRAM", from, fromPort: 0, toPort: 0, protocol: 17, payload, ...changes }
}

describe("Network.dial()", () => {
  it("hands a stream to who accepts", async () => {
    const { join, dial } = openNetwork()
    const [caller, callee] = [join(ann), join(ben)]
    callee.accept()
    const dialled = await dial(caller.endpoint, ben)
    expect(dialled).toEqual({ result: "OK", stream: callee.taken[0] })
    expect(callee.taken[0]?.route.from).toBe(ann)
  })
  it("keeps a stream for who accepts later, and gives up after the router's time", async () => {
    const { join, dial, clock } = openNetwork()
    const [caller, callee] = [join(ann), join(ben)]
    await dial(caller.endpoint, ben)
    await dial(caller.endpoint, ben)
    await clock.pass(59_000)
    callee.accept()
    expect(callee.taken).toHaveLength(1)
    await clock.pass(1000)
    callee.accept()
    expect(callee.taken).toHaveLength(1)
    expect(callee.endpoint.streams.size).toBe(1)
  })
  it("refuses when the backlog is full", async () => {
    const { join, dial } = openNetwork({ router: "java" })
    const [caller] = [join(ann), join(ben)]
    for (let count = 0; count < 64; count++)
      expect((await dial(caller.endpoint, ben)).result).toBe("OK")
    expect((await dial(caller.endpoint, ben)).result).toBe("CANT_REACH_PEER")
  })
  it.each([
    { router: "strict", result: "OK" },
    { router: "i2pd-2.45.1", result: "OK" },
    { router: "i2pd-2.58", result: "CANT_REACH_PEER" },
  ] as const)("lets a destination call itself as $router does", async ({ router, result }) => {
    const { join, dial } = openNetwork({ router })
    const { endpoint, taken, accept } = join(ann)
    accept()
    expect((await dial(endpoint, ann)).result).toBe(result)
    expect(taken).toHaveLength(router === "strict" ? 1 : 0)
  })
  it.each([
    { router: "strict", port: 80, reached: "web" },
    { router: "strict", port: 81, reached: "rest" },
    { router: "i2pd-2.58", port: 80, reached: "rest" },
  ] as const)(
    "routes port $port to the subsession of $router",
    async ({ router, port, reached }) => {
      const { join, dial, network, clock } = openNetwork({ router })
      const [caller, rest] = [join(ann), join(ben)]
      const web = new Listener({ port: 80, traits: network.traits, knobs: network.knobs, clock })
      rest.endpoint.listeners.add(web)
      const seen: string[] = []
      rest.listener.forward(() => seen.push("rest"))
      web.forward(() => seen.push("web"))
      await dial(caller.endpoint, ben, port)
      expect(seen).toEqual([reached])
    },
  )
  it("takes a round trip of the latency", async () => {
    const { join, dial, clock } = openNetwork({ knobs: { latencyMs: 100 } })
    const [caller, callee] = [join(ann), join(ben)]
    callee.accept()
    let result = ""
    void dial(caller.endpoint, ben).then((dialled) => (result = dialled.result))
    await clock.pass(100)
    expect([callee.taken.length, result]).toEqual([1, ""])
    await clock.pass(100)
    expect(result).toBe("OK")
  })
  it("cannot reach who left", async () => {
    const { join, dial, network } = openNetwork()
    const [caller, callee] = [join(ann), join(ben)]
    network.detach(callee.endpoint)
    expect((await dial(caller.endpoint, ben)).result).toBe("CANT_REACH_PEER")
    expect((await dial(callee.endpoint, ann)).result).toBe("INVALID_ID")
  })
})

describe("Network.attach()", () => {
  it("refuses a destination that lives, and takes it back when it left", () => {
    const { network } = openNetwork()
    const first = network.attach(ann)
    expect(network.attach(ann)).toBeUndefined()
    network.detach(first as Endpoint)
    expect(network.attach(ann)).toBeDefined()
  })
})

describe("Network.send()", () => {
  function withReceiver(options: Options = {}) {
    const stage = openNetwork(options)
    const [from, to] = [stage.join(ann), stage.join(ben)]
    const heard: Datagram[] = []
    const add = (changes: object = {}) =>
      to.endpoint.receivers.add({
        style: "DATAGRAM",
        port: undefined,
        protocol: 0,
        deliver: (one) => heard.push(one),
        ...changes,
      })
    return { ...stage, from, heard, add }
  }
  it("delivers to a receiver of the same style only", () => {
    const { network, from, heard, add } = withReceiver()
    add()
    network.send(from.endpoint, ben.b32, datagram(ann))
    network.send(from.endpoint, ben.b32, datagram(ann, { style: "RAW", protocol: 18 }))
    network.send(from.endpoint, eve.b32, datagram(ann))
    expect(heard).toEqual([datagram(ann)])
    expect(network.stats).toMatchObject({ datagramsSent: 3, datagramsLost: 1 })
  })
  it.each([
    { listens: 18, protocol: 18, arrives: true },
    { listens: 18, protocol: 40, arrives: false },
    { listens: 0, protocol: 40, arrives: true },
  ])("lets a RAW receiver of protocol $listens hear $protocol: $arrives", (one) => {
    const { network, from, heard, add } = withReceiver()
    add({ style: "RAW", protocol: one.listens })
    network.send(from.endpoint, ben.b32, datagram(ann, { style: "RAW", protocol: one.protocol }))
    expect(heard).toHaveLength(one.arrives ? 1 : 0)
  })
  it("loses the share the knob says", () => {
    const { network, from, heard, add } = withReceiver({ knobs: { loss: 0.25 } })
    add()
    for (let count = 0; count < 4000; count++) network.send(from.endpoint, ben.b32, datagram(ann))
    expect(heard.length).toBeGreaterThan(2850)
    expect(heard.length).toBeLessThan(3150)
  })
  it("lets datagrams travel, and only so many at once", async () => {
    const { network, from, heard, add, clock } = withReceiver({ knobs: { latencyMs: 50 } })
    add()
    for (let count = 0; count < 1100; count++) network.send(from.endpoint, ben.b32, datagram(ann))
    expect(heard).toHaveLength(0)
    expect(clock.sleeping()).toHaveLength(1024)
    await clock.pass(50)
    expect(heard).toHaveLength(1024)
  })
})

describe("Network.trace", () => {
  async function story(seed: number): Promise<unknown> {
    const knobs = {
      loss: 0.3,
      faults: new Set(["refuse"] as const),
      refuseChance: 0.5,
      latencyMs: 3,
    }
    const { network, join, dial, clock } = openNetwork({ seed, knobs })
    const [caller, callee] = [join(ann), join(ben)]
    for (let count = 0; count < 50; count++) {
      callee.accept()
      void dial(caller.endpoint, ben)
      network.send(caller.endpoint, ben.b32, datagram(ann))
      await clock.pass(7)
    }
    for (const stream of callee.taken) stream.cut()
    network.detach(callee.endpoint)
    return network.trace
  }
  it("is the same for the same seed, and another for another", async () => {
    const first = await story(42)
    expect(await story(42)).toEqual(first)
    expect(await story(43)).not.toEqual(first)
  })
  it("keeps the newest 4096 deeds", () => {
    const { network } = openNetwork()
    for (let count = 0; count < 3000; count++) network.detach(network.attach(ann) as Endpoint)
    expect(network.trace).toHaveLength(4096)
  })
})

describe("the system clock", () => {
  it("drives a network too", async () => {
    const { join, dial } = openNetwork({ clock: systemClock, knobs: { latencyMs: 1 } })
    const [caller, callee] = [join(ann), join(ben)]
    callee.accept()
    expect((await dial(caller.endpoint, ben)).result).toBe("OK")
    for (const stream of callee.taken) stream.cut()
    await settle()
  })
})

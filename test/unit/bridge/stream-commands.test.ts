import { once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { describe, expect, it } from "vitest"
import { parseDestination } from "../../../src/sam/index.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"
import { openStage, staysSilent, TRANSIENT } from "./stage.ts"

async function openLocalServer() {
  const sockets: Socket[] = []
  const all: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    all.push(socket)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    port: (server.address() as AddressInfo).port,
    async next() {
      if (sockets.length === 0) await once(server, "connection")
      return sockets.shift() as Socket
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close")
      server.close()
      for (const socket of all) socket.destroy()
      await closed
    },
  }
}

describe("STREAM CONNECT", () => {
  it("keeps bytes that were sent before its answer", async () => {
    await using stage = await openStage()
    const [caller, callee] = [await stage.session(), await stage.session()]
    const far = await stage.accept(callee)
    const sam = await stage.sam()
    sam.socket.write(
      `STREAM CONNECT ID=${caller.id} DESTINATION=${callee.destination}\nearly bytes\n`,
    )
    expect(await sam.line()).toBe("STREAM STATUS RESULT=OK")
    await far.line()
    expect(await far.line()).toBe("early bytes")
  })
  it("keeps a whole message of a caller who left before anybody accepted", async () => {
    await using stage = await openStage()
    const [caller, callee] = [await stage.session(), await stage.session()]
    const { sam } = await stage.connect(caller, callee)
    sam.socket.end("left early\n")
    await settle()
    const far = await stage.accept(callee)
    await far.line()
    expect(await far.line()).toBe("left early")
    await far.closed()
  })
  it("takes addresses, registered names and destinations that lost their padding", async () => {
    await using stage = await openStage()
    const [caller, callee] = [await stage.session(), await stage.session()]
    stage.bridge.names.set("ben.i2p", callee.destination)
    const forms = [
      callee.destination,
      callee.destination.replaceAll("=", ""),
      parseDestination(callee.destination).b32,
      parseDestination(callee.destination).b32.toUpperCase(),
      "ben.i2p",
    ]
    for (const form of forms)
      expect((await stage.connect(caller, form)).reply).toBe("STREAM STATUS RESULT=OK")
  })
  it.each([
    { what: "a name nobody has", target: "nobody.i2p", result: "INVALID_KEY" },
    { what: "half an address", target: "abc.b32.i2p", result: "INVALID_KEY" },
    {
      what: "an address of nobody",
      target: `${"a".repeat(52)}.b32.i2p`,
      result: "CANT_REACH_PEER",
    },
    { what: "nothing", target: "", result: "INVALID_KEY" },
  ])("refuses $what with $result, and closes", async ({ target, result }) => {
    await using stage = await openStage()
    const { sam, reply } = await stage.connect(await stage.session(), target)
    expect(reply).toMatch(new RegExp(`^STREAM STATUS RESULT=${result}`))
    await sam.closed()
  })
  it("only closes on failure when it is silent", async () => {
    await using stage = await openStage()
    const caller = await stage.session()
    const sam = await stage.sam()
    sam.tell(`STREAM CONNECT ID=${caller.id} DESTINATION=nobody.i2p SILENT=true`)
    await expect(sam.line()).rejects.toThrow("has 0 bytes")
  })
  it("is refused for a session of another style", async () => {
    await using stage = await openStage()
    const caller = await stage.session(`STYLE=RAW ${TRANSIENT}`)
    expect((await stage.connect(caller, caller)).reply).toMatch(/RESULT=I2P_ERROR/)
  })
  it("ends its streams when the session ends", async () => {
    await using stage = await openStage()
    const { near, far, caller } = await stage.stream()
    await caller.control[Symbol.asyncDispose]()
    await Promise.all([near.closed(), far.closed()])
    expect(stage.bridge.stats.streamsCut).toBe(1)
  })
})

describe("STREAM ACCEPT", () => {
  it("serves several waiting at once, in order", async () => {
    await using stage = await openStage()
    const [caller, callee] = [await stage.session(), await stage.session()]
    const waiting = [
      await stage.accept(callee),
      await stage.accept(callee),
      await stage.accept(callee),
    ]
    for (const [at, acceptor] of waiting.entries()) {
      const { sam } = await stage.connect(caller, callee)
      sam.tell(`stream ${at}`)
      await acceptor.line()
      expect(await acceptor.line()).toBe(`stream ${at}`)
    }
  })
  it("skips those that were given up", async () => {
    await using stage = await openStage()
    const [caller, callee] = [await stage.session(), await stage.session()]
    const [gone, stays] = [await stage.accept(callee), await stage.accept(callee)]
    await gone[Symbol.asyncDispose]()
    await settle()
    await stage.connect(caller, callee)
    expect((await stays.line()).split(" ")[0]).toBe(caller.destination)
  })
  it("says nothing at all when it is silent", async () => {
    await using stage = await openStage()
    const [caller, callee] = [await stage.session(), await stage.session()]
    const acceptor = await stage.sam()
    acceptor.tell(`STREAM ACCEPT ID=${callee.id} SILENT=true`)
    const { sam } = await stage.connect(caller, callee)
    sam.tell("first bytes")
    expect(await acceptor.line()).toBe("first bytes")
  })
  it("tells ports from 3.2 on, and on routers that have them", async () => {
    for (const [router, hello, ports] of [
      ["strict", "HELLO VERSION MIN=3.2", " FROM_PORT=5 TO_PORT=6"],
      ["strict", "HELLO VERSION MAX=3.1", ""],
      ["i2pd-2.58", "HELLO VERSION MAX=3.3", ""],
    ] as const) {
      await using stage = await openStage({ router })
      const [caller, callee] = [await stage.session(), await stage.session()]
      const acceptor = await stage.sam(hello)
      await acceptor.ask(`STREAM ACCEPT ID=${callee.id}`)
      await stage.connect(caller, callee, "FROM_PORT=5 TO_PORT=6")
      expect(await acceptor.line()).toBe(caller.destination + ports)
    }
  })
  it("gets what waited, and not what nobody took in time", async () => {
    const clock = new FakeClock()
    await using stage = await openStage({ clock, router: "i2pd-2.58" })
    const [caller, callee] = [await stage.session(), await stage.session()]
    const { sam: late } = await stage.connect(caller, callee)
    await clock.pass(9000)
    const { sam: soon } = await stage.connect(caller, callee)
    soon.tell("in time")
    await clock.pass(1500)
    await late.closed()
    const acceptor = await stage.accept(callee)
    await acceptor.line()
    expect(await acceptor.line()).toBe("in time")
  })
})

describe("STREAM FORWARD", () => {
  it("dials for every stream, both ways, until its socket closes", async () => {
    await using stage = await openStage()
    await using server = await openLocalServer()
    const [caller, callee] = [await stage.session(), await stage.session()]
    const control = await stage.sam()
    expect(
      await control.ask(`STREAM FORWARD ID=${callee.id} PORT=${server.port} SILENT=true`),
    ).toBe("STREAM STATUS RESULT=OK")
    for (const word of ["one", "two"]) {
      const { sam } = await stage.connect(caller, callee)
      const socket = await server.next()
      sam.tell(word)
      expect(`${(await once(socket, "data"))[0]}`).toBe(`${word}\n`)
      socket.end("back\n")
      expect(await sam.line()).toBe("back")
      await sam.closed()
    }
    const waiting = await stage.sam()
    expect(await waiting.ask(`STREAM ACCEPT ID=${callee.id}`)).toMatch(/RESULT=ALREADY_ACCEPTING/)
    await control[Symbol.asyncDispose]()
    await settle()
    const acceptor = await stage.accept(callee)
    await stage.connect(caller, callee)
    expect(await acceptor.line()).toContain(caller.destination)
  })
  it("cuts a stream when nobody listens there", async () => {
    await using stage = await openStage()
    const closedPort = await (async () => {
      await using server = await openLocalServer()
      return server.port
    })()
    const [caller, callee] = [await stage.session(), await stage.session()]
    const control = await stage.sam()
    await control.ask(`STREAM FORWARD ID=${callee.id} PORT=${closedPort}`)
    const { sam } = await stage.connect(caller, callee)
    await sam.closed()
  })
  it.each([
    { what: "no port", words: "" },
    { what: "port 0", words: "PORT=0" },
    { what: "a host that is a name", words: "PORT=1 HOST=example.org" },
    { what: "SSL", words: "PORT=1 SSL=true" },
  ])("refuses $what", async ({ words }) => {
    await using stage = await openStage()
    const callee = await stage.session()
    const control = await stage.sam()
    expect(await control.ask(`STREAM FORWARD ID=${callee.id} ${words}`)).toMatch(/RESULT=I2P_ERROR/)
  })
  it("leaves ACCEPT deaf meanwhile, as i2pd does", async () => {
    await using stage = await openStage({ router: "i2pd-2.58" })
    await using server = await openLocalServer()
    const [caller, callee] = [await stage.session(), await stage.session()]
    const control = await stage.sam()
    await control.ask(`STREAM FORWARD ID=${callee.id} PORT=${server.port}`)
    const acceptor = await stage.accept(callee)
    await stage.connect(caller, callee)
    await server.next()
    expect(await staysSilent(acceptor, caller.control)).toBe(true)
  })
})

describe("NAMING LOOKUP", () => {
  it("knows ME, the living, names, and nothing else", async () => {
    await using stage = await openStage()
    const [ann, ben] = [await stage.session(), await stage.session()]
    stage.bridge.names.set("ben.i2p", ben.destination)
    const ask = (name: string) => ann.control.ask(`NAMING LOOKUP NAME=${name}`)
    const found = (name: string, value: string) =>
      `NAMING REPLY RESULT=OK NAME=${name} VALUE=${value}`
    const { b32 } = parseDestination(ben.destination)
    expect(await ask("ME")).toBe(found("ME", ann.destination))
    expect(await ask("ben.i2p")).toBe(found("ben.i2p", ben.destination))
    expect(await ask(b32)).toBe(found(b32, ben.destination))
    await ben.control[Symbol.asyncDispose]()
    await settle()
    expect(await ask(b32)).toBe(`NAMING REPLY RESULT=KEY_NOT_FOUND NAME=${b32}`)
    expect(await ask("nobody.i2p")).toBe("NAMING REPLY RESULT=KEY_NOT_FOUND NAME=nobody.i2p")
    expect(await ask("not-a-name")).toBe("NAMING REPLY RESULT=INVALID_KEY NAME=not-a-name")
  })
  it("has no ME without a session, but on i2pd the router's own", async () => {
    for (const [router, pattern] of [
      ["strict", /RESULT=INVALID_KEY/],
      ["i2pd-2.58", /RESULT=OK .*VALUE=\S{524}$/],
    ] as const) {
      await using stage = await openStage({ router })
      expect(await (await stage.sam()).ask("NAMING LOOKUP NAME=ME")).toMatch(pattern)
    }
  })
})

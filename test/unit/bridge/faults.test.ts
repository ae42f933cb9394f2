import { describe, expect, it } from "vitest"
import { FAULTS, type Fault } from "../../../src/bridge/knobs.ts"
import { MEASURED_FAULTS } from "../../../src/bridge/routers.ts"
import { deriveDestinationKeys } from "../../../src/sam/index.ts"
import { settle } from "../../support/fake-clock.ts"
import { openFaulty, staysSilent, TRANSIENT, writeUntilStalled } from "./stage.ts"

const OK = "STREAM STATUS RESULT=OK"

describe("FAULTS", () => {
  it("lists every fault a router was measured to have", () => {
    for (const faults of Object.values(MEASURED_FAULTS))
      for (const fault of faults) expect(Object.keys(FAULTS)).toContain(fault)
  })
})

describe("refuse", () => {
  it("refuses the share refuseChance says, and stops when it is switched off", async () => {
    const { stage } = await openFaulty(["refuse"], { refuseChance: 0.5 })
    await using _stage = stage
    const [caller, callee] = [await stage.session(), await stage.session()]
    const replies: string[] = []
    for (let count = 0; count < 20; count++)
      replies.push((await stage.connect(caller, callee)).reply)
    const refused = replies.filter((reply) => reply.includes("CANT_REACH_PEER")).length
    expect(refused).toBeGreaterThan(3)
    expect(refused).toBeLessThan(17)
    stage.bridge.knobs.faults.delete("refuse")
    expect((await stage.connect(caller, callee)).reply).toBe(OK)
  })
})

describe("hang", () => {
  it("takes connections and says nothing", async () => {
    const { stage, clock } = await openFaulty([])
    await using _stage = stage
    const { control } = await stage.session()
    stage.bridge.knobs.faults.add("hang")
    const sam = await stage.sam(false)
    sam.tell("HELLO VERSION")
    control.tell("PING x")
    await clock.pass(200_000)
    expect([sam.socket.bytesRead, sam.socket.destroyed]).toEqual([0, false])
    stage.bridge.knobs.faults.delete("hang")
    expect(await control.ask("PING y")).toBe("PONG y")
  })
})

describe("endlessReply", () => {
  it("answers HELLO with a line that does not end", async () => {
    const { stage } = await openFaulty(["endlessReply"])
    await using _stage = stage
    const sam = await stage.sam(false)
    sam.tell("HELLO VERSION")
    const bytes = await sam.bytes(1024 * 1024)
    expect(bytes.includes(10)).toBe(false)
  })
})

describe("splitReplies", () => {
  it("sends each byte in a write of its own, and no stream bytes among them", async () => {
    const { stage } = await openFaulty(["splitReplies"])
    await using _stage = stage
    const { near, far } = await stage.stream()
    near.tell("whole")
    expect(await far.line()).toBe("whole")
    const pieces: number[] = []
    const sam = await stage.sam()
    sam.socket.on("data", (bytes) => pieces.push(bytes.length))
    expect(await sam.ask("PING 123456789")).toBe("PONG 123456789")
    expect(pieces.length).toBeGreaterThan(1)
  })
})

describe("wrongTopic", () => {
  it("refuses STREAM commands with SESSION STATUS", async () => {
    const { stage } = await openFaulty(["wrongTopic"])
    await using _stage = stage
    const sam = await stage.sam()
    expect(await sam.ask("STREAM ACCEPT ID=nobody")).toMatch(/^SESSION STATUS RESULT=I2P_ERROR/)
  })
})

describe("tailLoss with noBackpressure", () => {
  it("loses what a slow reader had not taken, without an end, as measured on i2pd", async () => {
    const { stage } = await openFaulty(["tailLoss", "noBackpressure"])
    await using _stage = stage
    const { near, far } = await stage.stream()
    far.socket.pause()
    const sentBytes = await writeUntilStalled(near, 24 * 1024 * 1024)
    expect(sentBytes).toBe(24 * 1024 * 1024)
    near.socket.end()
    await near.closed()
    expect(stage.bridge.stats.streamBytesLost).toBeGreaterThan(1024 * 1024)
    far.socket.resume()
    const { control } = await stage.session()
    await expect.poll(() => staysSilent(far, control)).toBe(true)
    expect(far.socket.bytesRead).toBeLessThan(sentBytes - 1024 * 1024)
    expect(far.socket.readableEnded).toBe(false)
  })
  it("is not there without the fault: a slow reader stops the sender and gets all", async () => {
    const { stage } = await openFaulty([])
    await using _stage = stage
    const { near, far } = await stage.stream()
    far.socket.pause()
    const sentBytes = await writeUntilStalled(near, 64 * 1024 * 1024)
    expect(sentBytes).toBeLessThan(64 * 1024 * 1024)
    near.socket.end()
    far.socket.resume()
    expect(await far.bytes(sentBytes)).toHaveLength(sentBytes)
    await far.closed()
  })
})

describe("lateOk", () => {
  it("says OK for a peer who left, then nothing", async () => {
    const { stage } = await openFaulty(["lateOk"])
    await using _stage = stage
    const [caller, callee] = [await stage.session(), await stage.session()]
    await callee.control[Symbol.asyncDispose]()
    await settle()
    const { sam, reply } = await stage.connect(caller, callee)
    expect(reply).toBe(OK)
    sam.tell("is anybody there?")
    expect(await staysSilent(sam, caller.control)).toBe(true)
    sam.socket.end()
    await sam.closed()
    const nobody = deriveDestinationKeys(new Uint8Array(32).fill(99)).destination
    expect((await stage.connect(caller, nobody.base64)).reply).toMatch(/CANT_REACH_PEER/)
  })
})

describe("pingKillsSession", () => {
  it("answers, and ends the session with its socket", async () => {
    const { stage } = await openFaulty(["pingKillsSession"])
    await using _stage = stage
    const [victim, peer] = [await stage.session(), await stage.session()]
    expect(await victim.control.ask("PING x")).toBe("PONG x")
    await victim.control.closed()
    victim.control.socket.end()
    await settle()
    await expect
      .poll(async () => (await stage.connect(peer, victim)).reply)
      .toMatch(/CANT_REACH_PEER/)
  })
})

describe("longLineHangs", () => {
  it.each([
    { faults: ["longLineHangs"] as Fault[], hangs: true },
    { faults: [], hangs: false },
  ])("meets a line of 8192 bytes with $faults: hangs is $hangs", async ({ faults, hangs }) => {
    const { stage } = await openFaulty(faults)
    await using _stage = stage
    const other = await stage.session()
    const sam = await stage.sam()
    sam.tell(`PING ${"x".repeat(8192 - 5)}`)
    if (!hangs) return sam.closed()
    expect(await staysSilent(sam, other.control)).toBe(true)
    sam.tell("PING still?")
    expect(await staysSilent(sam, other.control)).toBe(true)
  })
})

describe("acceptDeaf", () => {
  it("strands the other ACCEPTs when the armed one closes; a new one works", async () => {
    const { stage } = await openFaulty(["acceptDeaf"])
    await using _stage = stage
    const [caller, callee] = [await stage.session(), await stage.session()]
    const [armed, stranded] = [await stage.accept(callee), await stage.accept(callee)]
    await armed[Symbol.asyncDispose]()
    await settle()
    await stage.connect(caller, callee)
    expect(await staysSilent(stranded, caller.control)).toBe(true)
    expect(await (await stage.accept(callee)).line()).toContain(caller.destination)
  })
})

describe("acceptYoungClosed", () => {
  it("closes the second of three quick ACCEPTs, and all young ones when a stream comes", async () => {
    const { stage, clock } = await openFaulty(["acceptYoungClosed"])
    await using _stage = stage
    const [caller, callee] = [await stage.session(), await stage.session()]
    const armed = await stage.accept(callee)
    const second = await stage.accept(callee)
    const third = await stage.accept(callee)
    await second.closed()
    await stage.connect(caller, callee)
    expect(await armed.line()).toContain(caller.destination)
    await third.closed()
    const [first, old] = [await stage.accept(callee), await stage.accept(callee)]
    await clock.pass(3000)
    await stage.connect(caller, callee)
    expect(await first.line()).toContain(caller.destination)
    await stage.connect(caller, callee)
    expect(await old.line()).toContain(caller.destination)
  })
})

describe("pipelineDrop", () => {
  it("throws away what follows a line in its segment, and closes on a split HELLO", async () => {
    const { stage } = await openFaulty(["pipelineDrop"])
    await using _stage = stage
    const sam = await stage.sam()
    sam.socket.write("PING 1\nPING 2\n")
    expect(await sam.line()).toBe("PONG 1")
    expect(await sam.ask("PING 3")).toBe("PONG 3")
    const split = await stage.sam(false)
    split.socket.write("HELLO VER")
    await split.closed()
  })
})

describe("lostEarlyBytes", () => {
  it("loses what was sent behind CONNECT, and nothing after its answer", async () => {
    const { stage } = await openFaulty(["lostEarlyBytes"])
    await using _stage = stage
    const [caller, callee] = [await stage.session(), await stage.session()]
    const far = await stage.accept(callee)
    const sam = await stage.sam()
    sam.socket.write(`STREAM CONNECT ID=${caller.id} DESTINATION=${callee.destination}\nlost\n`)
    expect(await sam.line()).toBe(OK)
    sam.tell("kept")
    await far.line()
    expect(await far.line()).toBe("kept")
  })
})

describe("quotesKept", () => {
  it("cuts a quoted value at its space and keeps its quote: the session still comes up", async () => {
    const { stage } = await openFaulty(["quotesKept"])
    await using _stage = stage
    const sam = await stage.sam()
    const reply = await sam.ask(`SESSION CREATE STYLE=STREAM ID="a b" ${TRANSIENT}`)
    expect(reply).toMatch(/RESULT=I2P_ERROR/)
    const named = `SESSION CREATE STYLE=STREAM ID=a ${TRANSIENT} inbound.nickname="my app"`
    expect(await sam.ask(named)).toMatch(/RESULT=OK/)
  })
})

describe("nameNotFoundInvalidKey and unpaddedRefused", () => {
  it("answer INVALID_KEY where others know better", async () => {
    const { stage } = await openFaulty(["nameNotFoundInvalidKey", "unpaddedRefused"])
    await using _stage = stage
    const [caller, callee] = [await stage.session(), await stage.session()]
    expect(await caller.control.ask("NAMING LOOKUP NAME=x.i2p")).toBe(
      "NAMING REPLY RESULT=INVALID_KEY NAME=x.i2p",
    )
    const { reply } = await stage.connect(caller, callee.destination.replaceAll("=", ""))
    expect(reply).toMatch(/INVALID_KEY/)
  })
})

describe("addWithoutPortHangs", () => {
  it("never answers SESSION ADD without FROM_PORT, nor anything after it", async () => {
    const { stage } = await openFaulty(["addWithoutPortHangs"])
    await using _stage = stage
    const [fine, stuck] = [
      await stage.session(`STYLE=MASTER ${TRANSIENT}`),
      await stage.session(`STYLE=MASTER ${TRANSIENT}`),
    ]
    expect(await fine.control.ask("SESSION ADD STYLE=STREAM ID=a FROM_PORT=0")).toMatch(/RESULT=OK/)
    stuck.control.tell("SESSION ADD STYLE=STREAM ID=b")
    stuck.control.tell("NAMING LOOKUP NAME=ME")
    expect(await staysSilent(stuck.control, fine.control)).toBe(true)
  })
})

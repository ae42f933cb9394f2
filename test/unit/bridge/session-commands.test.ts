import { describe, expect, it } from "vitest"
import { openLog } from "../../../src/base/log.ts"
import { deriveDestinationKeys, encodeBase64, parseDestination } from "../../../src/sam/index.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"
import { offlineFile } from "./offline-file.ts"
import { openStage, TRANSIENT } from "./stage.ts"

const derived = deriveDestinationKeys(new Uint8Array(32).fill(9))
const key = encodeBase64(derived.privateKeyFile)

describe("SESSION CREATE", () => {
  it.each([
    { what: "no ID", line: `STYLE=STREAM ${TRANSIENT}`, result: "I2P_ERROR" },
    { what: "an ID with quotes", line: `ID="a b" STYLE=STREAM ${TRANSIENT}`, result: "I2P_ERROR" },
    { what: "no style", line: `ID=a ${TRANSIENT}`, result: "I2P_ERROR" },
    { what: "no destination", line: "ID=a STYLE=STREAM", result: "INVALID_KEY" },
    {
      what: "a signature type nobody knows",
      line: "ID=a STYLE=STREAM DESTINATION=TRANSIENT SIGNATURE_TYPE=99",
      result: "I2P_ERROR",
    },
    {
      what: "a public destination",
      line: `ID=a STYLE=STREAM DESTINATION=${derived.destination.base64}`,
      result: "INVALID_KEY",
    },
    {
      what: "a port too high",
      line: `ID=a STYLE=RAW ${TRANSIENT} PORT=65536`,
      result: "I2P_ERROR",
    },
    {
      what: "a host that is a name",
      line: `ID=a STYLE=RAW ${TRANSIENT} PORT=1 HOST=example.org`,
      result: "I2P_ERROR",
    },
    {
      what: "RAW with the protocol of streams",
      line: `ID=a STYLE=RAW ${TRANSIENT} PROTOCOL=6`,
      result: "I2P_ERROR",
    },
  ])("refuses $what with $result, and the connection can be used on", async ({ line, result }) => {
    await using stage = await openStage()
    const sam = await stage.sam()
    expect(await sam.ask(`SESSION CREATE ${line}`)).toMatch(
      new RegExp(`^SESSION STATUS RESULT=${result}`),
    )
    expect(await sam.ask(`SESSION CREATE ID=ok STYLE=STREAM ${TRANSIENT}`)).toMatch(/RESULT=OK/)
    expect(stage.bridge.record).toHaveLength(1)
  })
  it("refuses an ID and a destination in use, and gives both back when their session ends", async () => {
    await using stage = await openStage()
    const first = await stage.session(`STYLE=STREAM DESTINATION=${key}`)
    const sam = await stage.sam()
    expect(await sam.ask(`SESSION CREATE STYLE=STREAM ID=${first.id} ${TRANSIENT}`)).toBe(
      "SESSION STATUS RESULT=DUPLICATED_ID",
    )
    expect(await sam.ask(`SESSION CREATE STYLE=STREAM ID=b DESTINATION=${key}`)).toBe(
      "SESSION STATUS RESULT=DUPLICATED_DEST",
    )
    await first.control[Symbol.asyncDispose]()
    await settle()
    expect(await sam.ask(`SESSION CREATE STYLE=STREAM ID=${first.id} DESTINATION=${key}`)).toBe(
      `SESSION STATUS RESULT=OK DESTINATION=${key}`,
    )
    expect(await sam.ask(`SESSION CREATE STYLE=STREAM ID=c ${TRANSIENT}`)).toMatch(
      /RESULT=I2P_ERROR/,
    )
  })
  it("takes as long as sessionCreateMs, and leaves nothing behind when the client gives up", async () => {
    const clock = new FakeClock()
    await using stage = await openStage({ clock, knobs: { sessionCreateMs: 20_000 } })
    const [patient, hasty] = [await stage.sam(), await stage.sam()]
    const reply = patient.ask(`SESSION CREATE STYLE=STREAM ID=a ${TRANSIENT}`)
    hasty.tell(`SESSION CREATE STYLE=STREAM ID=b DESTINATION=${key}`)
    await settle()
    await hasty[Symbol.asyncDispose]()
    await settle()
    await clock.pass(19_999)
    expect(stage.bridge.record).toHaveLength(0)
    await clock.pass(1)
    expect(await reply).toMatch(/RESULT=OK/)
    const again = stage.session(`STYLE=STREAM DESTINATION=${key}`)
    await settle()
    await clock.pass(20_000)
    expect((await again).destination).toBe(derived.destination.base64)
  })
  it("writes down who was created, and on which connection", async () => {
    await using stage = await openStage()
    const [one, two] = [
      await stage.session(),
      await stage.session("STYLE=RAW DESTINATION=TRANSIENT"),
    ]
    expect(stage.bridge.record).toMatchObject([
      {
        id: one.id,
        style: "STREAM",
        destinationB32: parseDestination(one.destination).b32,
        connection: 1,
      },
      {
        id: two.id,
        style: "RAW",
        destinationB32: parseDestination(two.destination).b32,
        connection: 2,
      },
    ])
  })
  it("never writes a private key to its log", async () => {
    const lines: string[] = []
    const log = openLog({ level: "debug", write: (line) => lines.push(line), now: () => 0 })
    await using stage = await openStage({ log })
    await stage.session(`STYLE=STREAM DESTINATION=${key}`)
    const sam = await stage.sam()
    await sam.ask(`SESSION CREATE STYLE=STREAM ID=b DESTINATION=${key}`)
    expect(lines.length).toBeGreaterThan(2)
    expect(lines.join("\n")).not.toContain(key.slice(0, 40))
  })
  it.each([
    { router: "i2pd-2.45.1", style: "DATAGRAM2" },
    { router: "i2pd-2.45.1", style: "PRIMARY" },
    { router: "i2pd-2.58", style: "PRIMARY" },
    { router: "java", style: "DATAGRAM3" },
  ] as const)("does not know $style as $router", async ({ router, style }) => {
    await using stage = await openStage({ router })
    const sam = await stage.sam()
    expect(await sam.ask(`SESSION CREATE STYLE=${style} ID=a ${TRANSIENT}`)).toMatch(
      /RESULT=I2P_ERROR MESSAGE="Unknown STYLE"/,
    )
  })
  it("gives MASTER on i2pd 2.58 only to those who negotiated 3.3", async () => {
    await using stage = await openStage({ router: "i2pd-2.58" })
    const old = await stage.sam("HELLO VERSION MIN=3.1 MAX=3.1")
    expect(await old.ask(`SESSION CREATE STYLE=MASTER ID=a ${TRANSIENT}`)).toMatch(
      /RESULT=I2P_ERROR/,
    )
    const sam = await stage.sam("HELLO VERSION MIN=3.3 MAX=3.3")
    expect(await sam.ask(`SESSION CREATE STYLE=MASTER ID=b ${TRANSIENT}`)).toMatch(/RESULT=OK/)
  })
  it("answers a key of 813 bytes with an empty DESTINATION, as i2pd 2.45.1 does", async () => {
    for (const [router, empty] of [
      ["i2pd-2.45.1", true],
      ["i2pd-2.58", false],
    ] as const) {
      await using stage = await openStage({ router })
      const sam = await stage.sam()
      const file = encodeBase64(offlineFile())
      const reply = await sam.ask(`SESSION CREATE STYLE=STREAM ID=a DESTINATION=${file}`)
      expect(reply).toBe(`SESSION STATUS RESULT=OK DESTINATION=${empty ? "" : file}`)
    }
  })
})

describe("SESSION ADD and REMOVE", () => {
  async function primary(router: "strict" | "java" | "i2pd-2.58" = "strict") {
    const stage = await openStage({ router })
    const party = await stage.session(`STYLE=MASTER ${TRANSIENT}`)
    return { stage, party, ask: (line: string) => party.control.ask(`SESSION ${line}`) }
  }
  it("share one destination between styles and ports", async () => {
    const { stage, party, ask } = await primary()
    await using _stage = stage
    expect(await ask("ADD STYLE=STREAM ID=web LISTEN_PORT=80")).toBe(
      `SESSION STATUS RESULT=OK DESTINATION=${party.key}`,
    )
    expect(await ask("ADD STYLE=STREAM ID=rest")).toMatch(/RESULT=OK/)
    expect(await ask("ADD STYLE=DATAGRAM ID=mail")).toMatch(/RESULT=OK/)
    const caller = await stage.session()
    const web = await stage.accept({ ...party, id: "web" })
    const rest = await stage.accept({ ...party, id: "rest" })
    const toWeb = await stage.connect(caller, party, "FROM_PORT=7 TO_PORT=80")
    const toRest = await stage.connect(caller, party)
    expect([toWeb.reply, toRest.reply]).toEqual([
      "STREAM STATUS RESULT=OK",
      "STREAM STATUS RESULT=OK",
    ])
    expect(await web.line()).toBe(`${caller.destination} FROM_PORT=7 TO_PORT=80`)
    expect(await rest.line()).toBe(`${caller.destination} FROM_PORT=0 TO_PORT=0`)
  })
  it.each([
    { what: "a style and port twice", line: "ADD STYLE=STREAM ID=two LISTEN_PORT=80" },
    { what: "an ID twice", line: "ADD STYLE=STREAM ID=web LISTEN_PORT=81" },
    { what: "a destination of its own", line: `ADD STYLE=STREAM ID=x ${TRANSIENT}` },
    { what: "another PRIMARY", line: "ADD STYLE=PRIMARY ID=x" },
    { what: "the removal of what is not there", line: "REMOVE ID=nobody" },
    { what: "the removal of the PRIMARY itself", line: "REMOVE ID=PRIMARY" },
  ])("refuse $what", async ({ line }) => {
    const { stage, party, ask } = await primary()
    await using _stage = stage
    await ask("ADD STYLE=STREAM ID=web LISTEN_PORT=80")
    const reply = await ask(line.replace("ID=PRIMARY", `ID=${party.id}`))
    expect(reply).toMatch(/^SESSION STATUS RESULT=(I2P_ERROR|DUPLICATED_ID)/)
    expect(await party.control.ask("PING alive")).toBe("PONG alive")
  })
  it("REMOVE ends a subsession and its ACCEPTs, not the PRIMARY", async () => {
    const { stage, party, ask } = await primary()
    await using _stage = stage
    await ask("ADD STYLE=STREAM ID=web")
    const acceptor = await stage.accept({ ...party, id: "web" })
    expect(await ask("REMOVE ID=web")).toMatch(/RESULT=OK/)
    await acceptor.closed()
    expect(await ask("ADD STYLE=STREAM ID=web")).toMatch(/RESULT=OK/)
  })
  it("are refused on a session that is no PRIMARY", async () => {
    await using stage = await openStage()
    const { control } = await stage.session()
    expect(await control.ask("SESSION ADD STYLE=STREAM ID=x")).toMatch(/RESULT=I2P_ERROR/)
    expect(await control.ask("SESSION REMOVE ID=x")).toMatch(/RESULT=I2P_ERROR/)
  })
  it("answer without DESTINATION as Java I2P does", async () => {
    const { stage, ask } = await primary("java")
    await using _stage = stage
    expect(await ask("ADD STYLE=STREAM ID=web")).toBe(
      'SESSION STATUS RESULT=OK ID=web MESSAGE="ADD web"',
    )
  })
  it("close the whole PRIMARY on an error as i2pd does", async () => {
    const { stage, party, ask } = await primary("i2pd-2.58")
    await using _stage = stage
    expect(await ask("ADD STYLE=RAW ID=x")).toMatch(/RESULT=I2P_ERROR/)
    await party.control.closed()
  })
  it("keep a PRIMARY from being used for streams itself", async () => {
    const { stage, party } = await primary()
    await using _stage = stage
    const { reply } = await stage.connect(party, party)
    expect(reply).toMatch(/^STREAM STATUS RESULT=I2P_ERROR/)
  })
})

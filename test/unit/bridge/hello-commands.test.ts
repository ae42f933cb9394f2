import { describe, expect, it } from "vitest"
import { decodeBase64 } from "../../../src/sam/index.ts"
import { field } from "../../contract/sam/raw-client.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"
import { openStage } from "./stage.ts"

describe("HELLO VERSION", () => {
  it.each([
    { router: "strict", hello: "MIN=3.0 MAX=3.3", reply: "RESULT=OK VERSION=3.3" },
    { router: "strict", hello: "MIN=3.1 MAX=3.2", reply: "RESULT=OK VERSION=3.2" },
    { router: "strict", hello: "", reply: "RESULT=OK VERSION=3.3" },
    { router: "strict", hello: "MAX=9.9", reply: "RESULT=OK VERSION=3.3" },
    { router: "strict", hello: "MIN=3.4", reply: "RESULT=NOVERSION" },
    { router: "strict", hello: "MAX=2.9", reply: "RESULT=NOVERSION" },
    // The rest as measured on i2pd.
    { router: "i2pd-2.45.1", hello: "MIN=3.1 MAX=3.3", reply: "RESULT=OK VERSION=3.1" },
    { router: "i2pd-2.45.1", hello: "MIN=3.0 MAX=3.3", reply: "RESULT=OK VERSION=3.0" },
    { router: "i2pd-2.45.1", hello: "MIN=3.2 MAX=3.3", reply: "RESULT=NOVERSION" },
    { router: "i2pd-2.45.1", hello: "", reply: "RESULT=OK VERSION=3.1" },
    { router: "i2pd-2.58", hello: "MIN=3.1 MAX=3.3", reply: "RESULT=OK VERSION=3.3" },
    { router: "i2pd-2.58", hello: "", reply: "RESULT=OK VERSION=3.0" },
    { router: "java", hello: "", reply: "RESULT=OK VERSION=3.3" },
  ] as const)("answers $reply to '$hello' as $router", async ({ router, hello, reply }) => {
    await using stage = await openStage({ router })
    const sam = await stage.sam(false)
    expect(await sam.ask(`HELLO VERSION ${hello}`.trim())).toBe(`HELLO REPLY ${reply}`)
  })

  it("asks for USER and PASSWORD when there are users, and AUTH changes them", async () => {
    await using stage = await openStage({ users: new Map([["ann", "s3cret word"]]) })
    const stranger = await stage.sam(false)
    expect(await stranger.ask("HELLO VERSION")).toMatch(/^HELLO REPLY RESULT=I2P_ERROR/)
    await stranger.closed()
    const wrong = await stage.sam(false)
    expect(await wrong.ask("HELLO VERSION USER=ann PASSWORD=no")).toMatch(/RESULT=I2P_ERROR/)
    const ann = await stage.sam('HELLO VERSION USER=ann PASSWORD="s3cret word"')
    expect(await ann.ask("AUTH ADD USER=ben PASSWORD=pw")).toBe("AUTH STATUS RESULT=OK")
    expect(await ann.ask("AUTH ADD USER=ben PASSWORD=pw")).toMatch(/^AUTH STATUS RESULT=I2P_ERROR/)
    await stage.sam("HELLO VERSION USER=ben PASSWORD=pw")
    expect(await ann.ask("AUTH REMOVE USER=ben")).toBe("AUTH STATUS RESULT=OK")
    expect(await ann.ask("AUTH REMOVE")).toMatch(/^AUTH STATUS RESULT=I2P_ERROR/)
    expect(await ann.ask("AUTH DISABLE")).toBe("AUTH STATUS RESULT=OK")
    await stage.sam("HELLO VERSION")
    expect(await ann.ask("AUTH ENABLE")).toBe("AUTH STATUS RESULT=OK")
    const late = await stage.sam(false)
    expect(await late.ask("HELLO VERSION")).toMatch(/RESULT=I2P_ERROR/)
  })

  it("closes on those who never say it", async () => {
    const clock = new FakeClock()
    await using stage = await openStage({ clock })
    const mute = await stage.sam(false)
    const polite = await stage.sam()
    await clock.pass(80_000)
    await mute.closed()
    expect(await polite.ask("PING still here")).toBe("PONG still here")
  })
})

describe("DEST GENERATE", () => {
  it("refuses signature types nobody can sign with", async () => {
    await using stage = await openStage()
    const sam = await stage.sam()
    expect(await sam.ask("DEST GENERATE SIGNATURE_TYPE=99")).toMatch(/^DEST REPLY RESULT=I2P_ERROR/)
    const reply = await sam.ask("DEST GENERATE SIGNATURE_TYPE=EdDSA_SHA512_Ed25519")
    expect(decodeBase64(field(reply, "PRIV") ?? "")).toHaveLength(679)
  })
})

describe("PING, QUIT, HELP and lines nobody understands", () => {
  it.each([
    { line: "PING", reply: "PONG" },
    { line: "PING two words", reply: "PONG two words" },
    { line: "HELP", reply: "HELP STATUS RESULT=OK MESSAGE=https://geti2p.net/en/docs/api/samv3" },
    {
      line: "STREAM DANCE ID=1",
      reply: 'STREAM STATUS RESULT=I2P_ERROR MESSAGE="command not understood"',
    },
    {
      line: 'NAMING LOOKUP NAME="open',
      reply: 'NAMING STATUS RESULT=I2P_ERROR MESSAGE="command not understood"',
    },
  ])("answers '$line' with '$reply'", async ({ line, reply }) => {
    await using stage = await openStage()
    const sam = await stage.sam()
    expect(await sam.ask(line)).toBe(reply)
    expect(await sam.ask("PING on")).toBe("PONG on")
  })
  it("takes several commands in one segment, in pieces, and blank lines between them", async () => {
    await using stage = await openStage()
    const sam = await stage.sam()
    sam.socket.write("PING 1\n\nPING 2\r\nPI")
    await settle()
    sam.socket.write("NG 3\n")
    expect([await sam.line(), await sam.line(), await sam.line()]).toEqual([
      "PONG 1",
      "PONG 2",
      "PONG 3",
    ])
  })
  it.each(["QUIT", "STOP", "EXIT"])("says bye to %s and closes", async (word) => {
    await using stage = await openStage()
    const sam = await stage.sam()
    expect(await sam.ask(word)).toBe(`${word} STATUS RESULT=OK MESSAGE=bye`)
    await sam.closed()
  })
  it.each(["QUIT now", "DANCE", "HELLO VERSION", "\u0001"])("closes on '%s'", async (line) => {
    await using stage = await openStage()
    const sam = await stage.sam()
    sam.tell(line)
    await sam.closed()
  })
  it.each([
    { router: "i2pd-2.45.1", line: "PING x", answer: false },
    { router: "i2pd-2.58", line: "PING x", answer: true },
    { router: "i2pd-2.58", line: "HELP", answer: false },
    { router: "i2pd-2.58", line: "AUTH ENABLE", answer: false },
  ] as const)(
    "closes on $line as $router, answering: $answer",
    async ({ router, line, answer }) => {
      await using stage = await openStage({ router })
      const sam = await stage.sam()
      sam.tell(line)
      if (answer) expect(await sam.line()).toBe("PONG x")
      await sam.closed()
    },
  )
  it("sends PING as Java does after three idle minutes, and hangs up without PONG", async () => {
    const clock = new FakeClock()
    await using stage = await openStage({ clock, router: "java" })
    const [answers, ignores] = [await stage.session(), await stage.session()]
    await clock.pass(190_000)
    const ping = await answers.control.line()
    expect(ping).toMatch(/^PING \d+$/)
    answers.control.tell(ping.replace("PING", "PONG"))
    await answers.control.ask("NAMING LOOKUP NAME=ME")
    await clock.pass(190_000)
    await ignores.control.line()
    await ignores.control.closed()
    expect(await answers.control.line()).toMatch(/^PING/)
  })
})

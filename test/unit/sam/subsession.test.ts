import { setMaxListeners } from "node:events"
import { afterEach, describe, expect, it } from "vitest"
import { parseSamLine } from "../../../src/sam/message.ts"
import { openSession } from "../../../src/sam/open-session.ts"
import { acceptStream } from "../../../src/sam/stream.ts"
import { addSubsession } from "../../../src/sam/subsession.ts"
import { openScriptedBridge, PEER, type Replies } from "../../support/scripted-bridge.ts"

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]()
})
const signal = new AbortController().signal
setMaxListeners(0, signal)

async function primary(replies: Replies = {}, version = "3.3") {
  const bridge = await openScriptedBridge({ version, replies })
  open.push(bridge)
  const session = await openSession({
    bridge: bridge.address,
    keys: "transient",
    style: "PRIMARY",
    signal,
  })
  open.push(session)
  return { bridge, session }
}

describe("openSession()", () => {
  it("says MASTER for PRIMARY: every router knows that word", async () => {
    const { bridge } = await primary()
    expect(bridge.seen("SESSION CREATE STYLE=MASTER ")).toHaveLength(1)
  })
  it("makes transient keys here: Ed25519, whatever the router would make (T18)", async () => {
    const { bridge, session } = await primary()
    const { values } = parseSamLine(bridge.seen("SESSION CREATE")[0]!)
    expect(values.get("DESTINATION")?.startsWith(session.destination.base64.slice(0, 518))).toBe(
      true,
    )
    expect(values.has("SIGNATURE_TYPE")).toBe(false)
  })
  it.each(["DATAGRAM2", "DATAGRAM3"] as const)(
    "does not even ask an old router for %s",
    async (style) => {
      const bridge = await openScriptedBridge()
      open.push(bridge)
      const opening = openSession({ bridge: bridge.address, keys: "transient", style, signal })
      await expect(opening).rejects.toMatchObject({ code: "SESSION_NOT_SUPPORTED" })
      expect(bridge.seen("SESSION")).toEqual([])
    },
  )
})

describe("addSubsession()", () => {
  it.each([
    ["i2pd", "SESSION STATUS RESULT=OK DESTINATION=\n"],
    ["Java I2P", 'SESSION STATUS RESULT=OK ID="x" MESSAGE="ADD x"\n'],
  ])("T19: always sends FROM_PORT, and understands %s", async (_, reply) => {
    const { bridge, session } = await primary({ "SESSION ADD": () => reply })
    const sub = await addSubsession(session, { style: "STREAM", signal })
    expect(Object.fromEntries(parseSamLine(bridge.seen("SESSION ADD")[0]!).values)).toEqual({
      STYLE: "STREAM",
      ID: sub.id,
      FROM_PORT: "0",
      TO_PORT: "0",
    })
    expect(sub.id).not.toBe(session.id)
    expect(sub.destination.b32).toBe(session.destination.b32)
  })
  it("accepts on its own id, and is removed when closed", async () => {
    const ok = () => "SESSION STATUS RESULT=OK\n"
    const { bridge, session } = await primary({
      "SESSION ADD": ok,
      "SESSION REMOVE": ok,
      "STREAM ACCEPT": () => `STREAM STATUS RESULT=OK\n${PEER.base64}\n`,
    })
    const sub = await addSubsession(session, { style: "STREAM", fromPort: 80, signal })
    ;(await acceptStream(sub, { signal })).destroy()
    expect(bridge.seen("STREAM ACCEPT")[0]).toContain(`ID=${sub.id} `)
    await sub[Symbol.asyncDispose]()
    expect(bridge.seen("SESSION REMOVE")).toEqual([`SESSION REMOVE ID=${sub.id}`])
  })
  it.each([
    ["INVALID_KEY", "which i2pd says for an id it does not know"],
    ["INVALID_ID", "which others say"],
  ])("takes %s, %s, for removed", async (result) => {
    const { session } = await primary({
      "SESSION ADD": () => "SESSION STATUS RESULT=OK\n",
      "SESSION REMOVE": () => `SESSION STATUS RESULT=${result}\n`,
    })
    const sub = await addSubsession(session, { style: "STREAM", signal })
    await sub[Symbol.asyncDispose]()
  })
  it("says why the router refuses", async () => {
    const { session } = await primary({
      "SESSION ADD": () => "SESSION STATUS RESULT=I2P_ERROR MESSAGE=Unsupported STYLE\n",
    })
    await expect(addSubsession(session, { style: "RAW", signal })).rejects.toMatchObject({
      code: "BRIDGE_FAILED",
      message: expect.stringContaining("(Unsupported STYLE)"),
    })
  })
})

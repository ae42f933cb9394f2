/**
 * A tower is seized, after people have used it for everything: what its folder and a recording of all it was sent tell.
 */
import { randomBytes } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { decodeBase32 } from "../../src/base/base32.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { openVault } from "../../src/store/unlock.ts"
import { AlliumProcess } from "../support/allium-process.ts"
import { befriend } from "../support/friends.ts"
import { openSamTap, type SamTap } from "../support/sam-tap.ts"
import { eventually } from "../support/story.ts"
import { findTraces, placesIn, type Secret, secretText } from "../support/traces.ts"

const PATIENCE_MS = 60_000
/** What no text holds by chance. */
const mark = (what: string) => `${what}-${randomBytes(5).toString("hex")}`

const said = {
  ann: mark("identity-ann"),
  bob: mark("identity-bob"),
  text: mark("text-by-tower"),
  long: mark("long-text").repeat(400),
  answer: mark("answer-by-tower"),
}

interface Message {
  readonly id: string
  readonly state: string
  readonly text: string
}

describe("a tower that is seized", () => {
  let folder: string
  let bridge: EmbeddedBridge
  let tap: SamTap
  let a: AlliumProcess
  let b: AlliumProcess
  let tower: AlliumProcess
  const sent: Buffer[] = []
  let secrets: Secret[] = []
  let people: string[] = []
  let towerAddress = ""
  let heldCount = 0

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-seized-"))
    bridge = await openEmbeddedBridge()
    const bridgePort = () => bridge.address.port
    tap = await openSamTap({ bridgePort, onSent: (chunk) => void sent.push(chunk) })
    const flags = (port: number) => ["--network", "embedded", "--sam", `127.0.0.1:${port}`]
    a = new AlliumProcess(join(folder, "a"), flags(bridge.address.port))
    b = new AlliumProcess(join(folder, "b"), flags(bridge.address.port))
    tower = new AlliumProcess(join(folder, "tower"), flags(tap.port))
    await Promise.all([a.start(), b.start(), tower.start()])
    await a.call("identity create", { name: said.ann })
    await b.call("identity create", { name: said.bob })
    const left = { who: a, identity: said.ann, calls: said.bob }
    await befriend(left, { who: b, identity: said.bob, calls: said.ann })
    await useTower()
    secrets = await everything()
    await talkByTower()
    heldCount = (await tower.call<{ envelopes: number }>("tower status")).envelopes
    await tower.stop()
  }, 4 * PATIENCE_MS)
  afterAll(async () => {
    await Promise.all([a?.stop(), b?.stop(), tower?.stop()])
    await tap?.[Symbol.asyncDispose]()
    await bridge?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  async function useTower(): Promise<void> {
    towerAddress = (await tower.call<{ address: string }>("tower run", {})).address
    for (const who of [a, b]) {
      const { uri } = await tower.call<{ uri: string }>("tower invite", {})
      await who.call("tower use", { uri })
      const list = () => who.call<{ queues: number }[]>("tower list", {})
      await eventually(list, ([one]) => one?.queues === 1, PATIENCE_MS)
    }
    // Each knows the other's queue when something that was said later has arrived.
    await becomes(a, await send(a, said.bob, "I have a tower"), "delivered")
    await becomes(b, await send(b, said.ann, "so have I"), "delivered")
  }

  async function talkByTower(): Promise<void> {
    await b.stop()
    const ids = [await send(a, said.bob, said.text), await send(a, said.bob, said.long)]
    for (const id of ids) await becomes(a, id, "stored")
    await a.stop()
    await b.start()
    await has(b, said.long)
    const answer = await send(b, said.ann, said.answer)
    await becomes(b, answer, "stored")
    await b.stop()
    await a.start()
    for (const id of ids) await becomes(a, id, "delivered")
    await has(a, said.answer)
    await b.start()
    await becomes(b, answer, "delivered")
    // Something is to lie there when it is seized.
    await b.stop()
    await becomes(a, await send(a, said.bob, said.text), "stored")
  }

  const messages = (who: AlliumProcess, contact: string) =>
    who.call<Message[]>("message list", { contact })
  const other = (who: AlliumProcess) => (who === a ? said.bob : said.ann)

  async function send(who: AlliumProcess, contact: string, text: string): Promise<string> {
    return (await who.call<Message>("message send", { contact, text })).id
  }

  async function becomes(who: AlliumProcess, id: string, state: string): Promise<void> {
    const list = () => messages(who, other(who))
    const isSo = (all: Message[]) => all.find((one) => one.id === id)?.state === state
    await eventually(list, isSo, PATIENCE_MS)
  }

  async function has(who: AlliumProcess, text: string): Promise<void> {
    const list = () => messages(who, other(who))
    await eventually(list, (all) => all.some((one) => one.text === text), PATIENCE_MS)
  }

  async function everything(): Promise<Secret[]> {
    const lists = await Promise.all(
      [a, b].map((who) => who.call<{ key: string; address: string }[]>("identity list")),
    )
    people = lists.flat().map(({ address }) => address)
    const keys = lists.flat().flatMap(({ key, address }) => [
      { what: "identity key", bytes: new Uint8Array(Buffer.from(key, "base64url")) },
      secretText("identity key as a text", key),
      secretText("address", address.slice(0, 52)),
      {
        what: "hash of an address",
        bytes: decodeBase32(address.slice(0, 52)) ?? new Uint8Array(),
      },
    ])
    const vaults = await Promise.all([openVault(a.home), openVault(b.home)])
    const texts = [said.ann, said.bob, said.text, said.long.slice(0, 30), said.answer]
    return [
      ...keys,
      ...vaults.map(({ masterKey }) => ({ what: "master key", bytes: masterKey })),
      ...texts.map((text) => secretText(`the text ${text.slice(0, 12)}`, text)),
    ]
  }

  it("has held letters, and was sent a lot", () => {
    expect(heldCount).toBeGreaterThan(0)
    expect(Buffer.concat(sent).length).toBeGreaterThan(10 * 4_096)
    expect(secrets.length).toBeGreaterThan(10)
  })

  it("shows no key, address, name or text in its folder", async () => {
    expect(findTraces(await placesIn(tower.home), secrets)).toEqual([])
  })

  it("was never sent any of them", () => {
    const bytes = Buffer.concat(sent)
    expect(findTraces([{ where: "what it was sent", bytes }], secrets)).toEqual([])
  })

  it("was visited from addresses that are nobody's, one for pulling and one for putting", () => {
    const dials = bridge.trace.filter(({ what }) => what.startsWith("dial "))
    const meetings = dials.map(({ who }) => who).filter((who) => who.includes(towerAddress))
    const visitors = new Set(meetings.flat().filter((who) => who !== towerAddress))
    expect(visitors.size).toBeGreaterThanOrEqual(4)
    expect(people).toHaveLength(2)
    expect(people.filter((address) => visitors.has(address))).toEqual([])
  })
})

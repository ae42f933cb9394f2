/** A conversation between two routers, through the doors people and programs use. */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { MessageDocument } from "../../plugins/messages/offers.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { AlliumProcess } from "../support/allium-process.ts"
import { eventually } from "../support/story.ts"

const PATIENCE_MS = 60_000

describe("a conversation", () => {
  let folder: string
  let bridge: EmbeddedBridge
  let ann: AlliumProcess
  let bob: AlliumProcess
  const list = (who: AlliumProcess, contact: string) =>
    who.call<MessageDocument[]>("message list", { contact })
  /** Waits until the newest message there is like this. */
  const newest = (who: AlliumProcess, contact: string, like: (one: MessageDocument) => boolean) =>
    eventually(
      async () => (await list(who, contact)).at(-1),
      (one) => one !== undefined && like(one),
      PATIENCE_MS,
    )

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-messages-"))
    bridge = await openEmbeddedBridge({})
    const network = ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]
    ann = new AlliumProcess(join(folder, "ann"), network)
    bob = new AlliumProcess(join(folder, "bob"), network)
    await Promise.all([ann.start(), bob.start()])
    await ann.call("identity create", { name: "ann" })
    await bob.call("identity create", { name: "bob" })
    const { uri } = await ann.call<{ uri: string }>("contact card")
    await bob.call("contact add", { uri, name: "ann", as: "bob" })
    const states = (who: AlliumProcess) => async () =>
      (await who.call<{ state: string }[]>("contact list")).map(({ state }) => state).join()
    await eventually(states(ann), (state) => state === "asking", PATIENCE_MS)
    await ann.call("contact accept", { contact: "bob" })
    await eventually(states(bob), (state) => state === "accepted", PATIENCE_MS)
  }, 120_000)
  afterAll(async () => {
    await Promise.all([ann?.stop(), bob?.stop()])
    await bridge?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  it("carries the longest text from standard input, and refuses a longer one", async () => {
    const text = `${"€".repeat(349_525)}!` // 1 MiB
    const sent = await ann.command(["message", "send", "bob", "-", "--wait"], `${text}\n`)
    expect(sent).toMatchObject({ exit: 0, stdout: expect.stringMatching(/: delivered\.\n$/) })
    const [got] = await list(bob, "ann")
    expect(got?.text === text).toBe(true)
    const refused = await ann.command(["message", "send", "bob", "-"], `${text}!`)
    expect(refused).toMatchObject({ exit: 2, stderr: expect.stringContaining("as a file") })
    await ann.call("message delete", { contact: "bob", message: got?.id })
    await eventually(
      () => list(bob, "ann"),
      (all) => all.length === 0,
      PATIENCE_MS,
    )
  }, 120_000)

  it("lets people answer, react, change and take back what was said, and tells who wants to know", async () => {
    await bob.call("message settings", { receipts: "on" })
    const { id } = await ann.call<MessageDocument>("message send", {
      contact: "bob",
      text: "at 8?",
    })
    await newest(bob, "ann", (one) => one.id === id)
    await bob.call("message read", { contact: "ann" })
    await newest(ann, "bob", (one) => one.state === "read")
    await bob.call("message react", { contact: "ann", message: id, emoji: "👍" })
    await newest(ann, "bob", (one) => one.reactions?.[0]?.emoji === "👍")
    await ann.call("message edit", { contact: "bob", message: id, text: "at 9?" })
    await newest(bob, "ann", (one) => one.text === "at 9?")
    await bob.json("message", "send", "ann", "fine", "--reply-to", id, "--wait")
    await newest(ann, "bob", (one) => one.replyTo === id && one.unread)
    const found = await ann.command(["message", "search", "FINE"])
    expect(found.stdout).toContain("fine")
    const exported = await ann.command(["message", "export"])
    expect(exported.stdout).toMatch(
      /ann > bob: at 9\? \[edited, 👍 bob\]\n.* bob > ann: fine \[reply to \d\]\n$/,
    )
    expect(await ann.call("message conversations")).toMatchObject([{ unread: 1, last: "fine" }])
  }, 120_000)

  it("ties a file to the message it came with", async () => {
    const path = join(folder, "cat.png")
    await writeFile(path, "not really a picture")
    await bob.call("file auto", { contact: "ann", below: "1MiB" })
    await ann.json("message", "send", "bob", "look", "--attach", path)
    const message = await newest(bob, "ann", (one) => one.attachments !== undefined)
    const [attachment] = message?.attachments ?? []
    expect(attachment).toMatchObject({ name: "cat.png", kind: "picture", size: 20 })
    const [transfer] = await eventually(
      () => bob.call<{ id: string; state: string; sha256: string }[]>("file list"),
      ([one]) => one?.state === "done",
      PATIENCE_MS,
    )
    expect(transfer).toMatchObject({ id: attachment?.transfer, sha256: attachment?.sha256 })
  }, 120_000)
})

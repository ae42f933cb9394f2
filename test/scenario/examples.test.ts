/** The programs of `examples/`, as their reader runs them: against the real program, on the embedded network. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { AlliumProcess } from "../support/allium-process.ts"
import { projectRoot } from "../support/project.ts"
import { eventually } from "../support/story.ts"

/** Examples are run as they stand, with `allium/plugin` from its source. */
const NODE = [process.execPath, "--conditions=source", "--import", "tsx"]
const PATIENCE_MS = 120_000
const example = (name: string): string => join(projectRoot, "examples", name)

interface Message {
  readonly direction: string
  readonly text: string
}

describe("examples", () => {
  let folder: string
  let bridge: EmbeddedBridge
  let ann: AlliumProcess
  let bob: AlliumProcess
  const children: ChildProcess[] = []

  /** Runs a program of `examples/`. */
  const start = (name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const [program = "", ...first] = NODE
    const all = [...first, example(name), ...args]
    const options = { env: { ...process.env, ...env }, cwd: projectRoot } as const
    const child = spawn(program, all, { ...options, stdio: ["ignore", "pipe", "inherit"] })
    children.push(child)
    return child
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-examples-"))
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
  })
  afterAll(async () => {
    for (const child of children) await end(child)
    await Promise.all([ann?.stop(), bob?.stop()])
    await bridge?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  it("hello-plugin: added by its folder, it has a command, and comes back after a restart", async () => {
    for (const who of [ann, bob])
      expect(await who.json("plugin", "add", example("hello-plugin"))).toMatchObject({
        name: "hello",
        state: "running",
      })
    const answer = { contact: "ann", answer: "Hello to you" }
    expect(await bob.json("hello", "say", "ann")).toEqual(answer)
    const said = await bob.command(["hello", "say", "ann"])
    expect(said).toMatchObject({ exit: 0, stdout: "ann says: Hello to you\n" })
    await bob.stop()
    await bob.start()
    expect(await bob.json("hello", "say", "ann")).toEqual(answer)
    expect(await bob.json("plugin", "remove", "hello")).toEqual({ name: "hello" })
    expect(await bob.command(["hello", "say", "ann"])).toMatchObject({ exit: 2 })
  })

  it("echo-bot: says everything back, whatever it looks like", async () => {
    const main = join(projectRoot, "src", "main.ts")
    const bot = start("echo-bot.mjs", [], {
      ALLIUM: JSON.stringify([...NODE, main]),
      ALLIUM_HOME: ann.home,
    })
    const texts = ["hello", "--help", "-", "two\nlines"]
    const echoes = async () =>
      (await bob.call<Message[]>("message list"))
        .filter(({ direction }) => direction === "in")
        .map(({ text }) => text)
    // The bot says nothing about when it is ready: what came before is not its business.
    const first = async () => {
      await bob.call("message send", { contact: "ann", text: "are you there?", wait: true })
      return echoes()
    }
    await eventually(first, (all) => all.length > 0, PATIENCE_MS)
    for (const text of texts) await bob.call("message send", { contact: "ann", text, wait: true })
    const wanted = texts.map((text) => `You said: ${text}`)
    const heard = await eventually(
      echoes,
      (all) => wanted.every((text) => all.includes(text)),
      PATIENCE_MS,
    )
    expect(heard.filter((text) => wanted.includes(text))).toEqual(wanted)
    await end(bot)
  })

  it("embed: prints its card, which others can add", async () => {
    const child = start("embed.mjs", [join(folder, "embedded"), String(bridge.address.port)])
    const [uri] = (await once(createInterface({ input: child.stdout }), "line")) as [string]
    expect(uri).toMatch(/^allium:/)
    expect(await bob.call("contact add", { uri, name: "embedded" })).toMatchObject({
      state: "requested",
    })
    expect(await end(child)).toBe(0)
  })
})

/** Ends a program as its user would. @returns Its exit code. */
async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const closed = once(child, "exit")
  child.kill("SIGTERM")
  return ((await closed) as [number | null])[0]
}

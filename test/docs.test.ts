import { readFileSync, rmSync } from "node:fs"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { systemClock } from "../src/base/clock.ts"
import { silentLog } from "../src/base/log.ts"
import { systemRandom } from "../src/base/random.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../src/bridge/index.ts"
import { filesBelow, projectRoot } from "./support/project.ts"

/** Where examples are written to be run; inside the project, so that `allium/…` resolves. */
const FOLDER = join(projectRoot, "test", ".examples")

interface Example {
  readonly name: string
  readonly code: string
}

/** Every fence marked `ts`, in pages and in doc comments. */
function examplesOf(path: string): Example[] {
  const text = readFileSync(join(projectRoot, path), "utf8")
  const plain = path.endsWith(".ts") ? text.replaceAll(/^\s*\* ?/gm, "") : text
  return [...plain.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match, index) => ({
    name: `${path} #${index + 1}`,
    code: match[1] ?? "",
  }))
}

const pages = ["README.md", "CONTRIBUTING.md", ...filesBelow("docs", ".md")]
const sources = [...filesBelow("src"), ...filesBelow("plugins"), ...filesBelow("tunnels")]
const examples = [...pages, ...sources].flatMap(examplesOf)

describe("examples in the documentation", () => {
  let bridge: EmbeddedBridge
  beforeAll(async () => {
    const tools = { clock: systemClock, chance: Math.random, random: systemRandom, log: silentLog }
    bridge = await openEmbeddedBridge(tools)
    process.env.SAM_PORT = String(bridge.address.port)
    await mkdir(FOLDER, { recursive: true })
  })
  afterAll(async () => {
    delete process.env.SAM_PORT
    rmSync(FOLDER, { recursive: true, force: true })
    await bridge[Symbol.asyncDispose]()
  })

  it("are found", () => expect(examples.length).toBeGreaterThan(2))

  it.each(examples.map((example, index) => ({ ...example, index })))(
    "$name runs",
    async ({ code, index }) => {
      const file = join(FOLDER, `example-${index}.ts`)
      await writeFile(file, code)
      await import(file)
    },
  )
})

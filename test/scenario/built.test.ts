/** What `npm run build` makes, as a program and as a package. */
import { execFile } from "node:child_process"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { projectRoot } from "../support/project.ts"

const run = promisify(execFile)

/** Runs a module inside the package, against what was built. @returns What it printed, as JSON. */
async function evaluate(code: string, flags: readonly string[] = []): Promise<unknown> {
  const args = [...flags, "--input-type=module", "--eval", code]
  const { stdout } = await run(process.execPath, args, { cwd: projectRoot, env: {} })
  return JSON.parse(stdout)
}

describe("the build", () => {
  it("has few modules: each of them takes time at every start", async () => {
    const all = await readdir(join(projectRoot, "dist"), { recursive: true })
    expect(all.filter((file) => file.endsWith(".js")).length).toBeLessThan(120)
  })

  it("gives one AlliumError through all doors", async () => {
    const code = `
      const doors = await Promise.all(["allium", "allium/plugin", "allium/tunnel"].map((door) => import(door)))
      const { toB32 } = await import("allium/sam")
      const is = (error) => doors.map(({ AlliumError }) => error instanceof AlliumError)
      try { toB32(new Uint8Array()) } catch (error) { console.log(JSON.stringify(is(error))) }`
    expect(await evaluate(code)).toEqual([true, true, true])
  })

  it("knows the lines of the source", async () => {
    const code = `
      import { toB32 } from "allium/sam"
      try { toB32(new Uint8Array()) } catch (error) { console.log(JSON.stringify(error.stack)) }`
    expect(await evaluate(code, ["--enable-source-maps"])).toMatch(/src\/sam\/[a-z0-9-]+\.ts:\d+/)
  })
})

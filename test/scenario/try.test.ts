import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { AlliumProcess } from "../support/allium-process.ts"

/** A port of loopback that is free now. */
async function freePort(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1")
  await new Promise((resolve) => server.once("listening", resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return String(port)
}

describe("allium try", () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-try-"))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it.each(["the first time", "again, on what the first time left"])(
    "tells its story %s",
    async () => {
      const shell = new AlliumProcess(join(folder, "home"), [])
      const args = ["try", "--once", "--proxy", "0", "--port", await freePort()]
      const { exit, stdout, stderr } = await shell.command(args)
      expect({ exit, stderr }).toEqual({
        exit: 0,
        stderr: "NOT ANONYMOUS: embedded network, this machine only\n",
      })
      expect(stdout.match(/✔/g)).toHaveLength(6)
      expect(stdout).toContain(`through your proxy: "The guide's site"`)
      expect(stdout).toContain(`through its own: "Your site"`)
    },
  )
})

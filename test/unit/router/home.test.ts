import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openHome } from "../../../src/router/home.ts"

describe("openHome()", () => {
  let folder = ""
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-home-"))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it("makes folders that only their owner can read", async () => {
    const home = await openHome(join(folder, "deep", "home"))
    for (const path of [home.folder, home.keys, home.i2pd, home.plugins, home.tunnels])
      expect((await stat(path)).mode & 0o777).toBe(0o700)
  })

  it("refuses a home that others can read", async () => {
    await chmod(folder, 0o755)
    await expect(openHome(folder)).rejects.toMatchObject({
      code: "HOME_EXPOSED",
      message: expect.stringContaining("755"),
    })
  })

  it("says so when a file is in the way", async () => {
    await writeFile(join(folder, "file"), "")
    await expect(openHome(join(folder, "file", "home"))).rejects.toMatchObject({
      code: "HOME_UNUSABLE",
    })
  })
})

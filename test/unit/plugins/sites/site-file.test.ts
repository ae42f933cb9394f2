import { execFileSync } from "node:child_process"
import { chmod, link, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { findBelow, listFolder } from "../../../../plugins/sites/site-file.ts"

let base: string
let root: string

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "allium-files-"))
  root = join(base, "site")
  await mkdir(join(root, "sub", ".hidden"), { recursive: true })
  await mkdir(join(base, "site-twin"))
  await writeFile(join(base, "outside.txt"), "outside")
  await writeFile(join(base, "site-twin", "a.txt"), "twin")
  await writeFile(join(root, "a.txt"), "inside")
  await writeFile(join(root, "sub", ".hidden", "key"), "hidden")
  await symlink(join(base, "outside.txt"), join(root, "out.txt"))
  await symlink("../outside.txt", join(root, "out-relative.txt"))
  await symlink(base, join(root, "up"))
  await symlink(join(base, "site-twin"), join(root, "twin"))
  await symlink("a.txt", join(root, "in.txt"))
  await symlink("sub/.hidden/key", join(root, "to-hidden.txt"))
  await symlink("loop.txt", join(root, "loop.txt"))
  await symlink("/proc/self/environ", join(root, "environ"))
  await link(join(root, "a.txt"), join(root, "sub", "hard.txt"))
  if (process.platform !== "win32") execFileSync("mkfifo", [join(root, "pipe")])
})
afterAll(() => rm(base, { recursive: true }))

describe("findBelow()", () => {
  it.each([[["a.txt"]], [["in.txt"]], [["sub", "hard.txt"]]])("opens %j", async (names) => {
    const found = await findBelow(root, names)
    if (found.kind !== "file") throw new Error("found a folder")
    expect((await found.file.handle.readFile()).toString()).toBe("inside")
    expect(found.file.byteCount).toBe(6)
    await found.file.handle.close()
  })

  it("finds folders, the root among them", async () => {
    expect([(await findBelow(root, [])).kind, (await findBelow(root, ["sub"])).kind]).toEqual([
      "folder",
      "folder",
    ])
  })

  it.each([
    [["none"]],
    [["a.txt", "below-a-file"]],
    [["out.txt"]],
    [["out-relative.txt"]],
    [["up", "outside.txt"]],
    [["up"]],
    [["twin", "a.txt"]], // its name only begins like the root's
    [["to-hidden.txt"]],
    [["sub", ".hidden", "key"]],
    [[".."]],
    [["..", "outside.txt"]],
    [["loop.txt"]],
    [["environ"]],
    [["pipe"]],
    [["x".repeat(300)]],
  ])("says NOT_FOUND for %j", async (names) => {
    await expect(findBelow(root, names)).rejects.toMatchObject({ code: "NOT_FOUND" })
  })

  it.skipIf(process.getuid?.() === 0)("says NOT_FOUND for a file it may not read", async () => {
    await writeFile(join(root, "locked"), "x")
    await chmod(join(root, "locked"), 0)
    await expect(findBelow(root, ["locked"])).rejects.toMatchObject({ code: "NOT_FOUND" })
  })

  it("says BACKEND_DOWN when the site's folder is gone", async () => {
    await expect(findBelow(join(base, "gone"), [])).rejects.toMatchObject({ code: "BACKEND_DOWN" })
  })
})

describe("listFolder()", () => {
  it("shows files and folders, no links, dot files or pipes, up to its bound", async () => {
    expect(await listFolder(root, 10)).toEqual(["a.txt", "sub/"])
    expect(await listFolder(root, 1)).toEqual(["a.txt"])
  })
})

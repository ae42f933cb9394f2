/** B16: what another user of the same machine can do with a router's home: nothing. */
import { execFile } from "node:child_process"
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { AlliumProcess } from "../support/allium-process.ts"

/** "nobody" on Debian; it owns nothing here. */
const OTHER_USER = 65_534
const OTHERS = 0o077
/** Opens each path it is given as a file, as a folder and as a socket; prints those that let it. */
const INTRUDER = `
const { readdirSync, readFileSync, writeFileSync } = require("node:fs"), { connect } = require("node:net")
for (const path of process.argv.slice(1)) {
  for (const attempt of [readFileSync, readdirSync, (path) => writeFileSync(path, "")])
    try { attempt(path); console.log(path) } catch {}
  connect(path, () => console.log(path)).on("error", () => {})
}`

describe("B16: another user of this machine", () => {
  let folder: string
  let bridge: EmbeddedBridge
  let owner: AlliumProcess
  let paths: string[]

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-other-user-"))
    await chmod(folder, 0o755)
    bridge = await openEmbeddedBridge()
    const network = ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]
    owner = new AlliumProcess(join(folder, "home"), network)
    await owner.start()
    await owner.call("identity create", { name: "ann" })
    await owner.call("tower run", {})
    await owner.call("tunnel add socks", { listen: "127.0.0.1:0" })
    await mkdir(join(folder, "site"))
    await owner.call("site serve", { folder: join(folder, "site") })
    paths = (await readdir(owner.home, { recursive: true })).map((path) => join(owner.home, path))
  })
  afterAll(async () => {
    await owner?.stop()
    await bridge?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  it("has no right to the home, to a key or to what the router writes beside it", async () => {
    expect((await stat(owner.home)).mode & OTHERS).toBe(0)
    const secrets = paths.filter((path) => /keys|phrase|token|\.sock$/.test(path))
    expect(secrets.length).toBeGreaterThan(2)
    for (const path of secrets) expect([path, (await stat(path)).mode & OTHERS]).toEqual([path, 0])
  })

  it.skipIf(process.getuid?.() !== 0)("opens no file, folder or socket of it", async () => {
    const own = join(folder, "anybody's.txt")
    await writeFile(own, "to be read")
    const tried = [own, owner.home, ...paths]
    const { stdout } = await promisify(execFile)(process.execPath, ["-e", INTRUDER, ...tried], {
      uid: OTHER_USER,
      gid: OTHER_USER,
    })
    expect(stdout).toBe(`${own}\n`)
    expect(
      (await owner.call<{ state: string }[]>("tunnel list")).map(({ state }) => state),
    ).toEqual(["open"])
  })

  it("gets nobody to start a router in a home that leads into an open folder", async () => {
    const [open, link] = [join(folder, "open"), join(folder, "link")]
    await mkdir(open)
    await chmod(open, 0o777)
    await symlink(open, link)
    const { exit, stderr } = await new AlliumProcess(link, []).command(["run"])
    expect([exit, stderr]).toEqual([5, expect.stringContaining("HOME_EXPOSED")])
    expect(await readdir(open)).toEqual([])
  })
})

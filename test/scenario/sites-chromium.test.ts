/**
 * What people see: Chromium through `http-proxy` to sites, on the embedded network. Pictures of every page are taken in
 * both colour schemes and on a narrow screen; `ALLIUM_PICTURES=FOLDER` keeps them for eyes.
 */
import { spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { sites } from "../../plugins/sites/index.ts"
import { siteReceive, siteServe, siteShare } from "../../plugins/sites/offers.ts"
import { Scope } from "../../src/base/scope.ts"
import { httpProxy } from "../../tunnels/http-proxy/index.ts"
import { openEmbeddedNetwork } from "../support/embedded-network.ts"
import { emptyDisk, type FakeRun, startFakePlugin } from "../support/fake-site-context.ts"
import { openFakeTunnelContext } from "../support/fake-tunnel-context.ts"
import { CHROMIUM_FLAGS, foreign, lacks } from "../support/foreign-programs.ts"

const PAGE = `<!doctype html><title>Page</title><link rel="stylesheet" href="style.css"><h1 id="h">plain</h1>
<img id="i" src="dot.svg"><script src="page.js"></script>`
/** Says what arrived: the style, the picture, and a download that goes on by range. */
const SCRIPT = `addEventListener("load", async () => {
  const bytes = async (range) => {
    const answer = await fetch("data.bin", range ? { headers: { Range: range } } : {})
    return [answer.status, new Uint8Array(await answer.arrayBuffer())]
  }
  const [, whole] = await bytes()
  const [status, rest] = await bytes("bytes=100000-")
  const same = rest.every((byte, at) => byte === whole[100000 + at])
  document.title = JSON.stringify({
    colour: getComputedStyle(document.getElementById("h")).color,
    width: document.getElementById("i").naturalWidth,
    whole: whole.length, status, rest: rest.length, same,
  })
})`

describe.skipIf(lacks("chromium"))("sites in Chromium", () => {
  const scope = new Scope()
  const data = randomBytes(300_000)
  let root: string
  let plugin: FakeRun
  let proxy: string
  let profiles = 0

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "allium-chromium-"))
    scope.defer(() => rm(root, { recursive: true, force: true, maxRetries: 5 }))
    const html = join(root, "html")
    await mkdir(html)
    const dot = '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"/>'
    const files = { "index.html": PAGE, "style.css": "h1{color:rgb(1,2,3)}", "page.js": SCRIPT }
    for (const [name, text] of Object.entries({ ...files, "dot.svg": dot }))
      await writeFile(join(html, name), text)
    await writeFile(join(html, "data.bin"), data)
    const network = scope.use(await openEmbeddedNetwork())
    plugin = scope.use(await startFakePlugin(sites, network, emptyDisk()))
    const context = scope.use(await openFakeTunnelContext(network))
    const options = httpProxy.options.parse({ listen: "0", waitSeconds: 5 })
    proxy = scope.use(await httpProxy.open(context, options)).listens!
  })
  afterAll(() => scope.close())

  /** Runs one Chromium to its end; a profile that is named again keeps its cookies. */
  async function chromium(url: string, flags: readonly string[], profile = `p${++profiles}`) {
    const browser = spawn(
      foreign("chromium"),
      [
        ...CHROMIUM_FLAGS,
        ...[`--user-data-dir=${join(root, profile)}`, `--proxy-server=${proxy}`],
        ...["--proxy-bypass-list=<-loopback>", "--virtual-time-budget=10000", ...flags, url],
      ],
      { stdio: ["ignore", "pipe", "ignore"] },
    )
    scope.defer(() => void browser.kill("SIGKILL"))
    const chunks: Buffer[] = []
    browser.stdout.on("data", (chunk: Buffer) => chunks.push(chunk))
    await once(browser, "close")
    return Buffer.concat(chunks).toString()
  }
  const dom = (url: string, profile?: string) => chromium(url, ["--dump-dom"], profile)

  it("a page comes with its style, picture and script; a download goes on by range", async () => {
    const site = await plugin.run(siteServe, { folder: join(root, "html"), name: "page" })
    const [, said = ""] = /<title>(.*?)<\/title>/.exec(await dom(site.url)) ?? []
    const [whole, rest] = [data.length, data.length - 100_000]
    expect(JSON.parse(said)).toEqual({
      ...{ colour: "rgb(1, 2, 3)", width: 7, whole, status: 206, rest, same: true },
    })
  })

  it("a private site opens by its link, stays open by its cookie, and is shut for others", async () => {
    const folder = join(root, "html")
    const site = await plugin.run(siteServe, { folder, name: "shut", private: true })
    expect(await dom(`http://${site.address}/`)).toContain("the site is private")
    expect(await dom(site.url, "guest")).toContain('id="h"')
    expect(await dom(`http://${site.address}/`, "guest")).toContain('id="h"')
  })

  it("a form without script brings a text and a file into the folder", async () => {
    const inbox = join(root, "inbox")
    await mkdir(inbox)
    const { url } = await plugin.run(siteReceive, { folder: inbox, name: "box" })
    const form = await dom(url)
    expect(form).toContain('enctype="multipart/form-data"')
    expect(form).not.toMatch(/<script/i)
    // A page of the reader's own disk fills the form in, as a person would, and sends it.
    const filler = join(root, "filler.html")
    const fill = `<form id="f" method="post" enctype="multipart/form-data" action="${url}"><textarea name="message">hello</textarea>
      <input type="file" id="x" name="files"></form><script>const d = new DataTransfer()
      d.items.add(new File(["${"x".repeat(1_000)}"], "note.txt")); x.files = d.files; f.submit()</script>`
    await writeFile(filler, fill)
    expect(await dom(`file://${filler}`)).toContain("2 items have arrived whole.")
    const [visit = ""] = await readdir(inbox)
    expect((await readdir(join(inbox, visit))).sort()).toEqual(["message.txt", "note.txt"])
    expect((await readFile(join(inbox, visit, "note.txt"))).length).toBe(1_000)
  })

  it("looks the same to people in light and dark, wide and narrow: pictures of every page", async () => {
    const folder = process.env.ALLIUM_PICTURES ?? join(root, "pictures")
    await mkdir(folder, { recursive: true })
    const inbox = join(root, "inbox2")
    await mkdir(inbox)
    const html = join(root, "html")
    const box = await plugin.run(siteReceive, { folder: inbox, name: "form" })
    const files = ["index.html", "data.bin"].map((name) => join(html, name))
    const share = await plugin.run(siteShare, { files, name: "gift" })
    await mkdir(join(root, "list", "deeper"), { recursive: true })
    await writeFile(join(root, "list", `${"a long name ".repeat(8)}.txt`), "x")
    const list = await plugin.run(siteServe, { folder: join(root, "list"), list: true })
    const shut = await plugin.run(siteServe, { folder: html, name: "closed", private: true })
    const pages = {
      form: box.url,
      share: share.url,
      list: list.url,
      absent: `${list.url}none`,
      private: `http://${shut.address}/`,
      unknown: "http://nobody.i2p/",
      outside: "http://example.com/",
    }
    const looks = {
      light: ["1000,700"],
      dark: ["1000,700", "--blink-settings=preferredColorScheme=0"],
    }
    const sums = new Set<string>()
    for (const [name, url] of Object.entries(pages))
      for (const [look, [size = "", ...more]] of Object.entries({
        ...looks,
        narrow: ["500,700"],
      })) {
        if (look !== "dark" && process.env.ALLIUM_PICTURES === undefined && name !== "form")
          continue
        const picture = join(folder, `${name}-${look}.png`)
        await chromium(url, [`--screenshot=${picture}`, `--window-size=${size}`, ...more])
        sums.add(
          createHash("sha256")
            .update(await readFile(picture))
            .digest("hex"),
        )
      }
    expect(sums.size).toBeGreaterThanOrEqual(Object.keys(pages).length)
  }, 600_000)
})

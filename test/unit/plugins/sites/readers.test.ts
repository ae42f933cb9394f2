import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { sites } from "../../../../plugins/sites/index.ts"
import {
  siteInvite,
  siteList,
  siteServe,
  siteShow,
  siteStart,
  siteStop,
  siteUninvite,
} from "../../../../plugins/sites/offers.ts"
import { Scope } from "../../../../src/base/scope.ts"
import { openEmbeddedBridge } from "../../../../src/bridge/index.ts"
import { openSupervisedSession } from "../../../../src/sam/index.ts"
import { encryptedOptions } from "../../../../src/sam/reader-keys.ts"
import { openFakeNetwork } from "../../../support/fake-session.ts"
import { emptyDisk, startFakePlugin } from "../../../support/fake-site-context.ts"

const network = openFakeNetwork()
const scope = new Scope()
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "allium-readers-"))
  await writeFile(join(folder, "index.html"), "hidden")
  scope.defer(() => rm(folder, { recursive: true }))
})
afterAll(() => scope.close())

/** Runs sites on a router that encrypts; tells the reader keys of every session. */
async function startEncrypting(disk = emptyDisk()) {
  const opened: (readonly string[])[] = []
  const run = await startFakePlugin(sites, network, disk, {
    async session({ name, readers = [] }) {
      opened.push(readers)
      const session = scope.use(network.open(disk.keys.get(name)))
      disk.keys.set(name, session.destination)
      return session
    },
  })
  return { run, opened }
}

const keyOf = (link: string) => new URL(link).host.split(".")[0]

describe("site serve --encrypted", () => {
  it("stands at a b33 address, with a link that holds a reader key, and 32 keys in all", async () => {
    const { run, opened } = await startEncrypting()
    await using _ = run
    const site = await run.run(siteServe, { folder, name: "hidden", encrypted: true })
    expect(site.address).toMatch(/^[a-z2-7]{56}\.b32\.i2p$/)
    expect(site.url).toMatch(/^http:\/\/[a-z2-7]{26}\.[a-z2-7]{56}\.b32\.i2p\/\.allium\//)
    expect(opened.map(({ length }) => length)).toEqual([32])
    expect(opened[0]).toContain(keyOf(site.url))
    expect(JSON.stringify(await run.run(siteList, {}))).not.toContain(keyOf(site.url))
  })

  it("lets guests come without opening again; who is gone is left out at the next opening", async () => {
    const { run, opened } = await startEncrypting()
    await using _ = run
    await run.run(siteServe, { folder, name: "hidden", encrypted: true })
    const { link } = await run.run(siteInvite, { name: "hidden", guest: "ann", link: true })
    expect(opened).toHaveLength(1)
    expect(opened[0]).toContain(keyOf(link))
    await run.run(siteUninvite, { name: "hidden", guest: "ann" })
    await run.run(siteStop, { name: "hidden" })
    await run.run(siteStart, { name: "hidden" })
    expect(opened[1]).toHaveLength(32)
    expect(opened[1]).not.toContain(keyOf(link))
    const { links } = await run.run(siteShow, { name: "hidden" })
    expect(opened[1]).toContain(keyOf(links![0]!.link))
  })

  it("has 32 guests at most", async () => {
    const { run } = await startEncrypting()
    await using _ = run
    await run.run(siteServe, { folder, name: "hidden", encrypted: true })
    for (let count = 1; count < 32; count++)
      await run.run(siteInvite, { name: "hidden", guest: `g${count}`, link: true })
    await expect(
      run.run(siteInvite, { name: "hidden", guest: "more", link: true }),
    ).rejects.toMatchObject({ code: "LIMIT_REACHED" })
  })

  it("is not taken for the same folder that stands open already", async () => {
    const { run } = await startEncrypting()
    await using _ = run
    await run.run(siteServe, { folder, name: "open" })
    for (const wish of [{ encrypted: true }, { private: true }])
      await expect(run.run(siteServe, { folder, name: "open", ...wish })).rejects.toMatchObject({
        code: "ALREADY_EXISTS",
      })
  })

  it("is refused on a router that cannot, and leaves nothing", async () => {
    const { address: bridge } = scope.use(await openEmbeddedBridge())
    const disk = emptyDisk()
    await using run = await startFakePlugin(sites, network, disk, {
      session: async ({ readers = [] }) =>
        scope.use(
          openSupervisedSession({
            bridge,
            keys: "transient",
            i2cpOptions: encryptedOptions(readers),
          }),
        ),
    })
    await expect(run.run(siteServe, { folder, encrypted: true })).rejects.toMatchObject({
      code: "SESSION_NOT_SUPPORTED",
    })
    expect([await run.run(siteList, {}), disk.values.size]).toEqual([[], 0])
  })
})

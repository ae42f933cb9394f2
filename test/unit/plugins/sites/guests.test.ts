import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { sites } from "../../../../plugins/sites/index.ts"
import { siteInvite, siteServe, siteShow, siteUninvite } from "../../../../plugins/sites/offers.ts"
import { AlliumError } from "../../../../src/base/errors.ts"
import { Scope } from "../../../../src/base/scope.ts"
import type { PluginContext } from "../../../../src/router/plugin.ts"
import { openFakeNetwork } from "../../../support/fake-session.ts"
import { emptyDisk, startFakePlugin } from "../../../support/fake-site-context.ts"

const network = openFakeNetwork()
const scope = new Scope()
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "allium-guests-"))
  await writeFile(join(folder, "index.html"), "for friends")
  scope.defer(() => rm(folder, { recursive: true }))
})
afterAll(() => scope.close())

interface World {
  /** Texts by who got them. */
  readonly told: Map<string, string[]>
  /** Letters to them fail with this. */
  readonly deaf: Map<string, AlliumError>
  readonly people: { name: string; key: string; state: string }[]
}

function worldOf(...names: string[]): World & { more: Partial<PluginContext> } {
  const people = names.map((name) => ({ name, key: `key of ${name}`, state: "accepted" }))
  const told = new Map<string, string[]>()
  const deaf = new Map<string, AlliumError>()
  const find = (_: unknown, name: string) => {
    const found = people.find((one) => one.name === name)
    if (found === undefined) throw new AlliumError("NO_CONTACT", "Cannot find contact")
    return found
  }
  const more = {
    identities: { list: () => [], find: () => ({}) },
    contacts: { list: () => people, find },
    async ask(_verb: string, { contact, text }: { contact: string; text: string }) {
      const error = deaf.get(contact)
      if (error !== undefined) throw error
      told.set(contact, [...(told.get(contact) ?? []), text])
    },
  } as unknown as Partial<PluginContext>
  return { told, deaf, people, more }
}

/** Asks once on a stream of its own, which stays open. */
async function ask(address: string, path: string, cookie = "") {
  const visitor = scope.use(network.open())
  const stream = await visitor.connect(address, { signal: scope.signal })
  stream.on("error", () => {})
  stream.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${cookie && `Cookie: ${cookie}\r\n`}\r\n`)
  const [head] = (await once(stream, "data")) as [Buffer]
  const text = head.toString()
  const [, given = ""] = /^set-cookie: ([^;]*)/im.exec(text) ?? []
  return { status: Number(text.slice(9, 12)), cookie: given, stream }
}

/** Follows a link, and has the page read with the cookie. */
async function enter(link: string) {
  const { host, pathname } = new URL(link)
  const { cookie } = await ask(host, pathname)
  return { address: host, ...(await ask(host, "/", cookie)), given: cookie }
}

const start = (world: { more: Partial<PluginContext> }, disk = emptyDisk()) =>
  startFakePlugin(sites, network, disk, world.more)

describe("site invite", () => {
  it("gives one more contact a link of their own, which opens at once", async () => {
    const world = worldOf("ann", "bob")
    await using run = await start(world)
    await run.run(siteServe, { folder, name: "photos", for: ["ann"] })
    const bob = await run.run(siteInvite, { name: "photos", guest: "bob" })
    expect(bob).toMatchObject({ guest: "bob", sent: true })
    expect(world.told.get("bob")).toEqual([bob.link])
    expect(world.told.get("ann")).not.toEqual([bob.link])
    expect((await enter(bob.link)).status).toBe(200)
  })

  it("sends the same link again to who is a guest already", async () => {
    const world = worldOf("ann")
    await using run = await start(world)
    await run.run(siteServe, { folder, name: "photos", for: ["ann"] })
    await run.run(siteInvite, { name: "photos", guest: "ann" })
    const [first, second] = world.told.get("ann")!
    expect(second).toBe(first)
    expect((await run.run(siteShow, { name: "photos" })).links).toHaveLength(1)
  })

  it("tells when the message was not sent; the link stands, and can be sent again", async () => {
    const world = worldOf("ann", "bob")
    world.deaf.set("bob", new AlliumError("OUTBOX_FULL", "Cannot send"))
    await using run = await start(world)
    const site = await run.run(siteServe, { folder, name: "photos", for: ["ann", "bob"] })
    expect(site.untold).toEqual([{ guest: "bob", code: "OUTBOX_FULL" }])
    const again = await run.run(siteInvite, { name: "photos", guest: "bob" })
    expect(again).toMatchObject({ sent: false, code: "OUTBOX_FULL" })
    world.deaf.clear()
    expect(await run.run(siteInvite, { name: "photos", guest: "bob" })).toMatchObject({
      sent: true,
      link: again.link,
    })
  })

  it("makes links for who is no contact, and sends nothing then", async () => {
    const world = worldOf()
    await using run = await start(world)
    await run.run(siteServe, { folder, name: "photos", contacts: true })
    const made = await run.run(siteInvite, { name: "photos", guest: "grandma", link: true })
    expect([made.sent, world.told.size]).toEqual([false, 0])
    expect((await enter(made.link)).status).toBe(200)
  })

  it.each([
    ["SITE_IS_PUBLIC", { name: "open", guest: "ann" }],
    ["NOT_FOUND", { name: "none", guest: "ann" }],
    ["NO_CONTACT", { name: "shut", guest: "zoe" }],
    ["CONTACT_STATE", { name: "shut", guest: "eve" }],
    ["ALREADY_EXISTS", { name: "shut", guest: "ann", link: true }],
  ])("says %s and changes nothing", async (code, wish) => {
    const world = worldOf("ann", "eve")
    world.people[1]!.state = "asked"
    await using run = await start(world)
    await run.run(siteServe, { folder, name: "open" })
    await run.run(siteServe, { folder, name: "shut", for: ["ann"] })
    await expect(run.run(siteInvite, wish)).rejects.toMatchObject({ code })
    expect((await run.run(siteShow, { name: "shut" })).links).toHaveLength(1)
  })
})

describe("site uninvite", () => {
  it("shuts the door for one at once, ends their streams, and leaves the others alone", async () => {
    const world = worldOf("ann", "bob")
    const disk = emptyDisk()
    const run = await start(world, disk)
    await run.run(siteServe, { folder, name: "photos", for: ["ann", "bob"] })
    const [ann, bob] = [world.told.get("ann")![0]!, world.told.get("bob")![0]!]
    const [visitOfAnn, visitOfBob] = [await enter(ann), await enter(bob)]
    const gone = once(visitOfAnn.stream, "close")
    expect(await run.run(siteUninvite, { name: "photos", guest: "ann" })).toMatchObject({
      guests: 1,
    })
    await gone
    expect(visitOfBob.stream.destroyed).toBe(false)
    const both = async (address: string) => [
      (await ask(address, "/", visitOfAnn.given)).status,
      (await ask(address, new URL(ann).pathname)).status,
      (await ask(address, "/", visitOfBob.given)).status,
    ]
    expect(await both(visitOfAnn.address)).toEqual([403, 403, 200])
    await run[Symbol.asyncDispose]()
    await using second = await start(world, disk)
    expect((await second.run(siteShow, { name: "photos" })).links).toHaveLength(1)
    expect(await both(visitOfAnn.address)).toEqual([403, 403, 200])
  })

  it("leaves a site shut when the last guest is gone, also after a restart", async () => {
    const world = worldOf("ann")
    const disk = emptyDisk()
    const run = await start(world, disk)
    const { address } = await run.run(siteServe, { folder, name: "photos", for: ["ann"] })
    await run.run(siteUninvite, { name: "photos", guest: "ann" })
    expect((await ask(address, "/")).status).toBe(403)
    await run[Symbol.asyncDispose]()
    await using second = await start(world, disk)
    expect((await second.run(siteShow, { name: "photos" })).state).toBe("up")
    expect((await ask(address, "/")).status).toBe(403)
  })

  it("finds a contact who was renamed since", async () => {
    const world = worldOf("ann")
    await using run = await start(world)
    await run.run(siteServe, { folder, name: "photos", for: ["ann"] })
    world.people[0]!.name = "anna"
    const said = await run.run(siteUninvite, { name: "photos", guest: "anna" })
    expect(said).toEqual({ name: "photos", guest: "ann", guests: 0 })
    await expect(run.run(siteUninvite, { name: "photos", guest: "ann" })).rejects.toMatchObject({
      code: "NOT_FOUND",
    })
  })
})

import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { parseTowerUri } from "../../../src/router/tower-uri.ts"
import { type MailRouter, type MailWorld, openMailWorld } from "../../support/mail-routers.ts"

interface State {
  readonly state: string
  readonly address: string
  readonly key: string
  readonly capBytes: number
  readonly uri?: string
}

describe("the tower plugin", () => {
  let world: MailWorld
  let t: MailRouter
  let first: State

  beforeAll(async () => {
    world = await openMailWorld()
    t = world.router("t")
    await t.start()
  })
  afterAll(() => world?.[Symbol.asyncDispose]())

  it("runs no tower that nobody asked for", async () => {
    expect(await t.ask("tower status")).toMatchObject({ state: "off", queues: 0 })
    await expect(t.ask("tower invite")).rejects.toMatchObject({ code: "NOT_FOUND" })
    const { sessions } = await t.ask<{ sessions: unknown[] }>("status")
    expect(sessions).toEqual([])
  })

  it("has an address, a key and a first invitation that say the same", async () => {
    first = await t.ask<State>("tower run")
    const { key, address } = parseTowerUri(first.uri ?? "")
    expect({ key, address }).toEqual({ key: first.key, address: first.address })
    expect(first.capBytes).toBe(2 ** 30)
    const { sessions } = await t.ask<{ sessions: { owner: string }[] }>("status")
    expect(sessions.map(({ owner }) => owner)).toEqual(["plugin tower/mailbox"])
  })

  it("gives every invitation a secret of its own", async () => {
    const { uri } = await t.ask<{ uri: string }>("tower invite", { count: 3, label: "ann" })
    expect(parseTowerUri(uri).invitation).not.toEqual(parseTowerUri(first.uri ?? "").invitation)
  })

  it("stays where it is over a restart, a stop and another cap", async () => {
    await t.stop()
    await t.start()
    const same = { address: first.address, key: first.key }
    expect(await t.ask("tower status")).toMatchObject(same)
    expect(await t.ask("tower stop")).toMatchObject({ state: "off" })
    await t.stop()
    await t.start()
    expect(await t.ask("tower status")).toMatchObject({ state: "off" })
    const again = await t.ask<State>("tower run", { cap: "32MiB" })
    expect(again).toMatchObject({ ...same, capBytes: 2 ** 25 })
    expect(again.uri).toBeUndefined()
  })

  it("tells status and doctor how the towers of an identity stand, and no right of it", async () => {
    await t.ask("identity create", { name: "ann" })
    const { uri } = await t.ask<{ uri: string }>("tower invite")
    await t.ask("tower use", { uri, name: "home" })
    await t.until<{ state: string }[]>("tower list", {}, ([one]) => one?.state === "up")
    const { towers } = await t.ask<{ towers: unknown[] }>("status")
    expect(towers).toEqual([{ identity: "ann", name: "home", use: "used", state: "up" }])
    const findings = await t.ask<{ check: string; state: string }[]>("doctor")
    expect(findings).toContainEqual({
      check: "tower home of ann",
      state: "ok",
      found: "used, up",
    })
    const told = JSON.stringify([towers, findings, await t.ask("tower list")])
    expect(told).not.toContain(uri.split(".")[2])
  })

  it("is asked for each identity from an address of its own", async () => {
    await t.ask("identity create", { name: "carol" })
    const { uri } = await t.ask<{ uri: string }>("tower invite")
    await t.ask("tower use", { uri, identity: "carol" })
    await t.until<{ state: string }[]>(
      "tower list",
      { identity: "carol" },
      ([one]) => one?.state === "up",
    )
    const { sessions } = await t.ask<{ sessions: { owner: string; address: string }[] }>("status")
    const mail = sessions.filter(({ owner }) => owner.startsWith("mail "))
    expect(mail.map(({ owner }) => owner).sort()).toEqual([
      "mail pull of ann",
      "mail pull of carol",
    ])
    expect(new Set(sessions.map(({ address }) => address)).size).toBe(sessions.length)
    await t.stop()
    await t.start()
    const after = await t.until<{ sessions: { owner: string; address: string }[] }>(
      "status",
      {},
      (now) => now.sessions.filter(({ owner }) => owner.startsWith("mail ")).length === 2,
    )
    const before = new Set(mail.map(({ address }) => address))
    expect(after.sessions.filter(({ address }) => before.has(address))).toEqual([])
  })

  it("is refused as a way out of sight when there is no tower", async () => {
    await t.ask("identity create", { name: "bob" })
    const hide = t.ask("identity reach", { name: "bob", reach: "pull-only" })
    await expect(hide).rejects.toMatchObject({ code: "NO_TOWER" })
  })
})

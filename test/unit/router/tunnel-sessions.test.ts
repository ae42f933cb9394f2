import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Scope } from "../../../src/base/scope.ts"
import { openSessionBudget } from "../../../src/router/session-budget.ts"
import type { SessionOwner } from "../../../src/router/sessions.ts"
import type { DatagramWish } from "../../../src/router/tunnel.ts"
import { openTunnelSessions, type SessionOpener } from "../../../src/router/tunnel-sessions.ts"
import type { DatagramSession } from "../../../src/sam/supervised-datagrams.ts"
import { openFakeNetwork } from "../../support/fake-session.ts"
import { type FakeTunnelContext, openFakeTunnelContext } from "../../support/fake-tunnel-context.ts"

describe("the sessions of a tunnel", () => {
  let context: FakeTunnelContext

  beforeEach(async () => {
    context = await openFakeTunnelContext(openFakeNetwork(), { sessionsMax: 3 })
  })
  afterEach(() => context[Symbol.asyncDispose]())

  const addressOf = async (name?: string) => {
    const wish =
      name === undefined ? ({ keys: "transient" } as const) : ({ keys: "transient", name } as const)
    return (await context.session(wish)).destination.b32
  }

  it("are opened when first asked for, one for each name", async () => {
    expect(context.opened).toHaveLength(0)
    const [own, again, a, b] = [
      await addressOf(),
      await addressOf(),
      await addressOf("a"),
      await addressOf("b"),
    ]
    expect(again).toBe(own)
    expect(new Set([own, a, b]).size).toBe(3)
    expect(context.opened).toHaveLength(3)
  })

  it("come back with the same address or with a new one, as asked", async () => {
    const first = await addressOf("a")
    await context.closeSession("a", { keepKeys: true })
    expect(await addressOf("a")).toBe(first)
    await context.closeSession("a", { keepKeys: false })
    expect(await addressOf("a")).not.toBe(first)
  })

  it("keep persistent keys whatever is asked", async () => {
    const first = (await context.session({ keys: "persistent" })).destination.b32
    await context.closeSession(undefined, { keepKeys: false })
    expect((await context.session({ keys: "persistent" })).destination.b32).toBe(first)
  })

  it("are counted against the budget, and give their place back once", async () => {
    for (const name of ["a", "b", "c"]) await addressOf(name)
    await expect(addressOf("d")).rejects.toMatchObject({ code: "SESSION_LIMIT" })
    await context.closeSession("a", { keepKeys: false })
    await context.closeSession("a", { keepKeys: false })
    await addressOf("d")
    await expect(addressOf("e")).rejects.toMatchObject({ code: "SESSION_LIMIT" })
  })

  it("do not count a datagram session that cannot be opened", async () => {
    for (let count = 0; count < 4; count++)
      await expect(
        context.datagrams({ keys: "transient", style: "DATAGRAM" }),
      ).rejects.toMatchObject({ code: "SESSION_NOT_SUPPORTED" })
    for (const name of ["a", "b", "c"]) await addressOf(name)
    await expect(context.datagrams({ keys: "transient", style: "DATAGRAM" })).rejects.toMatchObject(
      { code: "SESSION_LIMIT" },
    )
  })

  it("for datagrams are one for each style and name, and close and come back with that name", async () => {
    const made: (Uint8Array | string)[] = []
    const sessions = {
      ...({} as SessionOpener),
      freshKeys: () => Uint8Array.of(made.length),
      openDatagrams: async (
        _owner: SessionOwner,
        { keys }: { keys: Uint8Array | string },
        scope: Scope,
      ) => {
        made.push(keys)
        const session = { closed: false } as unknown as DatagramSession
        scope.defer(() => Object.assign(session, { closed: true }))
        return session
      },
    }
    const budget = openSessionBudget(3)
    await using own = openTunnelSessions({ kind: "tunnel", name: "a" }, { sessions, budget })
    const open = (name?: string, style: "DATAGRAM" | "RAW" = "DATAGRAM") =>
      own.datagrams({
        keys: "transient",
        style,
        ...(name !== undefined && { name }),
      } as DatagramWish)
    const [first, other] = [await open(), await open("ann")]
    expect(await open()).toBe(first)
    expect(other).not.toBe(first)
    expect(await open("ann", "RAW")).not.toBe(other)
    await expect(open("bob")).rejects.toMatchObject({ code: "SESSION_LIMIT" })
    await own.closeSession("ann", { keepKeys: true })
    expect([first, other]).toMatchObject([{ closed: false }, { closed: true }])
    await open("ann")
    expect(made.map(String)).toEqual(["0", "1", "2", "1"])
    await own.closeSession(undefined, { keepKeys: true })
    await own.datagrams({ keys: "renewed", style: "DATAGRAM" })
    expect(made.at(-1)).toBe("renewed")
  })

  it("end with the tunnel, and none opens after", async () => {
    await addressOf("a")
    await context[Symbol.asyncDispose]()
    expect(context.opened[0]!.state.name).toBe("closed")
    await expect(addressOf("a")).rejects.toMatchObject({ code: "SESSION_CLOSED" })
  })
})

import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openUserFile, type Users } from "../../../src/base/user-file.ts"
import { FakeClock } from "../../support/fake-clock.ts"

describe("openUserFile()", () => {
  let folder: string
  let clock: FakeClock
  let users: Users
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-users-"))
    const path = join(folder, "users")
    await writeFile(path, "ann:right\nbob:b\n", { mode: 0o600 })
    clock = new FakeClock()
    users = await openUserFile(path, clock)
  })
  afterEach(() => rm(folder, { recursive: true }))

  const ask = (user: string, password: string, from = "127.0.0.1") =>
    users.refusal({ user, password }, from)?.code
  const guess = (times: number, user = "ann", from = "127.0.0.1") =>
    Array.from({ length: times }, (_, count) => ask(user, `${count}`, from)).at(-1)

  it("lets in who is a user, as often as they like", () => {
    for (let count = 0; count < 100; count++) expect(ask("ann", "right")).toBeUndefined()
    expect(users.refusal(undefined, "127.0.0.1")?.code).toBe("PROXY_AUTH_NEEDED")
  })

  it("hears ten wrong passwords for one name from one address, then one in six seconds", async () => {
    expect(guess(10)).toBe("PROXY_AUTH_NEEDED")
    expect(guess(1)).toBe("TOO_MANY_REQUESTS")
    expect(ask("ann", "right")).toBe("TOO_MANY_REQUESTS")
    await clock.pass(6_000)
    expect(guess(1)).toBe("PROXY_AUTH_NEEDED")
    expect(guess(1)).toBe("TOO_MANY_REQUESTS")
    await clock.pass(60_000)
    expect(ask("ann", "right")).toBeUndefined()
  })

  it.each([
    { what: "another name", user: "bob", password: "b", from: "127.0.0.1" },
    { what: "another address", user: "ann", password: "right", from: "192.168.1.7" },
  ])("does not keep $what out meanwhile", ({ user, password, from }) => {
    expect(guess(1_000)).toBe("TOO_MANY_REQUESTS")
    expect(ask(user, password, from)).toBeUndefined()
  })

  it("does not count who says no name: programs ask without one first", () => {
    for (let count = 0; count < 100; count++) users.refusal(undefined, "127.0.0.1")
    expect(ask("ann", "right")).toBeUndefined()
  })
})

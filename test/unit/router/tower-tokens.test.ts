import { beforeEach, describe, expect, it } from "vitest"
import { systemClock } from "../../../src/base/clock.ts"
import { AlliumError } from "../../../src/base/errors.ts"
import { systemRandom } from "../../../src/base/random.ts"
import { openTowerEngine, type TowerEngine } from "../../../src/mail/mailbox/tower/engine.ts"
import { openTowerBook, type TowerBook } from "../../../src/router/tower-book.ts"
import { BAD_TOKENS_MAX, openTokenPurse, TOKENS_AT_ONCE } from "../../../src/router/tower-tokens.ts"
import { FakeWorld } from "../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../support/memory-store.ts"

const call = { signal: new AbortController().signal }

describe("TokenPurse", () => {
  let engine: TowerEngine
  let book: TowerBook

  beforeEach(async () => {
    const life = new MemoryLife(new MemoryDisk(), new FakeWorld(), () => {})
    const store = life.room("/tower/")
    engine = await openTowerEngine({ store, clock: systemClock, random: systemRandom })
    book = await openTowerBook(life.room("/book/"))
  })

  const source = async (count: number) => ({
    mailbox: engine,
    invitation: await engine.makeInvitation(count),
    key: () => engine.tokenKey(call),
  })

  it("fetches as many as ever at once, and spends one for each queue", async () => {
    const purse = openTokenPurse(book, systemRandom)
    const from = await source(100)
    const make = (token: Uint8Array) => engine.make({ kind: "queue", token }, call)
    for (let count = 0; count < 3; count++) await purse.spend("t", from, call, make)
    expect(engine.report().queues).toBe(3)
    expect(book.tokenCount("t")).toBe(TOKENS_AT_ONCE - 3)
    const [invitation] = await engine.listInvitations()
    expect(invitation?.left).toBe(100 - TOKENS_AT_ONCE)
  })

  it("takes the last ones of an invitation one by one, then says BAD_TOKEN", async () => {
    const purse = openTokenPurse(book, systemRandom)
    const from = await source(2)
    const make = (token: Uint8Array) => engine.make({ kind: "queue", token }, call)
    await purse.spend("t", from, call, make)
    await purse.spend("t", from, call, make)
    await expect(purse.spend("t", from, call, make)).rejects.toMatchObject({ code: "BAD_TOKEN" })
    expect(engine.report().queues).toBe(2)
  })

  it("keeps a token when the way broke, and throws a bad one away", async () => {
    const purse = openTokenPurse(book, systemRandom)
    const from = await source(100)
    const lost = async () => {
      throw new AlliumError("LINK_LOST", "Cannot go on")
    }
    await expect(purse.spend("t", from, call, lost)).rejects.toMatchObject({ code: "LINK_LOST" })
    expect(book.tokenCount("t")).toBe(TOKENS_AT_ONCE)
    let tries = 0
    const bad = async () => {
      tries++
      throw new AlliumError("BAD_TOKEN", "Cannot use token")
    }
    await expect(purse.spend("t", from, call, bad)).rejects.toMatchObject({ code: "BAD_TOKEN" })
    expect(tries).toBe(BAD_TOKENS_MAX)
  })

  it("takes no tokens of a tower that signs with a key for us alone", async () => {
    const purse = openTokenPurse(book, systemRandom)
    const { publicKey, epoch } = await engine.tokenKey(call)
    const other = new Uint8Array(publicKey).fill(1)
    const from = { ...(await source(10)), key: async () => ({ publicKey: other, epoch }) }
    const never = () => Promise.reject(new Error("never"))
    await expect(purse.spend("t", from, call, never)).rejects.toMatchObject({ code: "BAD_TOKEN" })
    expect(book.tokenCount("t")).toBe(0)
  })
})

/** Who may have a file of a group: fellows who are contacts, and members now. */
import { beforeEach, describe, expect, it } from "vitest"
import { Admission } from "../../../../../plugins/files/contact/admission.ts"
import { TransferBook } from "../../../../../plugins/files/contact/book.ts"
import { toGroupDocument } from "../../../../../plugins/files/contact/group-view.ts"
import type { Transfer } from "../../../../../plugins/files/contact/transfer.ts"
import type { TransferDocument } from "../../../../../plugins/files/offers.ts"
import { FakeWorld } from "../../../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../../../support/memory-store.ts"

const WIRE_ID = "ab".repeat(16)
const DAY_MS = 86_400_000
const transfer: Transfer = {
  ...{ id: WIRE_ID, direction: "in", identity: "me", contact: "sender", contactName: "sender" },
  ...{ name: "a.txt", isFolder: false, size: 10, fileCount: 1, files: [], stage: "accepted" },
  ...{ isPaused: false, createdAt: 0, key: new Uint8Array(32), infohash: new Uint8Array(20) },
  group: { id: "cd".repeat(32), fellows: ["fellow", "stranger"] },
}

describe("a file of a group that came to us", () => {
  const world = new FakeWorld()
  let book: TransferBook
  let members: Set<string>
  let nowMs: number

  beforeEach(() => {
    book = new TransferBook(
      new MemoryLife(new MemoryDisk(), world, () => {}).room("/"),
      world.clock,
    )
    members = new Set(["sender", "fellow", "stranger", "other"])
    nowMs = 0
  })

  function admission(): Admission {
    const ends = ({ contact }: { contact: string }) =>
      contact === "stranger" ? undefined : { contact: { state: "accepted" } }
    const circles = { has: (_: string, __: string, key: string) => members.has(key) }
    const parts = { book, post: { endsOf: ends }, circles, now: () => nowMs }
    return new Admission(parts as never)
  }
  async function given(change: Partial<Transfer>, contact = "fellow", identity = "me") {
    await book.addAll([{ ...transfer, ...change }])
    return admission().find({ identity, contact }, WIRE_ID) !== undefined
  }

  it("is given to a fellow, also under an id of our own, and when it is here whole", async () => {
    expect(await given({})).toBe(true)
    expect(await given({ stage: "done" })).toBe(true)
    expect(admission().fellows(transfer)).toEqual(["fellow"])
    await book.addAll([{ ...transfer, stage: "cancelled" }])
    expect(await given({ id: "01".repeat(16), wireId: WIRE_ID })).toBe(true)
  })
  it.each([
    ["somebody it was not offered to", {}, "other", "me"],
    ["somebody who is no contact", {}, "stranger", "me"],
    ["the sender", {}, "sender", "me"],
    ["another identity of this router", {}, "fellow", "me too"],
    ["anybody before it is accepted", { stage: "offered" as const }, "fellow", "me"],
    ["anybody when it was refused", { stage: "cancelled" as const }, "fellow", "me"],
    ["anybody while it rests", { isPaused: true }, "fellow", "me"],
    ["anybody without a group", { group: undefined }, "fellow", "me"],
  ])("is not given to %s", async (_name, change, contact, identity) => {
    expect(await given(change as Partial<Transfer>, contact, identity)).toBe(false)
  })
  it.each(["sender", "fellow"])("is not given when the %s was removed", async (who) => {
    members.delete(who)
    expect(await given({})).toBe(false)
    expect(admission().fellows(transfer)).toEqual([])
  })
  it("is not given a month later", async () => {
    nowMs = 31 * DAY_MS
    expect(await given({ stage: "done" })).toBe(false)
  })
  it("of ours is given to the member it was offered to, and no longer when they were removed", async () => {
    const out = { direction: "out" as const, contact: "fellow", stage: "offered" as const }
    expect(await given(out)).toBe(true)
    expect(await given(out, "other")).toBe(false)
    members.delete("fellow")
    expect(await given(out)).toBe(false)
  })
})

describe("toGroupDocument()", () => {
  const member: TransferDocument = {
    ...{ id: "1", identity: "me", contact: "ann", direction: "out", name: "a", size: 100 },
    ...{ state: "done", done: 100, bytesPerSecond: 0 },
  }
  it("says what goes on as long as something does, and what became of each", () => {
    const other = { ...member, id: "2", contact: "bob", state: "transferring", done: 50 } as const
    const last = { ...member, id: "3", contact: "cy", state: "cancelled", done: 0 } as const
    const whole = toGroupDocument("9", [member, other, { ...last, reason: "REFUSED" }])
    expect(whole).toMatchObject({ id: "9", state: "transferring", done: 50 })
    expect(whole).not.toHaveProperty("contact")
    expect(whole).not.toHaveProperty("reason")
    expect(whole.members).toEqual([
      { contact: "ann", id: "1", state: "done", done: 100 },
      { contact: "bob", id: "2", state: "transferring", done: 50 },
      { contact: "cy", id: "3", state: "cancelled", done: 0, reason: "REFUSED" },
    ])
  })
})

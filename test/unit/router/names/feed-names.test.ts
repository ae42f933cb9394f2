import { describe, expect, it } from "vitest"
import { openConflicts } from "../../../../src/router/names/conflicts.ts"
import { openFeedNames } from "../../../../src/router/names/feed-names.ts"
import { openOwnNames } from "../../../../src/router/names.ts"
import { encodeBase64 } from "../../../../src/sam/index.ts"
import { FakeWorld } from "../../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../../support/memory-store.ts"
import { nameOwner } from "../../../support/name-people.ts"

const FEED = "http://feed.i2p/hosts.txt"
const NOW_MS = 1_700_000_000_000
const DATE = 1_690_000_000
const [ann, bob, eve] = [nameOwner(1), nameOwner(2), nameOwner(3)]
/** Signs with DSA, as old destinations do. */
const dsa = encodeBase64(new Uint8Array(387).fill(1, 0, 384))

async function openBook(disk = new MemoryDisk()) {
  const store = new MemoryLife(disk, new FakeWorld(), () => {}).room("/")
  const conflicts = await openConflicts(store)
  const pinned = await openOwnNames(store, "pinned", () => NOW_MS)
  const names = await openFeedNames({ store, conflicts, pinned })
  const read = (...lines: string[]) => names.apply(FEED, lines.join("\n"), NOW_MS)
  const leads = async (name: string) => (await names.find(name))?.address
  return { names, conflicts, pinned, read, leads, disk }
}

const move = (date: number, to = bob, from = ann) =>
  to.line("a.i2p", { action: "changedest", date: `${date}` }, from)

describe("FeedNames", () => {
  it("keeps who came first, says who has signed, and remembers over restarts", async () => {
    const { read, disk, conflicts } = await openBook()
    const counts = await read(ann.line("a.i2p"), `b.i2p=${bob.dest}`, `b.i2p=${bob.dest}`, "# c")
    expect(counts).toMatchObject({ added: 2, same: 1, conflicts: 0, rejected: 0 })
    const { names } = await openBook(disk)
    expect(await names.find("A.i2p")).toMatchObject({ address: ann.dest, signed: true, feed: FEED })
    expect(await names.find("b.i2p")).not.toHaveProperty("signed")
    expect(await names.countOf(FEED)).toBe(2)
    expect(await conflicts.list()).toEqual([])
  })

  it("B13: keeps the first address when an unsigned line, or one of a stranger, says another", async () => {
    const { read, leads, conflicts } = await openBook()
    await read(`a.i2p=${ann.dest}`)
    const counts = await read(`a.i2p=${eve.dest}`, eve.line("a.i2p"), move(DATE, eve, eve))
    expect(counts).toMatchObject({ added: 0, changed: 0, conflicts: 3 })
    expect(await leads("a.i2p")).toBe(ann.dest)
    expect(await conflicts.list()).toMatchObject([
      {
        name: "a.i2p",
        kept: { address: ann.dest, from: FEED, at: NOW_MS },
        claims: [{ address: eve.dest, from: FEED, at: NOW_MS }],
      },
    ])
  })

  it("notes a conflict when what is believed differs from a pinned name, until the user decides", async () => {
    const { read, conflicts, pinned } = await openBook()
    await pinned.add("a.i2p", ann.dest)
    await pinned.add("b.i2p", bob.b32)
    const counts = await read(eve.line("a.i2p"), bob.line("b.i2p"), bob.line("c.i2p"))
    expect(counts).toMatchObject({ added: 3, conflicts: 1 })
    const kept = { address: ann.dest, from: "pinned", at: NOW_MS }
    const claims = [{ address: eve.dest, from: FEED, at: NOW_MS }]
    expect(await conflicts.list()).toMatchObject([{ name: "a.i2p", kept, claims }])
    await conflicts.decide("a.i2p")
    expect(await conflicts.list()).toEqual([])
    expect(await read(eve.line("a.i2p"))).toMatchObject({ same: 1, conflicts: 0 })
    expect(await conflicts.list()).toEqual([])
    expect(await read(move(DATE, bob, eve))).toMatchObject({ changed: 1, conflicts: 1 })
    expect(await conflicts.list()).toMatchObject([{ name: "a.i2p", kept }])
  })

  it("notes no conflict for a line that agrees with what is pinned, though another feed was first", async () => {
    const { read, conflicts, pinned } = await openBook()
    await read(ann.line("a.i2p"))
    await pinned.add("a.i2p", bob.dest)
    await read(bob.line("a.i2p"))
    expect(await conflicts.list()).toMatchObject([
      { kept: { address: bob.dest, from: "pinned" }, claims: [{ address: ann.dest }] },
    ])
  })

  it("moves a name when both destinations sign, and remembers where it led", async () => {
    const { read, leads, conflicts } = await openBook()
    await read(ann.line("a.i2p"))
    expect(await read(move(DATE))).toMatchObject({ changed: 1, conflicts: 0 })
    expect(await leads("a.i2p")).toBe(bob.dest)
    expect(await read(move(DATE), ann.line("a.i2p"))).toMatchObject({ same: 2, conflicts: 0 })
    expect(await conflicts.list()).toEqual([])
  })

  it("B13: refuses an old change that is played again", async () => {
    const { read, leads } = await openBook()
    await read(`a.i2p=${ann.dest}`, move(DATE), move(DATE + 1, ann, bob))
    expect(await leads("a.i2p")).toBe(ann.dest)
    await read(move(DATE))
    expect(await leads("a.i2p")).toBe(ann.dest)
    await read(bob.line("a.i2p", { action: "changedest" }, ann)) // without a date, to a place it was at
    expect(await leads("a.i2p")).toBe(ann.dest)
    await read(move(DATE + 2))
    expect(await leads("a.i2p")).toBe(bob.dest)
  })

  it.each([
    ["a bad signature", `${move(DATE).slice(0, -6)}AAAA==`, { rejected: 1 }],
    ["a bad old signature", move(DATE).replace(/oldsig=..../, "oldsig=AAAA"), { rejected: 1 }],
    ["the old signature of another", move(DATE, bob, eve), { conflicts: 1 }],
    ["no signature", `a.i2p=${bob.dest}#!action=changedest#olddest=${ann.dest}`, { rejected: 1 }],
    ["a date of next year", move(NOW_MS / 1_000 + 40_000_000), { rejected: 1 }],
    ["a date that is none", move(Number.NaN), { rejected: 1 }],
    [
      "an end that is over",
      bob.line("a.i2p", { action: "changedest", expires: "9" }, ann),
      { rejected: 1 },
    ],
    ["an action nobody knows", bob.line("a.i2p", { action: "steal" }), { rejected: 0 }],
  ])("B13: does not move a name by a record with %s", async (_, line, counts) => {
    const { read, leads } = await openBook()
    await read(ann.line("a.i2p"))
    expect(await read(line)).toMatchObject({ changed: 0, ...counts })
    expect(await leads("a.i2p")).toBe(ann.dest)
  })

  it("B13: does not move a name away from a DSA destination: its signature cannot be checked", async () => {
    const { read, leads, conflicts } = await openBook()
    await read(`a.i2p=${dsa}`)
    const fields = { action: "adddest", date: `${DATE}`, olddest: dsa, oldsig: "AAAA" }
    expect(await read(bob.line("a.i2p", fields))).toMatchObject({ conflicts: 1 })
    expect(await leads("a.i2p")).toBe(dsa)
    expect((await conflicts.list())[0]?.claims[0]?.reason).toContain("cannot be checked")
  })

  it("reads changes in any order, and a change of a name it does not know", async () => {
    const { read, leads } = await openBook()
    const lines = [move(DATE + 1, eve, bob), move(DATE), `a.i2p=${ann.dest}`]
    expect(await read(...lines)).toMatchObject({ conflicts: 0, rejected: 0 })
    expect(await leads("a.i2p")).toBe(eve.dest)
    const other = await openBook()
    await other.read(`a.i2p=${ann.dest}`, ...lines)
    expect(await other.leads("a.i2p")).toBe(eve.dest)
  })

  it("renames and takes back names only for their owner, and for good", async () => {
    const { read, leads, names } = await openBook()
    await read(ann.line("a.i2p"), ann.line("c.i2p"), bob.line("b.i2p"))
    const rename = { action: "changename", oldname: "a.i2p", date: `${DATE}` }
    expect(await read(eve.line("new.i2p", rename))).toMatchObject({ rejected: 1 })
    expect(await read(ann.line("new.i2p", rename))).toMatchObject({ changed: 1 })
    expect(await leads("a.i2p")).toBeUndefined()
    expect(await leads("new.i2p")).toBe(ann.dest)
    await read(ann.line("a.i2p"))
    expect(await leads("a.i2p")).toBeUndefined()

    const all = (owner: typeof ann, action = "removeall") =>
      owner.line("", { action, name: "b.i2p", dest: owner.dest, date: `${DATE + 5}` })
    expect(await read(all(eve), all(eve, "remove"))).toMatchObject({ removed: 0 })
    expect(await read(all(bob, "remove"), all(ann))).toMatchObject({ removed: 2 })
    for (const name of ["b.i2p", "c.i2p", "new.i2p"]) expect(await leads(name)).toBeUndefined()
    expect(await names.countOf(FEED)).toBe(0)
    await read(`b.i2p=${eve.dest}`) // the name is free
    expect(await leads("b.i2p")).toBe(eve.dest)
  })

  it("takes a subdomain that its name above has signed, and an alias of the same destination", async () => {
    const { read, leads } = await openBook()
    await read(ann.line("a.i2p"))
    const below = { action: "addsubdomain", oldname: "a.i2p" }
    expect(await read(bob.line("x.a.i2p", below, eve))).toMatchObject({ rejected: 1 })
    expect(await read(bob.line("x.b.i2p", below, ann))).toMatchObject({ rejected: 1 })
    expect(await read(bob.line("x.a.i2p", below, ann))).toMatchObject({ added: 1 })
    const alias = { action: "addname", oldname: "a.i2p" }
    expect(await read(eve.line("y.i2p", alias))).toMatchObject({ rejected: 1 })
    expect(await read(ann.line("y.i2p", alias))).toMatchObject({ added: 1 })
    expect(await leads("x.a.i2p")).toBe(bob.dest)
  })

  it("forgets what a feed told, and nothing else", async () => {
    const { read, names, leads, disk } = await openBook()
    await read(`a.i2p=${ann.dest}`)
    await names.apply("http://other.i2p/", `b.i2p=${ann.dest}`, NOW_MS)
    await names.forget(FEED)
    expect([await leads("a.i2p"), await leads("b.i2p")]).toEqual([undefined, ann.dest])
    const again = await openBook(disk)
    expect(await again.leads("a.i2p")).toBeUndefined()
    await again.names.forget("http://other.i2p/")
    expect([...disk.values.keys()]).toEqual([])
  })
})

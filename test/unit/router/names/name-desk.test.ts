import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openConflicts } from "../../../../src/router/names/conflicts.ts"
import { NameDesk } from "../../../../src/router/names/name-desk.ts"
import { openOwnNames } from "../../../../src/router/names.ts"
import { openResolver } from "../../../../src/router/resolver.ts"
import { encodeBase64, formatAddress, parseDestination } from "../../../../src/sam/index.ts"
import { FakeClock } from "../../../support/fake-clock.ts"
import { FakeWorld } from "../../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../../support/memory-store.ts"

/** Destinations that differ in one byte. */
const destination = (number: number) => encodeBase64(new Uint8Array(387).fill(number, 0, 1))
const b32 = (number: number) => parseDestination(destination(number)).b32
/** Of an encrypted LeaseSet: 56 characters. */
const B33 = formatAddress({
  ...{ kind: "blinded", publicKey: new Uint8Array(32).fill(7), signatureType: 7 },
  ...{ blindedSignatureType: 11, secretRequired: false, clientKeyRequired: false },
})

async function openDesk(disk = new MemoryDisk()) {
  const store = new MemoryLife(disk, new FakeWorld(), () => {}).room("/")
  const clock = new FakeClock()
  const petnames = await openOwnNames(store, "petname", clock.now.bind(clock))
  const pinned = await openOwnNames(store, "pinned", clock.now.bind(clock))
  const lists = [petnames, pinned]
  const bridge = () => Promise.reject(new Error("nobody asks the router here"))
  const { signal } = new AbortController()
  const resolver = openResolver({ layers: lists, bridge, clock, signal })
  const conflicts = await openConflicts(store)
  const now = () => clock.now()
  const desk = new NameDesk({ petnames, pinned, conflicts, resolver, lists, now })
  return { desk, petnames, pinned, resolver, disk }
}

describe("NameDesk", () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-names-"))
  })
  afterAll(() => rm(folder, { recursive: true }))

  const write = async (name: string, text: string) => {
    await writeFile(join(folder, name), text)
    return join(folder, name)
  }

  it("imports hosts.txt: new, same, conflict and bad lines are told apart, with line numbers", async () => {
    const { desk, resolver } = await openDesk()
    await desk.pin("old.i2p", b32(1))
    await desk.pin("other.i2p", b32(2))
    const file = await write(
      "mixed.txt",
      [
        "# a comment",
        `new.i2p=${destination(3)}#!date=1#sig=x`,
        `old.i2p=${destination(1)}`,
        `other.i2p=${destination(3)}`,
        "short.i2p=AAAA",
        `UPPER.i2p=${destination(4)}`,
        `proxy.i2p=${destination(4)}`,
        `new.i2p=${destination(5)}`,
        "nothing",
      ].join("\r\n"),
    )
    const told = await desk.import(file, { dryRun: true })
    expect(told).toMatchObject({ added: 2, same: 1, conflicts: 2, bad: 3 })
    expect(told.conflictNames).toEqual(["other.i2p", "new.i2p"])
    expect(told.badLines.map(({ line }) => line)).toEqual([5, 7, 9])
    expect(await resolver.known("new.i2p")).toBeUndefined()

    expect(await desk.import(file, { dryRun: false })).toEqual({ ...told, dryRun: false })
    expect(await resolver.known("new.i2p")).toMatchObject({ address: destination(3) })
    expect(await resolver.known("upper.i2p")).toMatchObject({ source: "pinned" })
    expect(await resolver.known("other.i2p")).toMatchObject({ address: b32(2) })
    expect(await desk.conflicts()).toMatchObject([
      {
        name: "other.i2p",
        kept: { address: b32(2), from: "pinned" },
        claims: [{ from: "import" }],
      },
    ])
  })

  it("imports the folder of i2pd, b33 too, and what Java I2P calls its files, the user's own first", async () => {
    const { desk, resolver } = await openDesk()
    await write(
      "addresses.csv",
      `a.i2p,${b32(1).slice(0, 52)}\nbad.i2p,abc\nx\nb.i2p,${B33.slice(0, 56)}\n`,
    )
    await write("privatehosts.txt", `a.i2p=${destination(2)}\n`)
    const told = await desk.import(folder, { dryRun: false })
    expect(told).toMatchObject({ added: 2, conflicts: 1, bad: 2 })
    expect(await resolver.known("a.i2p")).toMatchObject({ address: destination(2) })
    expect(await resolver.known("b.i2p")).toMatchObject({ address: B33 })
    const slip = B33.replace(/.\.b32/, (end) => (end === "a.b32" ? "b.b32" : "a.b32"))
    await expect(desk.pin("c.i2p", slip)).rejects.toMatchObject({ code: "BAD_NAME" })
  })

  it.each([["no such file"], ["a/b"]])("says so when there is %s", async (name) => {
    const { desk } = await openDesk()
    await expect(desk.import(join(folder, name), { dryRun: false })).rejects.toMatchObject({
      code: "NOT_FOUND",
    })
  })

  it("exports what it can import again, for the owner alone, and never over a file", async () => {
    const { desk, petnames } = await openDesk()
    await desk.pin("b.i2p", destination(1))
    await desk.pin("a.i2p", b32(2))
    await petnames.add("private.i2p", destination(3))
    const csv = join(folder, "out.csv")
    expect(await desk.export(csv, { petnames: false })).toEqual({ written: 2, left: 0 })
    expect(await readFile(csv, "utf8")).toBe(
      `a.i2p,${b32(2).slice(0, 52)}\nb.i2p,${b32(1).slice(0, 52)}\n`,
    )
    expect((await stat(csv)).mode & 0o777).toBe(0o600)
    const text = join(folder, "out.txt")
    expect(await desk.export(text, { petnames: true })).toEqual({ written: 2, left: 1 })
    await expect(desk.export(text, { petnames: true })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    })
    const other = await openDesk()
    expect(await other.desk.import(text, { dryRun: false })).toMatchObject({ added: 2, bad: 0 })
  })

  it("lets the user decide a conflict, and only the user", async () => {
    const { desk, resolver } = await openDesk()
    await desk.pin("forum.i2p", b32(1))
    const file = await write("other.txt", `forum.i2p=${destination(2)}`)
    await desk.import(file, { dryRun: false })
    await desk.choose("forum.i2p", destination(2))
    expect(await desk.conflicts()).toEqual([])
    expect(await resolver.known("forum.i2p")).toMatchObject({ address: destination(2) })
  })

  it("does not tell of a claim again that was decided, until the user's name is gone", async () => {
    const { desk } = await openDesk()
    await desk.pin("forum.i2p", b32(1))
    const file = await write("again.txt", `forum.i2p=${destination(2)}`)
    await desk.import(file, { dryRun: false })
    await desk.choose("forum.i2p", b32(1))
    await desk.import(file, { dryRun: false })
    expect(await desk.conflicts()).toEqual([])
    await desk.remove("Forum.i2p")
    await desk.pin("forum.i2p", b32(1))
    await desk.import(file, { dryRun: false })
    expect(await desk.conflicts()).toHaveLength(1)
  })

  it("believes petnames before pinned names, and shows both for an address, in any spelling", async () => {
    const { desk, petnames, resolver } = await openDesk()
    await desk.pin("site.i2p", b32(1))
    await petnames.add("site.i2p", b32(2))
    await petnames.add("mine", b32(1).toUpperCase())
    expect(await resolver.known("SITE.i2p.alt")).toMatchObject({ source: "petname" })
    expect((await desk.namesOf(destination(1))).map(({ name }) => name)).toEqual([
      "mine",
      "site.i2p",
    ])
    await desk.remove("site.i2p")
    expect(await resolver.known("site.i2p")).toMatchObject({ source: "pinned" })
  })

  it("keeps names over restarts, and refuses a name twice", async () => {
    const { desk, disk } = await openDesk()
    await desk.pin("site.i2p", b32(1))
    const again = await openDesk(disk)
    await expect(again.desk.pin("Site.i2p", b32(2))).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    })
  })
})

import { beforeEach, describe, expect, it } from "vitest"
import { silentLog } from "../../../src/base/log.ts"
import { systemRandom } from "../../../src/base/random.ts"
import { Scope } from "../../../src/base/scope.ts"
import type { Identity, IdentityBook } from "../../../src/identity/identity.ts"
import { type BackupDesk, openBackupDesk } from "../../../src/router/backup-desk.ts"
import { blobPlace, openBackup } from "../../../src/router/backup-format.ts"
import type { BackupMail } from "../../../src/router/backup-mail.ts"
import type { BackupPart } from "../../../src/router/plugin.ts"
import type { Store } from "../../../src/store/store.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"
import vectors from "../../vectors/identity/identities.json" with { type: "json" }
import { openHome } from "../identity/home.ts"

const { key, b32: address } = vectors.identities[1]!
const tower = { key, address }
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

/** A tower that keeps blobs, and can be away. */
class FakeTower {
  readonly blobs = new Map<string, Uint8Array>()
  isAway = false
  putCount = 0

  mail(used: readonly (typeof tower)[]): BackupMail {
    const reached = <T>(deed: () => T) =>
      this.isAway ? Promise.reject(new Error("away")) : Promise.resolve(deed())
    return {
      towers: () => used,
      reach: () => "reachable",
      keep: async () => ({
        correspondents: [],
        towers: { towers: [], queues: [] },
        reach: "reachable",
      }),
      bring: async () => {},
      getBlob: (_, id) => reached(() => this.blobs.get(hexOf(id))),
      putBlob: (_, __, { id, bytes }) =>
        reached(() => {
          this.putCount++
          this.blobs.set(hexOf(id), bytes)
        }),
    }
  }
}

let clock: FakeClock
let there: FakeTower
beforeEach(() => {
  clock = new FakeClock(1_767_225_600_000)
  there = new FakeTower()
})

interface Machine {
  readonly identity: Identity
  readonly identities: IdentityBook
  readonly desk: BackupDesk
  readonly store: Store
  readonly changed: string[]
}

async function openMachine(words?: string): Promise<Machine> {
  const { book: identities, store } = await openHome()
  if (words === undefined) await identities.create("ann")
  else await identities.restore(words, ["again"])
  const changed: string[] = []
  const desk = await openBackupDesk({
    identities,
    mail: there.mail([tower]),
    contactChanged: (_, contactKey) => changed.push(contactKey),
    store: store.room("backups"),
    clock,
    chance: () => 0,
    random: systemRandom,
    log: silentLog,
  })
  return { identity: identities.find(), identities, desk, store, changed }
}
const bob = { key, address, name: "bob" }
const call = { signal: new AbortController().signal }
/** Lets time pass, with turns for what reads the store in between. */
const pass = async (ms: number) => {
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setTimeout(resolve, 2))
  await clock.pass(ms)
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setTimeout(resolve, 2))
  await settle()
}

describe("BackupDesk", () => {
  it("writes once for a swarm of changes, and nothing when nothing changed", async () => {
    const { desk, identity, identities } = await openMachine()
    desk.keep(identity)
    await pass(30_000)
    expect(there.putCount).toBe(1)
    await identities.contacts(identity).request(bob)
    for (let times = 0; times < 5; times++) desk.changed(identity)
    await pass(30_000)
    expect(there.putCount).toBe(2)
    desk.changed(identity)
    await pass(60_000)
    expect(there.putCount).toBe(2)
    await desk[Symbol.asyncDispose]()
  })

  it("writes once a day though nothing changed, and tries a tower that is away again", async () => {
    const { desk, identity } = await openMachine()
    there.isAway = true
    desk.keep(identity)
    await pass(30_000)
    expect(there.putCount).toBe(0)
    there.isAway = false
    await pass(30_000)
    expect(there.putCount).toBe(1)
    await pass(86_400_000)
    expect(there.putCount).toBe(2)
    await desk[Symbol.asyncDispose]()
  })

  it("takes up what an earlier machine left at the tower before it writes there", async () => {
    const old = await openMachine()
    await old.identities.contacts(old.identity).request(bob)
    await old.desk.write(old.identity, call)
    const fresh = await openMachine(old.identities.phrase())
    await fresh.desk.write(fresh.identity, call)
    expect(fresh.identities.contacts(fresh.identity).find("bob").state).toBe("requested")
    expect(fresh.changed).toEqual([key])
    const { id } = blobPlace(fresh.identity, key)
    const written = openBackup(fresh.identity, there.blobs.get(hexOf(id))!)
    expect(written).toMatchObject({ revision: 2 + 0, contacts: [{ name: "bob" }] })
  })

  it("keeps blocked contacts blocked, and accepted ones accepted", async () => {
    const old = await openMachine()
    const oldBook = old.identities.contacts(old.identity)
    await oldBook.receiveRequest(bob)
    const asking = await old.desk.make(old.identity)
    await oldBook.block("bob")
    const blocked = await old.desk.make(old.identity)
    const fresh = await openMachine(old.identities.phrase())
    const book = fresh.identities.contacts(fresh.identity)
    await book.request(bob)
    await book.receiveAccept(bob)
    await fresh.desk.load(fresh.identity, asking)
    expect(book.find("bob").state).toBe("accepted")
    await fresh.desk.load(fresh.identity, blocked)
    expect(book.find("bob").state).toBe("blocked")
    await fresh.desk.load(fresh.identity, asking) // an old one, found late
    expect(book.find("bob").state).toBe("blocked")
  })

  it("refuses a backup of other words, and one that is damaged", async () => {
    const { desk, identity } = await openMachine()
    const other = await openMachine()
    const sealed = await other.desk.make(other.identity)
    await expect(desk.load(identity, sealed)).rejects.toMatchObject({ code: "BAD_BACKUP" })
    await expect(desk.load(identity, new Uint8Array())).rejects.toMatchObject({
      code: "BAD_BACKUP",
    })
  })

  it("says NO_TOWER when there is none", async () => {
    const { identities, store } = await openMachine()
    const mail = there.mail([])
    const tools = { clock, chance: () => 0, random: systemRandom, log: silentLog }
    const desk = await openBackupDesk({ identities, mail, contactChanged() {}, store, ...tools })
    await expect(desk.write(identities.find(), call)).rejects.toMatchObject({ code: "NO_TOWER" })
  })
})

describe("parts of plugins", () => {
  const part = (text: string, loaded: string[], fails = false): BackupPart => ({
    save: async () => Buffer.from(text),
    load: async (_, bytes) => {
      if (fails) throw new Error("not now")
      loaded.push(Buffer.from(bytes).toString())
    },
  })

  it("come back to their plugin, also when it starts later", async () => {
    const old = await openMachine()
    old.desk.part("early", part("one", []), new Scope())
    old.desk.part("late", part("two", []), new Scope())
    const sealed = await old.desk.make(old.identity)
    const fresh = await openMachine(old.identities.phrase())
    const loaded: string[] = []
    fresh.desk.part("early", part("", loaded), new Scope())
    await fresh.desk.load(fresh.identity, sealed)
    expect(loaded).toEqual(["one"])
    const between = openBackup(fresh.identity, await fresh.desk.make(fresh.identity)).parts
    expect(Buffer.from(between.late!).toString()).toBe("two")
    fresh.desk.part("late", part("", loaded), new Scope())
    await pass(0)
    expect(loaded).toEqual(["one", "two"])
  })

  it("stay in backups when a plugin cannot load or save them", async () => {
    const old = await openMachine()
    old.desk.part("weak", part("precious", []), new Scope())
    const sealed = await old.desk.make(old.identity)
    const fresh = await openMachine(old.identities.phrase())
    fresh.desk.part("weak", part("empty", [], true), new Scope())
    fresh.desk.part(
      "huge",
      { ...part("", []), save: async () => new Uint8Array(1_048_577) },
      new Scope(),
    )
    await fresh.desk.load(fresh.identity, sealed)
    const { parts } = openBackup(fresh.identity, await fresh.desk.make(fresh.identity))
    expect(Object.keys(parts)).toEqual(["weak"])
    expect(Buffer.from(parts.weak!).toString()).toBe("precious")
  })
})

import { describe, expect, it } from "vitest"
import { systemClock } from "../../../src/base/clock.ts"
import { silentLog } from "../../../src/base/log.ts"
import { systemRandom } from "../../../src/base/random.ts"
import { previewIdentities } from "../../../src/identity/book.ts"
import type { BackupDesk } from "../../../src/router/backup-desk.ts"
import {
  type Backup,
  blobPlace,
  openBackup,
  sealBackup,
} from "../../../src/router/backup-format.ts"
import type { Keepsake } from "../../../src/router/keepsake.ts"
import type { StrangerListener } from "../../../src/router/links.ts"
import { openRestoreDesk } from "../../../src/router/restore-desk.ts"
import type { SessionOwner } from "../../../src/router/sessions.ts"
import { until } from "../../support/fake-people.ts"
import vectors from "../../vectors/identity/identities.json" with { type: "json" }
import { openHome } from "../identity/home.ts"

const { phrase: words } = vectors
const tower = { key: vectors.identities[1]!.key, address: vectors.identities[1]!.b32 }
const stranger = tower
const other = { key: vectors.identities[0]!.key, address: vectors.identities[0]!.b32 }
const keepsake: Keepsake = {
  madeMs: 1_000,
  key: stranger.key,
  name: "bob",
  address: stranger.address,
  verified: true,
  since: 5,
  towers: [tower],
}
const empty = {
  revision: 1,
  madeMs: 2_000,
  name: "ann",
  reach: "reachable",
  contacts: [],
  doors: { plain: true, doors: [] },
  correspondents: [],
  towers: { towers: [], queues: [] },
  parts: {},
  siblings: [
    { name: "ann", index: 0, reach: "reachable", towers: [tower] },
    { name: "work", index: 1, reach: "pull-only", towers: [other] },
  ],
} satisfies Backup
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

async function openMachine(kept: Keepsake | undefined) {
  const { book: identities, store } = await openHome()
  const blobs = new Map<string, Uint8Array>()
  const loaded: Backup[] = []
  const steps: string[] = []
  let hear!: StrangerListener
  const desk = await openRestoreDesk({
    identities,
    links: {
      onStranger: (listener) => {
        hear = listener
        return () => {}
      },
      contactChanged() {},
      welcome: () => ({ [Symbol.asyncDispose]: async () => {} }),
    },
    sessions: { open: ({ name }: SessionOwner) => void steps.push(name) } as never,
    backups: {
      load: async (identity, sealed) => {
        const backup = openBackup(identity, sealed)
        loaded.push(backup)
        await identities.contacts(identity).bring(backup.contacts)
        return backup
      },
    } as Pick<BackupDesk, "load"> as BackupDesk,
    keepsakes: { ask: async () => kept } as never,
    mail: { getBlob: async (_, id) => blobs.get(hexOf(id)) },
    onPost: async () => {},
    onNew: async ({ name }) => void steps.push(`opened ${name}`),
    bringReach: async ({ name }, reach) => void steps.push(`${name} is ${reach}`),
    emit() {},
    store: store.room("restore"),
    clock: systemClock,
    chance: () => 0,
    log: silentLog,
  })
  const leave = (backup: Backup, at = identities.find(), where = tower) =>
    blobs.set(hexOf(blobPlace(at, where.key).id), sealBackup(at, backup, systemRandom))
  return {
    identities,
    desk,
    blobs,
    loaded,
    steps,
    leave,
    link: () => hear(identities.find(), { ...stranger, open: () => expect.fail() }),
  }
}
const call = { signal: new AbortController().signal }

describe("RestoreDesk", () => {
  it("makes one identity from the words alone, and looks for the rest", async () => {
    const { desk, identities } = await openMachine(undefined)
    await desk.restore({ words }, call)
    expect(identities.list().map(({ name, key }) => [name, key])).toEqual([
      ["me", vectors.identities[0]!.key],
    ])
    expect(desk.state(identities.find())).toBe("looking")
  })

  it("asks who links to it, and follows the keepsake to the backup", async () => {
    const { desk, identities, leave, link, loaded } = await openMachine(keepsake)
    await desk.restore({ words }, call)
    const bob = { key: stranger.key, address: stranger.address, name: "bob" }
    const known = { ...bob, state: "accepted", verified: true, greeting: "", since: 5 } as const
    leave({ ...empty, contacts: [known] })
    link()
    await until(() => desk.state(identities.find()) === "found" || undefined)
    await until(() => identities.list().length === 2 || undefined)
    expect(identities.contacts(identities.find()).find("bob")).toMatchObject({ verified: true })
    expect(identities.list()[1]).toMatchObject({ name: "work" })
    expect(loaded).toHaveLength(1)
  })

  it("opens the other identities as they were, and asks their own towers", async () => {
    const { desk, identities, leave, link, blobs, steps } = await openMachine(keepsake)
    await desk.restore({ words }, call)
    leave(empty)
    const work = (await previewIdentities(words))(1)
    const left = { ...empty, name: "work", revision: 4 }
    blobs.set(hexOf(blobPlace(work, other.key).id), sealBackup(work, left, systemRandom))
    link()
    await until(() => identities.list().length === 2 || undefined)
    await until(() => desk.state(identities.find("work")) === "found" || undefined)
    expect(steps).toEqual(["opened me", "homecoming of me", "work is pull-only", "opened work"])
  })

  it("does not revive who was removed before the loss", async () => {
    const { desk, identities, leave, link } = await openMachine(keepsake)
    await desk.restore({ words }, call)
    leave(empty)
    link()
    await until(() => desk.state(identities.find()) === "found" || undefined)
    expect(identities.contacts(identities.find()).list()).toEqual([])
    link()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(identities.contacts(identities.find()).list()).toEqual([])
  })

  it("keeps who came after the newest backup", async () => {
    const { desk, identities, leave, link } = await openMachine({ ...keepsake, madeMs: 3_000 })
    await desk.restore({ words }, call)
    leave(empty)
    link()
    await until(() => desk.state(identities.find()) === "found" || undefined)
    expect(identities.contacts(identities.find()).find("bob").state).toBe("accepted")
  })

  it("takes the newest of several backups", async () => {
    const { desk, leave, link, loaded, identities } = await openMachine({
      ...keepsake,
      towers: [tower, other],
    })
    await desk.restore({ words }, call)
    leave({ ...empty, revision: 7 })
    leave({ ...empty, revision: 9 }, identities.find(), other)
    link()
    await until(() => desk.state(identities.find()) === "found" || undefined)
    expect(loaded.map(({ revision }) => revision)).toEqual([9])
  })

  it("asks nobody when nothing was restored", async () => {
    const { identities, link } = await openMachine(keepsake)
    await identities.create("new")
    link()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(identities.contacts(identities.find()).list()).toEqual([])
  })

  it("finds every identity at a tower it is told of, with gaps", async () => {
    const old = await openMachine(undefined)
    await old.desk.restore({ words, names: ["a", "b", "c"] }, call)
    const [first, , third] = old.identities.list()
    const fresh = await openMachine(undefined)
    fresh.leave({ ...empty, name: "ann", siblings: [] }, first)
    fresh.leave({ ...empty, name: "club", siblings: [] }, third)
    await fresh.desk.restore({ words, tower }, call)
    const found = fresh.identities.list()
    expect(found.map(({ name }) => name)).toEqual(["ann", "me", "club"])
    expect(found.map(fresh.desk.state.bind(fresh.desk))).toEqual(["found", "looking", "found"])
  })

  it("takes a file that is found late, for identities that were restored without it", async () => {
    const old = await openMachine(undefined)
    await old.desk.restore({ words }, call)
    const bob = { key: stranger.key, address: stranger.address, name: "bob" }
    const known = { ...bob, state: "accepted", verified: true, greeting: "", since: 5 } as const
    const file = sealBackup(old.identities.find(), { ...empty, contacts: [known] }, systemRandom)
    const fresh = await openMachine(undefined)
    await fresh.desk.restore({ words }, call)
    await expect(fresh.desk.restore({ words }, call)).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    })
    await fresh.desk.restore({ words, file }, call)
    expect(fresh.identities.list().map(({ name }) => name)).toEqual(["me", "work"])
    expect(fresh.identities.contacts(fresh.identities.find()).find("bob").verified).toBe(true)
  })

  it("does not touch identities of other words", async () => {
    const old = await openMachine(undefined)
    await old.desk.restore({ words }, call)
    const file = sealBackup(old.identities.find(), empty, systemRandom)
    const fresh = await openMachine(undefined)
    await fresh.identities.create("mine")
    await expect(fresh.desk.restore({ words, file }, call)).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    })
    expect(fresh.desk.state(fresh.identities.find())).toBeUndefined()
  })

  it("takes a file, or refuses one that other words wrote, before anything is made", async () => {
    const old = await openMachine(undefined)
    await old.identities.create("stranger")
    const foreign = sealBackup(old.identities.find(), empty, systemRandom)
    const fresh = await openMachine(undefined)
    await expect(fresh.desk.restore({ words, file: foreign }, call)).rejects.toMatchObject({
      code: "BAD_BACKUP",
    })
    expect(fresh.identities.list()).toEqual([])
  })
})

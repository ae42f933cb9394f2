import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { z } from "zod"
import { systemClock } from "../../../src/base/clock.ts"
import { silentLog } from "../../../src/base/log.ts"
import { packValue } from "../../../src/base/pack.ts"
import { systemRandom } from "../../../src/base/random.ts"
import { openIdentityBook } from "../../../src/identity/book.ts"
import { keyHash } from "../../../src/identity/card.ts"
import type { Identity } from "../../../src/identity/identity.ts"
import { makeRotation, readRotations } from "../../../src/identity/rotation.ts"
import type { Pair } from "../../../src/router/links.ts"
import type { LetterReport } from "../../../src/router/plugin.ts"
import { RotationDesk } from "../../../src/router/rotation-desk.ts"
import { befriend, FakePeople, type Person } from "../../support/fake-people.ts"
import { FakeWorld } from "../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../support/memory-store.ts"
import vectors from "../../vectors/identity/identities.json" with { type: "json" }
import { freshFolder, KEY } from "../store/store-folder.ts"

const FRIENDS = vectors.identities.slice(0, 2)

/** One life of a router whose contacts are away: what it writes to them lies in an outbox. */
async function live(disk: MemoryDisk, folder: string, onCrash: () => void = () => {}) {
  const life = new MemoryLife(disk, new FakeWorld(), onCrash)
  const store = life.room("/")
  const identities = await openIdentityBook({
    ...{ store: store.room("identity"), folder: join(folder, "keys"), masterKey: KEY },
    ...{ clock: systemClock, random: systemRandom },
  })
  const outbox = store.journal("outbox", z.string())
  let report: (report: LetterReport) => Promise<unknown> = async () => undefined
  let meet: (pair: Pair) => void = () => {}
  const told: string[] = []
  const desk = new RotationDesk({
    onTold: () => {},
    identities,
    links: {
      onReachable: (listener) => {
        meet = listener
        return () => {}
      },
      onRotated: () => () => {},
      rotated: () => {},
    },
    letters: {
      send: ({ contact }, { name }, also = []) =>
        store.commit([outbox.append(`${contact.name}: ${name}`), ...also]),
      onReport: (handler) => {
        report = handler
      },
    },
    exchange: async (_, { key }) => {
      told.push(key)
      return { kind: "noted", card: "" }
    },
    changed: () => {},
    emit: () => {},
    store: store.room("contacts"),
    log: silentLog,
  })
  const written = async () => {
    const list: string[] = []
    for await (const [, letter] of outbox.read()) list.push(letter)
    return list.sort()
  }
  return {
    ...{ identities, desk, written, told, life },
    report: (one: LetterReport) => report(one),
    meet: (pair: Pair) => meet(pair),
  }
}

async function befriended(disk: MemoryDisk, folder: string): Promise<void> {
  const { identities } = await live(disk, folder)
  const book = identities.contacts(await identities.create("me"))
  for (const [index, { key, b32: address }] of FRIENDS.entries()) {
    await book.receiveRequest({ key, address, name: `friend ${index}` })
    await book.accept(key)
  }
}

describe("telling of our rotation", () => {
  const both = (version: number) =>
    FRIENDS.map((_, index) => `friend ${index}: rotation ${version}`)

  it("writes to every contact once, whenever the plug is pulled", async () => {
    for (let commit = 1; ; commit++)
      for (const moment of ["before", "after"] as const) {
        const [disk, folder] = [new MemoryDisk(), await freshFolder()]
        await befriended(disk, folder)
        disk.crashAt = { commit: disk.commitCount + commit, moment }
        let isOver = false
        await new Promise<void>((resolve) => {
          void live(disk, folder, resolve).then(async ({ identities, desk }) => {
            await desk.open()
            await desk.rotate(identities.find())
            isOver = true
            resolve()
          })
        })
        disk.crashAt = undefined
        const { identities, desk, written } = await live(disk, folder)
        await desk.open()
        const { version } = identities.find().present
        expect(version).toBe(commit === 1 && moment === "before" ? 0 : 1)
        expect(await written()).toEqual(version === 0 ? [] : both(1))
        if (isOver && moment === "after") return expect(commit).toBe(4)
      }
  })

  it("ends with whoever has the letter, and tells over each link that comes up", async () => {
    const [disk, folder] = [new MemoryDisk(), await freshFolder()]
    await befriended(disk, folder)
    const { identities, desk, report, meet, told } = await live(disk, folder)
    await desk.open()
    const identity = identities.find()
    const book = identities.contacts(identity)
    const [one, other] = book.list()
    meet({ identity, contact: one! })
    await desk.rotate(identity)
    const state = { kind: "delivered" } as const
    await report({ identity, contact: one!, name: "rotation 1", state })
    expect([one, other].map((contact) => book.told(contact!.key))).toEqual([1, 0])
    meet({ identity, contact: other! })
    await expect.poll(() => book.told(other!.key)).toBe(1)
    expect(told).toEqual([other!.key])
  })
})

describe("hearing of a contact's rotation", () => {
  let people: FakePeople
  let ann: Person
  let bob: Person
  beforeEach(async () => {
    people = new FakePeople()
    ;[ann, bob] = [await people.join("ann"), await people.join("bob")]
    await befriend([bob, "ann"], [ann, "bob"])
  })
  afterEach(async () => {
    await Promise.all([ann, bob].map(({ desk }) => desk[Symbol.asyncDispose]()))
  })

  const letterOf = (rotations: Uint8Array) => packValue({ v: 1, kind: "rotation", rotations })
  const stolenBy = ({ keysAt }: Identity) => ({
    publicKey: keysAt(5).publicKey,
    sign: keysAt(5).sign,
  })
  const present = () => bob.contacts.find("ann").presentKey

  it("changes the key, says so once, and never calls it verified", async () => {
    await bob.contacts.verify("ann")
    await ann.desk.rotate(ann.identity)
    expect(present()).toBe(ann.identity.present.key)
    await bob.deliver(ann, letterOf(ann.identity.rotations()))
    const rotated = bob.events.filter(({ event }) => event === "contact.rotated")
    expect(rotated).toEqual([
      { event: "contact.rotated", identity: "bob", contact: "ann", wasVerified: true },
    ])
    expect(bob.contacts.find("ann")).toMatchObject({ verified: false, wasVerified: true })
  })

  it.each<[string, () => Uint8Array]>([
    [
      "by a thief of the key, to a key of his own",
      () => makeRotation(ann.identity, stolenBy(ann.identity), keyHash(ann.identity.publicKey)),
    ],
    ["by somebody else", () => makeRotation(bob.identity, bob.identity.keysAt(1), "A".repeat(43))],
    ["with one bit changed", () => ann.identity.rotations().map((byte, at) => byte ^ +(at === 99))],
    ["of no bytes", () => new Uint8Array(0)],
  ])("refuses one %s", async (_, forge) => {
    await ann.identities.rotate(ann.identity)
    await expect(bob.deliver(ann, letterOf(forge()))).rejects.toMatchObject({ code: "BAD_RECORD" })
    expect(present()).toBeUndefined()
    expect(readRotations(ann.identity.rotations())).toHaveLength(1)
  })
})

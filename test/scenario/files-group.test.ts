import { randomBytes } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { bootOfMachine } from "../../plugins/files/boot.ts"
import { machineDisk } from "../../plugins/files/disk/disk.ts"
import { makeFiles } from "../../plugins/files/index.ts"
import { messages } from "../../plugins/messages/index.ts"
import {
  type MailRouter,
  type MailWorld,
  makeContacts,
  openMailWorld,
} from "../support/mail-routers.ts"

interface Transfer {
  readonly id: string
  readonly state: string
  readonly group?: string
  readonly path?: string
  readonly members?: readonly { contact: string; state: string; reason?: string }[]
}
type Group = { members: unknown[] }[]

describe("a file to a group", () => {
  let world: MailWorld
  let a: MailRouter
  let b: MailRouter
  let c: MailRouter

  beforeAll(async () => {
    world = await openMailWorld()
    ;[a, b, c] = [world.router("a"), world.router("b"), world.router("c")]
    const files = makeFiles({ disk: machineDisk, boot: bootOfMachine })
    for (const one of [a, b, c]) one.plugins = [files, messages]
    await Promise.all([a, b, c].map((one) => one.start()))
    const names = [
      [a, "ann"],
      [b, "bob"],
      [c, "cy"],
    ] as const
    for (const [who, name] of names) await who.ask("identity create", { name })
    await makeContacts(a, b, { left: "ann", right: "bob" })
    await makeContacts(a, c, { left: "ann", right: "cy" })
    await makeContacts(b, c, { left: "bob", right: "cy" })
    await a.ask("group create", { name: "friends", members: ["bob", "cy"] })
    for (const who of [b, c])
      await who.until<Group>("group list", {}, ([one]) => one?.members.length === 3)
  }, 120_000)
  afterAll(() => world?.[Symbol.asyncDispose]())

  const isSo = (who: MailRouter, name: string, wanted: (one: Transfer) => boolean) =>
    who.until<(Transfer & { name: string })[]>("file list", {}, (all) =>
      all.some((one) => one.name === name && wanted(one)),
    )
  const send = async (name: string, bytes: Buffer): Promise<Transfer> => {
    const path = join(world.folder, name)
    await writeFile(path, bytes)
    return a.ask("file send", { contact: "friends", group: true, path })
  }
  const find = (all: (Transfer & { name: string })[], name: string) =>
    all.find((one) => one.name === name)!

  it("is shown once, given by who has it when the sender is away, and refused by one alone", async () => {
    const film = randomBytes(3 * 1_048_576)
    const { id, members } = await send("film.bin", film)
    expect(members).toHaveLength(2)
    const [first] = await isSo(b, "film.bin", ({ state }) => state === "offered")
    expect(first!.group).toBe("friends")
    await b.ask("file accept", { id: first!.id, wait: true })
    const offered = await isSo(c, "film.bin", ({ state }) => state === "offered")
    const here = await isSo(a, "film.bin", (one) => one.members?.[0]?.state === "done")
    expect(here.map((one) => one.id)).toEqual([id])
    await a.stop()
    await c.ask("file accept", { id: offered[0]!.id })
    const got = await isSo(c, "film.bin", ({ state }) => state === "done")
    expect((await readFile(got[0]!.path!)).equals(film)).toBe(true)
    await a.start()
    await isSo(a, "film.bin", ({ state }) => state === "done")

    const second = randomBytes(1_000_000)
    await send("song.bin", second)
    const refused = await isSo(b, "song.bin", ({ state }) => state === "offered")
    await b.ask("file refuse", { id: find(refused, "song.bin").id })
    const taken = await isSo(c, "song.bin", ({ state }) => state === "offered")
    await c.ask("file accept", { id: find(taken, "song.bin").id, wait: true })
    const ended = await isSo(a, "song.bin", (one) =>
      Boolean(one.members?.every(({ state }) => state === "done" || state === "cancelled")),
    )
    const states = find(ended, "song.bin").members!.map(({ state }) => state)
    expect(states.sort()).toEqual(["cancelled", "done"])
  }, 120_000)

  it("is not given to who was removed", async () => {
    await send("late.bin", randomBytes(1_000_000))
    await isSo(c, "late.bin", ({ state }) => state === "offered")
    await isSo(b, "late.bin", ({ state }) => state === "offered")
    await a.ask("group remove", { group: "friends", member: "cy" })
    const found = await isSo(a, "late.bin", (one) =>
      Boolean(one.members?.some(({ state }) => state === "cancelled")),
    )
    expect(find(found, "late.bin").members).toContainEqual(
      expect.objectContaining({ contact: "cy", state: "cancelled", reason: "NO_MEMBER" }),
    )
    await isSo(c, "late.bin", ({ state }) => state === "cancelled")
    const still = find(await b.ask("file list"), "late.bin")
    await b.ask("file accept", { id: still.id, wait: true })
  }, 120_000)
})

import { randomBytes } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { bootOfMachine } from "../../plugins/files/boot.ts"
import { machineDisk } from "../../plugins/files/disk/disk.ts"
import { makeFiles } from "../../plugins/files/index.ts"
import { tower } from "../../plugins/tower/index.ts"
import {
  type MailRouter,
  type MailWorld,
  makeContacts,
  openMailWorld,
} from "../support/mail-routers.ts"

interface Transfer {
  readonly id: string
  readonly state: string
  readonly reason?: string
  readonly path?: string
}
/** Long enough for a letter to be at a tower. */
const LETTER_MS = 5_000

describe("a file between two who are never online together", () => {
  let world: MailWorld
  let a: MailRouter
  let b: MailRouter
  let t: MailRouter

  beforeAll(async () => {
    world = await openMailWorld()
    ;[a, b, t] = [world.router("a"), world.router("b"), world.router("t")]
    const files = makeFiles({ disk: machineDisk, boot: bootOfMachine, towerAfterMs: 500 })
    for (const one of [a, b, t]) one.plugins = [files, tower]
    await Promise.all([a, b, t].map((one) => one.start()))
    await a.ask("identity create", { name: "ann" })
    await b.ask("identity create", { name: "bob" })
    await makeContacts(a, b, { left: "ann", right: "bob" })
    const { uri } = await t.ask<{ uri: string }>("tower run")
    for (const who of [a, b]) {
      await who.ask("tower use", { uri })
      await who.until<{ state: string; queues: number }[]>("tower list", {}, ([one]) =>
        one ? one.state === "up" && one.queues === 1 : false,
      )
    }
    await b.ask("file auto", { contact: "ann", below: "1GiB" })
    await sleep(LETTER_MS)
  }, 120_000)
  afterAll(() => world?.[Symbol.asyncDispose]())

  it("is offered, accepted, left at a tower, fetched and cleared, each while the other is away", async () => {
    const path = join(world.folder, "film.bin")
    await writeFile(path, randomBytes(6 * 1_048_576))
    const isSo = (who: MailRouter, wanted: (one: Transfer) => boolean) =>
      who.until<Transfer[]>("file list", {}, ([one]) => one !== undefined && wanted(one))
    await b.stop()
    await a.ask("file send", { contact: "bob", path })
    await isSo(a, ({ reason }) => reason === "OFFER_AT_TOWER")
    await a.stop()
    await b.start()
    await isSo(b, ({ state }) => state === "waiting")
    await sleep(LETTER_MS)
    await b.stop()
    await a.start()
    await isSo(a, ({ reason }) => reason === "AT_TOWER")
    await sleep(LETTER_MS)
    await a.stop()
    await b.start()
    const [done] = (await isSo(b, ({ state }) => state === "done")) as Transfer[]
    expect((await readFile(done!.path!)).equals(await readFile(path))).toBe(true)
    await sleep(LETTER_MS)
    await b.stop()
    await a.start()
    await isSo(a, ({ state }) => state === "done")
  })
})

/** What a contact may learn from ids of transfers: not that two identities are of one router. */
import { buffer } from "node:stream/consumers"
import { beforeEach, describe, expect, it } from "vitest"
import { TransferBook } from "../../../../plugins/files/book.ts"
import { machineDisk } from "../../../../plugins/files/disk/disk.ts"
import { answerFiles } from "../../../../plugins/files/service.ts"
import { idBytes } from "../../../../plugins/files/transfer.ts"
import { PROTOCOL } from "../../../../plugins/files/wire.ts"
import { frameRecord } from "../../../../src/base/records.ts"
import type { PeerChannel } from "../../../../src/router/plugin.ts"
import { joinChannels } from "../../../support/fake-channel.ts"
import { FakeWorld } from "../../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../../support/memory-store.ts"

const ID = new Uint8Array(16).fill(0xab)
const HEX = Buffer.from(ID).toString("hex")
const OFFER = {
  ...{ kind: "offer", id: ID, name: "a.txt", size: 10 },
  ...{ sha256: new Uint8Array(32), root: new Uint8Array(32) },
}

describe("an id that a contact uses with two identities of one router", () => {
  const world = new FakeWorld()
  let disk: MemoryDisk
  let book: TransferBook

  beforeEach(async () => {
    disk = new MemoryDisk()
    book = await openBook()
  })

  async function openBook(): Promise<TransferBook> {
    const opened = new TransferBook(new MemoryLife(disk, world, () => {}).room("/"), world.clock)
    await opened.load()
    return opened
  }

  /** What the identity answers to one question, as bytes. */
  async function ask(identity: string, question: object): Promise<Buffer> {
    const [ours, theirs] = joinChannels(PROTOCOL, world)
    const who = { identity: { key: identity }, contact: { key: "them", name: "them" } }
    const peer = { ...who, channel: ours } as unknown as PeerChannel
    const welcome = async () => undefined
    const answered = answerFiles(peer, { book, disk: machineDisk, now: () => 1, welcome })
    theirs.end(frameRecord(question))
    await answered
    ours.end()
    return buffer(theirs)
  }
  const heldBy = (identity: string) => book.list().filter((one) => one.identity === identity)

  it("is answered by both alike, and is two transfers", async () => {
    const first = await ask("work", OFFER)
    expect(await ask("private", OFFER)).toEqual(first)
    expect(heldBy("work")).toMatchObject([{ id: HEX, stage: "offered" }])
    expect(heldBy("private")).toMatchObject([{ wireId: HEX, stage: "offered" }])
    expect(heldBy("private")[0]?.id).not.toBe(HEX)
    expect(heldBy("private").map(idBytes)).toEqual(heldBy("work").map(idBytes))
  })

  it("is the same transfer when it is offered again, also after a restart", async () => {
    for (const identity of ["work", "private", "work", "private"]) await ask(identity, OFFER)
    book = await openBook()
    for (const identity of ["work", "private"]) await ask(identity, OFFER)
    expect(book.list()).toHaveLength(2)
  })

  it("is withdrawn from the one, and stays with the other", async () => {
    for (const identity of ["work", "private"]) await ask(identity, OFFER)
    await ask("private", { kind: "withdraw", id: ID, reason: "CANCELLED" })
    expect(heldBy("private")).toMatchObject([{ stage: "cancelled" }])
    expect(heldBy("work")).toMatchObject([{ stage: "offered" }])
  })

  it("may be that of a file which one identity sends to the other", async () => {
    await book.add({
      ...{ id: HEX, direction: "out", identity: "them", contact: "work", contactName: "work" },
      ...{ name: "a.txt", size: 10, stage: "offered", createdAt: 1, blocks: 0, received: 0 },
    })
    await ask("work", OFFER)
    expect(heldBy("work")).toMatchObject([{ direction: "in", wireId: HEX, stage: "offered" }])
    expect(heldBy("them")).toMatchObject([{ direction: "out", id: HEX, stage: "offered" }])
  })
})

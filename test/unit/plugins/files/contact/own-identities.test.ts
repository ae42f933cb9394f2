/** What a contact may learn from ids of transfers: not that two identities are of one router. */
import { beforeEach, describe, expect, it } from "vitest"
import { TransferBook } from "../../../../../plugins/files/contact/book.ts"
import { type PlainLetter, writeLetter } from "../../../../../plugins/files/contact/letters.ts"
import { Reader } from "../../../../../plugins/files/contact/reader.ts"
import { idBytes } from "../../../../../plugins/files/contact/transfer.ts"
import { FakeWorld } from "../../../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../../../support/memory-store.ts"

const ID = new Uint8Array(16).fill(0xab)
const HEX = Buffer.from(ID).toString("hex")
const OFFER: PlainLetter = {
  ...{ kind: "offer", id: ID, name: "a.txt", isFolder: false, size: 10, fileCount: 1, files: [] },
  ...{ infohash: new Uint8Array(20), info: new Uint8Array(32), sha256: new Uint8Array(32) },
  key: new Uint8Array(32),
}

describe("an id that a contact uses with two identities of one router", () => {
  const world = new FakeWorld()
  let disk: MemoryDisk
  let book: TransferBook
  /** What was answered, by identity: word and id on the wire. */
  let said: [identity: string, word: string, id: string][]
  let isWelcome: boolean

  beforeEach(async () => {
    disk = new MemoryDisk()
    book = await openBook()
    said = []
    isWelcome = false
  })

  async function openBook(): Promise<TransferBook> {
    const opened = new TransferBook(new MemoryLife(disk, world, () => {}).room("/"), world.clock)
    await opened.load()
    return opened
  }

  /** The contact writes to an identity. */
  async function write(identity: string, letter: PlainLetter): Promise<void> {
    const store = new MemoryLife(disk, world, () => {}).room("/")
    const post = {
      with:
        (parties: { identity: string }, word: string) => async (changes: [], transfer: never) => {
          said.push([parties.identity, word, Buffer.from(idBytes(transfer)).toString("hex")])
          await store.commit(changes)
        },
    }
    const welcome = async () => (isWelcome ? { folder: "/tmp" } : undefined)
    const reader = new Reader({ book, post: post as never, now: () => 1, welcome })
    const who = { identity: { key: identity }, contact: { key: "them", name: "them" } }
    await reader.read({ ...who, from: "contact", content: writeLetter(letter) } as never)
  }
  const heldBy = (identity: string) => book.list().filter((one) => one.identity === identity)

  it("is answered by both alike, and is two transfers", async () => {
    isWelcome = true
    for (const identity of ["work", "private"]) await write(identity, OFFER)
    expect(said).toEqual([
      ["work", "accept", HEX],
      ["private", "accept", HEX],
    ])
    expect(heldBy("work")).toMatchObject([{ id: HEX, stage: "accepted" }])
    expect(heldBy("private")).toMatchObject([{ wireId: HEX, stage: "accepted" }])
    expect(heldBy("private")[0]?.id).not.toBe(HEX)
  })
  it("is the same transfer when it is offered again, also after a restart", async () => {
    for (const identity of ["work", "private", "work", "private"]) await write(identity, OFFER)
    book = await openBook()
    for (const identity of ["work", "private"]) await write(identity, OFFER)
    expect(book.list()).toHaveLength(2)
  })
  it("is withdrawn from the one, and stays with the other", async () => {
    for (const identity of ["work", "private"]) await write(identity, OFFER)
    await write("private", { kind: "withdraw", id: ID, reason: "CANCELLED" })
    expect(heldBy("private")).toMatchObject([{ stage: "cancelled" }])
    expect(heldBy("work")).toMatchObject([{ stage: "offered" }])
  })
  it("may be that of a file which one identity sends to the other", async () => {
    await book.add({
      ...{ id: HEX, direction: "out", identity: "them", contact: "work", contactName: "work" },
      ...{ name: "a.txt", isFolder: false, size: 10, fileCount: 1, files: [], isPaused: false },
      ...{ stage: "offered", createdAt: 1, key: new Uint8Array(32) },
    })
    await write("work", OFFER)
    expect(heldBy("work")).toMatchObject([{ direction: "in", wireId: HEX, stage: "offered" }])
    expect(heldBy("them")).toMatchObject([{ direction: "out", id: HEX, stage: "offered" }])
  })
})

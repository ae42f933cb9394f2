import { generateKeyPairSync, sign } from "node:crypto"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Duplex, duplexPair } from "node:stream"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openDiskRoom } from "../../../../../plugins/files/disk/disk-room.ts"
import { Answering } from "../../../../../plugins/files/library/answering.ts"
import { Asking } from "../../../../../plugins/files/library/asking.ts"
import { Shelf } from "../../../../../plugins/files/library/shelf.ts"
import { systemClock } from "../../../../../src/base/clock.ts"
import { silentLog } from "../../../../../src/base/log.ts"
import { frameRecord } from "../../../../../src/base/records.ts"
import type { Contact } from "../../../../../src/identity/contacts.ts"
import type { Identity } from "../../../../../src/identity/identity.ts"
import type { PeerChannel, PluginContext } from "../../../../../src/router/plugin.ts"
import { FakeWorld } from "../../../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../../../support/memory-store.ts"

const { signal } = new AbortController()

function person(name: string): { identity: Identity; contact: Contact } {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519")
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32)
  const key = raw.toString("base64url")
  const signed = (domain: string, message: Uint8Array) =>
    new Uint8Array(sign(null, Buffer.concat([Buffer.from(`${domain}\0`), message]), privateKey))
  const present = { key, sign: signed }
  const identity = { name, key, present, keysOf: () => undefined } as unknown as Identity
  return { identity, contact: { name, key, state: "accepted" } as Contact }
}

describe("a library that is asked", () => {
  const [ann, bob, carl] = [person("ann"), person("bob"), person("carl")]
  let folder = ""
  let handle: (peer: PeerChannel) => Promise<void>
  let context: PluginContext
  let shelf: Shelf
  let room: ReturnType<typeof openDiskRoom>
  let nowMs = 0
  const given: string[] = []

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "library-"))
    const own = join(folder, "home", "plugins", "files")
    mkdirSync(own, { recursive: true })
    nowMs = 1_000_000
    context = {
      ...{ signal, log: silentLog, folder: own },
      clock: { ...systemClock, monotonicMs: () => nowMs },
      store: new MemoryLife(new MemoryDisk(), new FakeWorld(), () => {}).room("/"),
      serve: (_: string, serve: typeof handle) => {
        handle = serve
      },
    } as unknown as PluginContext
    room = openDiskRoom()
    shelf = new Shelf(context, room)
    const give = async (_: unknown, { path }: { path: string }) => {
      given.push(path)
      return { size: 3, fileCount: 1 }
    }
    new Answering({ context, shelf, give })
    mkdirSync(join(folder, "Secret"))
    writeFileSync(join(folder, "Secret", "plan.txt"), "abc")
  })
  afterEach(async () => {
    await room[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })

  const add = (audience: "all" | string[]) => {
    const wish = { identity: ann.identity, path: join(folder, "Secret"), name: undefined, audience }
    return shelf.add(wish, { signal })
  }

  /** A channel from somebody to ann. */
  function open(from: typeof bob): Duplex {
    const [mine, theirs] = duplexPair()
    for (const end of [mine, theirs]) end.on("error", () => {})
    // A reset reaches the other end, as on a link.
    theirs.once("close", () => mine.destroy())
    void handle({ identity: ann.identity, contact: from.contact, channel: theirs as never })
    return mine
  }

  /** Questions of somebody to ann, all on one channel. */
  function ask<T>(from: typeof bob, use: (asking: Asking) => Promise<T>): Promise<T> {
    const asker = { ...context, open: async () => open(from) } as unknown as PluginContext
    const ends = { identity: from.identity, contact: ann.contact }
    return Asking.with(asker, ends, { signal }, use)
  }

  const browse = { kind: "browse" as const, after: 0 }
  const notFound = { code: "NOT_FOUND" }

  it("tells who may not see a thing the same as if it were not there", async () => {
    await add([bob.contact.key])
    const plan = { kind: "ask" as const, path: "Secret/plan.txt", transfer: new Uint8Array(16) }
    await ask(carl, async (asking) => {
      expect(await asking.ask(browse)).toEqual({ kind: "list", listed: [] })
      expect(await asking.list({ kind: "search", words: ["plan"] }, 10)).toEqual([])
      await expect(asking.ask({ ...browse, path: "Secret" })).rejects.toMatchObject(notFound)
      await expect(asking.ask({ ...browse, path: "Nothing" })).rejects.toMatchObject(notFound)
      await expect(asking.ask(plan)).rejects.toMatchObject(notFound)
    })
    expect(given).toEqual([])
    await ask(bob, async (asking) => {
      expect(await asking.ask(plan)).toEqual({ kind: "offered", size: 3, fileCount: 1 })
    })
    expect(given).toEqual([join(folder, "Secret", "plan.txt")])
  })

  it("shows nothing of the router's own, and nothing that is gone", async () => {
    const wish = { identity: ann.identity, name: undefined, audience: "all" as const }
    const keys = join(folder, "home")
    writeFileSync(join(keys, "key"), "secret")
    await expect(shelf.add({ ...wish, path: keys }, { signal })).rejects.toMatchObject({
      code: "BAD_INPUT",
    })
    await add("all")
    rmSync(join(folder, "Secret"), { recursive: true })
    nowMs += 300_000
    await ask(carl, async (asking) => {
      expect(await asking.ask(browse)).toEqual({ kind: "list", listed: [] })
    })
    expect(shelf.list(ann.identity)).toMatchObject([{ reason: "FILE_GONE" }])
  })

  it("answers 60 questions at once, then two a second, to each contact", async () => {
    await ask(bob, async (asking) => {
      for (let count = 0; count < 60; count++) await asking.ask(browse)
      await expect(asking.ask(browse)).rejects.toMatchObject({ code: "BUSY" })
      nowMs += 1_000
      await asking.ask(browse)
      await asking.ask(browse)
      await expect(asking.ask(browse)).rejects.toMatchObject({ code: "BUSY" })
    })
    await ask(carl, (asking) => asking.ask(browse))
  })

  it("answers four channels of a contact, and resets a fifth", async () => {
    const four = Array.from({ length: 4 }, () => open(bob))
    const fifth = open(bob)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(four.map(({ destroyed }) => destroyed)).toEqual([false, false, false, false])
    expect(fifth.destroyed).toBe(true)
    for (const one of four) one.end()
    await ask(carl, (asking) => asking.ask(browse))
  })

  it.each([
    ["a record that is no byte string", frameRecord({ kind: "browse" })],
    ["a question of another form", frameRecord(new Uint8Array([1, 2, 3]))],
    ["a record that is too long", new Uint8Array([0, 1, 0, 1])],
    ["noise", new Uint8Array(100).fill(0xff)],
  ])("resets a channel with %s on it", async (_name, bytes) => {
    const channel = open(bob)
    channel.write(bytes)
    await new Promise((resolve) => channel.once("close", resolve))
    await ask(bob, (asking) => asking.ask(browse))
  })
})

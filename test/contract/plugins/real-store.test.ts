/** The first plugins on the store they really live on: what they keep is there after closing, and is not to be read. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { files } from "../../../plugins/files/index.ts"
import {
  autoOffer,
  listOffer as fileList,
  sendOffer as fileSend,
} from "../../../plugins/files/offers.ts"
import { messages } from "../../../plugins/messages/index.ts"
import { listOffer, type MessageDocument, sendOffer } from "../../../plugins/messages/offers.ts"
import { systemClock } from "../../../src/base/clock.ts"
import { silentLog } from "../../../src/base/log.ts"
import type { Plugin } from "../../../src/router/plugin.ts"
import { openStore } from "../../../src/store/open-store.ts"
import type { Store } from "../../../src/store/store.ts"
import { FakeFiles, sha256Of } from "../../support/fake-files.ts"
import { FakePair } from "../../support/fake-plugin-context.ts"

describe("messages, on the real store", () => {
  it("keeps what waits and what came over restarts, and keeps it secret", async () => {
    await withStores(async (folder, open) => {
      const say = ["one SECRETWORD", "two SECRETWORD", "three SECRETWORD"]
      const before = await pairOn(messages, folder, open)
      for (const text of say) await before.pair.left.run(sendOffer, { contact: "bob", text })
      await before.close()

      const meeting = await pairOn(messages, folder, open)
      meeting.pair.connect()
      await eventually(() => meeting.pair.left.told("delivered").length === 3)
      await meeting.close()

      const after = await pairOn(messages, folder, open)
      const shown: MessageDocument[] = await after.pair.right.run(listOffer, { contact: "ann" })
      expect(shown.map(({ text }) => text)).toEqual(say)
      const sent: MessageDocument[] = await after.pair.left.run(listOffer, { contact: "bob" })
      expect(sent.map(({ state }) => state)).toEqual(["delivered", "delivered", "delivered"])
      await after.close()
      expect(everyByteBelow(folder)).not.toContain("SECRETWORD")
    })
  })
})

describe("files, on the real store", () => {
  it("goes on over restarts of both, and keeps names secret", async () => {
    await using story = new FakeFiles() // for its file only
    const path = story.file("SECRETNAME.bin", 3_000_000)
    await withStores(async (folder, open) => {
      const before = await pairOn(files, folder, open)
      await before.pair.left.run(fileSend, { contact: "bob", path })
      await before.pair.right.run(autoOffer, { contact: "ann", below: "1GiB" })
      await eventually(() => before.pair.left.told("waiting").length === 1)
      await before.close()

      const meeting = await pairOn(files, folder, open)
      meeting.pair.connect()
      await eventually(() => meeting.pair.left.told("done").length === 1)
      await meeting.close()

      const after = await pairOn(files, folder, open)
      const [got]: { path: string; state: string }[] = await after.pair.right.run(fileList, {})
      expect(got?.state).toBe("done")
      expect(sha256Of(got!.path)).toBe(sha256Of(path))
      await after.close()
      expect(everyByteBelow(join(folder, "stores"))).not.toContain("SECRETNAME")
    })
  }, 20_000)
})

type Open = (name: string) => Promise<Store>

async function withStores(tell: (folder: string, open: Open) => Promise<void>): Promise<void> {
  await using place = new FakeFiles()
  const open: Open = (name) =>
    openStore({
      folder: join(place.folder, "stores", name),
      key: new Uint8Array(32).fill(7),
      clock: systemClock,
      log: silentLog,
    })
  await tell(place.folder, open)
}

/** Both sides run the plugin, each on its store. */
async function pairOn(plugin: Plugin, folder: string, open: Open) {
  const [left, right] = [await open("left"), await open("right")]
  const pair = new FakePair({
    left: { folder: join(folder, "ann"), store: left },
    right: { folder: join(folder, "bob"), store: right },
  })
  for (const peer of [pair.left, pair.right]) await peer.start(plugin)
  const close = async () => {
    for (const peer of [pair.left, pair.right]) await peer.stop()
    for (const store of [left, right]) await store[Symbol.asyncDispose]()
  }
  return { pair, close }
}

/** The real disk takes real time. */
async function eventually(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve))
}

function everyByteBelow(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n")
}

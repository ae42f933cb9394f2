import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, expect, it, onTestFinished } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { AlliumProcess } from "../support/allium-process.ts"
import { tellShareStory } from "../support/share-story.ts"
import { eventually } from "../support/story.ts"

/** A peer that was lost is dialled again after a minute. */
const PATIENCE_MS = 180_000
let bridge: EmbeddedBridge | undefined
afterAll(() => bridge?.[Symbol.asyncDispose]())

async function openNetwork(): Promise<readonly string[]> {
  bridge ??= await openEmbeddedBridge()
  return ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]
}

tellShareStory("three routers on the embedded network share with everybody", async () => {
  const network = await openNetwork()
  return { networks: [network, network, network], fileBytes: 48 * 2 ** 20, patienceMs: PATIENCE_MS }
})

it("a router that is stopped takes leave of trackers before its sessions end", async () => {
  const network = await openNetwork()
  const folder = await mkdtemp(join(tmpdir(), "allium-leave-"))
  const [a, b] = [
    new AlliumProcess(join(folder, "a"), network),
    new AlliumProcess(join(folder, "b"), network),
  ]
  onTestFinished(async () => {
    await Promise.all([a.stop(), b.stop()])
    await rm(folder, { recursive: true, force: true })
  })
  await Promise.all([a.start(), b.start()])
  await a.call("file tracker run", { open: false })
  const path = join(folder, "leave.bin")
  await writeFile(path, "to be had once")
  const [shared] = await a.call<{ magnet: string }[]>("file share", {
    paths: [path],
    tracker: ["own"],
  })
  await b.call("file get", { target: shared!.magnet })
  const peers = (count: number) =>
    eventually(
      () => a.call<{ peers: number }>("file tracker status"),
      (found) => found.peers === count,
      PATIENCE_MS,
    )
  await peers(2)
  expect(await b.stop()).toBe(0)
  await peers(1)
})

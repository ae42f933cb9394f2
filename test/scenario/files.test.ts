import { setTimeout as sleep } from "node:timers/promises"
import { afterAll } from "vitest"
import { seededChance } from "../../src/base/random.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { tellFilesStory } from "../support/files-story.ts"

let bridge: EmbeddedBridge | undefined
afterAll(() => bridge?.[Symbol.asyncDispose]())

tellFilesStory("files between two routers on the embedded network", async () => {
  bridge = await openEmbeddedBridge({
    chance: seededChance(1),
    // Slow enough to be killed on the way.
    knobs: { bandwidthBytesPerSecond: 2_000_000, latencyMs: 5 },
  })
  const network = ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]
  return {
    network: { a: network, b: network },
    fileBytes: 32 * 2 ** 20,
    kills: 10,
    patienceMs: 60_000,
    async restartRouter() {
      if (bridge === undefined) throw new Error("The bridge is not open")
      bridge.knobs.faults.add("hang")
      for (const { destinationB32 } of bridge.record) bridge.faults.killSession(destinationB32)
      await sleep(2_000)
      bridge.knobs.faults.delete("hang")
    },
  }
})

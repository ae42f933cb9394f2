import { afterAll } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { tellDiskStory } from "../support/disk-story.ts"

let bridge: EmbeddedBridge | undefined
afterAll(async () => bridge?.[Symbol.asyncDispose]())

tellDiskStory("a real disk that becomes full", async () => {
  const knobs = { bandwidthBytesPerSecond: 1_500_000, latencyMs: 5 }
  bridge = await openEmbeddedBridge({ knobs })
  const network = ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]
  return { network: { a: network, b: network }, patienceMs: 120_000 }
})

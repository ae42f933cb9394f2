import { afterAll } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { tellMailStory } from "../support/mail-story.ts"

let bridge: EmbeddedBridge | undefined
afterAll(() => bridge?.[Symbol.asyncDispose]())

tellMailStory("letters between three routers and two towers", async () => {
  bridge = await openEmbeddedBridge()
  const flags = ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]
  return {
    network: [flags, flags, flags, flags, flags],
    patienceMs: 60_000,
    queuedCount: 1_000,
    chaos: { forMs: Number(process.env.ALLIUM_CHAOS_MS ?? 20_000), everyMs: 1_500 },
    keyRestMs: 0,
  }
})

import { afterAll } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { tellShareStory } from "../support/share-story.ts"

let bridge: EmbeddedBridge | undefined
afterAll(() => bridge?.[Symbol.asyncDispose]())

tellShareStory("three routers on the embedded network share with everybody", async () => {
  bridge = await openEmbeddedBridge()
  const network = ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]
  return { networks: [network, network, network], fileBytes: 48 * 2 ** 20, patienceMs: 60_000 }
})

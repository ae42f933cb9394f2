import { afterAll } from "vitest"
import { systemClock } from "../../src/base/clock.ts"
import { silentLog } from "../../src/base/log.ts"
import { seededChance, systemRandom } from "../../src/base/random.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { tellStory } from "../support/story.ts"

let bridge: EmbeddedBridge | undefined
afterAll(() => bridge?.[Symbol.asyncDispose]())

tellStory("two routers on the embedded network", async () => {
  bridge = await openEmbeddedBridge({
    clock: systemClock,
    chance: seededChance(1),
    random: systemRandom,
    log: silentLog,
  })
  const network = ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]
  return {
    network: { a: network, b: network },
    fileBytes: 64 * 2 ** 20,
    patienceMs: 60_000,
    async restartRouterOfA(meanwhile) {
      if (bridge === undefined) throw new Error("The bridge is not open")
      bridge.knobs.faults.add("hang")
      for (const { destinationB32 } of bridge.record) bridge.faults.killSession(destinationB32)
      await meanwhile()
      bridge.knobs.faults.delete("hang")
    },
  }
})

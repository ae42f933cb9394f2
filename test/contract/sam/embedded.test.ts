/** The embedded network keeps the contract, also while it plays other routers. */
import { afterAll } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../../src/bridge/bridge.ts"
import type { RouterName } from "../../../src/bridge/routers.ts"
import { describeForeignClient } from "./foreign-client.ts"
import { describeOwnClient } from "./own-client.ts"
import { describeSamBridge, type SamBridgeFixture } from "./sam-contract.ts"

const routers: readonly RouterName[] = ["strict", "java", "i2pd-2.45.1", "i2pd-2.58"]

for (const router of routers) {
  let bridge: EmbeddedBridge | undefined
  afterAll(() => bridge?.[Symbol.asyncDispose]())
  const fixture: SamBridgeFixture = {
    async ports() {
      bridge ??= await openEmbeddedBridge({ router })
      return [bridge.address.port]
    },
    udpPort: async () => bridge?.address.udpPort ?? 0,
    waitMs: 3000,
  }
  describeSamBridge(`embedded network as ${router}`, fixture)
  describeOwnClient(`the embedded network as ${router}`, fixture)
  describeForeignClient(`the embedded network as ${router}`, fixture)
}

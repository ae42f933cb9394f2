/** Real i2pd keeps the contract: ALLIUM_TESTNET_SAM_PORTS names SAM ports on 127.0.0.1. */
import { describe, it } from "vitest"
import { describeForeignClient } from "./foreign-client.ts"
import { describeOwnClient } from "./own-client.ts"
import { describeSamBridge, type SamBridgeFixture } from "./sam-contract.ts"

const ports = (process.env.ALLIUM_TESTNET_SAM_PORTS ?? "").split(",").filter(Boolean).map(Number)

if (ports.length === 0)
  describe("a SAM bridge: i2pd", () => {
    it.skip("needs ALLIUM_TESTNET_SAM_PORTS: run it with `npm run testnet`", () => {})
  })
else {
  const fixture: SamBridgeFixture = {
    ports: async () => ports,
    // i2pd 2.45.1 takes datagrams on the port before its TCP port.
    udpPort: async (port) => port - 1,
    waitMs: 700_000,
  }
  describeSamBridge("i2pd", fixture)
  describeOwnClient("i2pd", fixture)
  describeForeignClient("i2pd", fixture)
}

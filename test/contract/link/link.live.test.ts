/** The contract on real i2pd: ALLIUM_TESTNET_SAM_PORTS names SAM ports on 127.0.0.1. */
import { describe, it } from "vitest"
import { describeLink } from "./link-contract.ts"
import { openSamRoad } from "./sam-road.ts"

const ports = (process.env.ALLIUM_TESTNET_SAM_PORTS ?? "").split(",").filter(Boolean).map(Number)
const [ann, bob] = [ports[0], ports.at(-1)]

if (ann === undefined || bob === undefined || ann === bob)
  describe("a link over i2pd", () => {
    it.skip("needs ALLIUM_TESTNET_SAM_PORTS: run it with `npm run testnet`", () => {})
  })
else
  describeLink("i2pd", {
    openRoad: () => openSamRoad({ ports: [ann, bob], readyMs: 700_000 }),
    bulkBytes: 40_000_000,
    pauseMs: 40_000,
    timeoutMs: 900_000,
  })

import { setTimeout as sleep } from "node:timers/promises"
import { tellStory } from "../support/story.ts"
import { killRouter, startRouter, testnetPorts } from "../support/testnet/testnet.ts"

tellStory("two routers, each with its own i2pd", async () => {
  const [portA, portB] = testnetPorts()
  return {
    network: {
      a: ["--network", "sam", "--sam", `127.0.0.1:${portA}`],
      b: ["--network", "sam", "--sam", `127.0.0.1:${portB}`],
    },
    fileBytes: 64 * 2 ** 20,
    // A LeaseSet that i2pd failed to publish is published anew with its next tunnels, within ten minutes.
    patienceMs: 700_000,
    async restartRouterOfA(meanwhile) {
      // The peer's i2pd takes a new ratchet session with the same LeaseSet key only when the old one is over
      // 120 s old (ECIESX25519_RESTART_TIMEOUT in its source): until then a restarted side stays unheard.
      await sleep(130_000)
      await killRouter(1)
      await meanwhile()
      await startRouter(1)
    },
  }
})

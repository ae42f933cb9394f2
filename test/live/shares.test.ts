import { tellShareStory } from "../support/share-story.ts"
import { testnetPorts } from "../support/testnet/testnet.ts"

tellShareStory("three routers, two of them at one i2pd, share with everybody", async () => {
  const [portA, portB] = testnetPorts()
  const network = (port: number | undefined) => ["--network", "sam", "--sam", `127.0.0.1:${port}`]
  return {
    networks: [network(portA), network(portB), network(portB)],
    fileBytes: 8 * 2 ** 20,
    patienceMs: 700_000,
  }
})

import { tellDiskStory } from "../support/disk-story.ts"
import { testnetPorts } from "../support/testnet/testnet.ts"

tellDiskStory("a real disk that becomes full, over i2pd", async () => {
  const [portA, portB] = testnetPorts()
  const network = (port: number | undefined) => ["--network", "sam", "--sam", `127.0.0.1:${port}`]
  // A LeaseSet that i2pd failed to publish is published anew with its next tunnels, within ten minutes.
  return { network: { a: network(portA), b: network(portB) }, patienceMs: 700_000 }
})

import { tellMailStory } from "../support/mail-story.ts"
import { testnetPorts } from "../support/testnet/testnet.ts"

tellMailStory("letters between three routers and two towers, each with its own i2pd", async () => {
  const flags = (port: number | undefined) => ["--network", "sam", "--sam", `127.0.0.1:${port}`]
  return {
    network: testnetPorts().slice(0, 5).map(flags),
    // A LeaseSet that i2pd failed to publish is published anew with its next tunnels, within ten minutes.
    patienceMs: 700_000,
    queuedCount: 1_000,
    chaos: { forMs: Number(process.env.ALLIUM_CHAOS_MS ?? 90_000), everyMs: 20_000 },
    // Within two minutes the peer's i2pd would go on with the ratchet session of the machine that was lost.
    keyRestMs: 130_000,
  }
})

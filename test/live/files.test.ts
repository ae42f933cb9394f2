import { setTimeout as sleep } from "node:timers/promises"
import { tellFilesStory } from "../support/files-story.ts"
import { killRouter, startRouter, testnetPorts } from "../support/testnet/testnet.ts"

/** `FILE_MIB=1024 FILE_KILLS=10` for the record. */
const FILE_MIB = Number(process.env.FILE_MIB ?? 16)
const FILE_KILLS = Number(process.env.FILE_KILLS ?? 4)

tellFilesStory("files between two routers, each with its own i2pd", async () => {
  const [portA, portB] = testnetPorts()
  return {
    network: {
      a: ["--network", "sam", "--sam", `127.0.0.1:${portA}`],
      b: ["--network", "sam", "--sam", `127.0.0.1:${portB}`],
    },
    fileBytes: FILE_MIB * 2 ** 20,
    kills: FILE_KILLS,
    // A LeaseSet that i2pd failed to publish is published anew with its next tunnels, within ten minutes.
    patienceMs: 700_000 + FILE_MIB * 10_000,
    async restartRouter(of) {
      // See the story of two routers: a younger session would stay unheard.
      await sleep(130_000)
      const number = of === "a" ? 1 : 2
      await killRouter(number)
      await startRouter(number)
    },
  }
})

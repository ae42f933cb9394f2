/** The contract in memory; bulk and pause are shortened (40 MB and 40 s in `link.live.test.ts`). */
import { describeLink } from "./link-contract.ts"
import { openMemoryRoad } from "./memory-road.ts"

describeLink("a pipe in memory", {
  openRoad: openMemoryRoad,
  bulkBytes: 8_000_000,
  pauseMs: 200,
  timeoutMs: 20_000,
})

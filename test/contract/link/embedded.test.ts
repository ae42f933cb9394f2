/** The contract on the embedded network with i2pd's faults; bulk and pause are shortened. */
import { describe, expect, it } from "vitest"
import { systemClock } from "../../../src/base/clock.ts"
import { silentLog } from "../../../src/base/log.ts"
import { systemRandom } from "../../../src/base/random.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../../src/bridge/index.ts"
import type { Fault, Knobs } from "../../../src/bridge/knobs.ts"
import { openLink } from "../../../src/link/open-link.ts"
import { makeSigner } from "../../unit/link/support.ts"
import { describeLink, type Road } from "./link-contract.ts"
import { openSamRoad } from "./sam-road.ts"

const SIZES = { bulkBytes: 8_000_000, pauseMs: 200, timeoutMs: 30_000 }
const FAULTS: Fault[] = ["tailLoss", "lateOk", "zombie", "noBackpressure", "splitReplies"]

async function openRoad(knobs: Partial<Knobs>): Promise<Road & { bridge: EmbeddedBridge }> {
  const bridge = await openEmbeddedBridge({ knobs })
  const { port } = bridge.address
  const road = await openSamRoad({
    ports: [port, port],
    readyMs: 10_000,
    cut: ({ ann }) => void bridge.faults.cutStreams(ann.destination.b32),
    close: () => bridge[Symbol.asyncDispose](),
  })
  return { ...road, bridge }
}

describeLink("the embedded network", { ...SIZES, openRoad: () => openRoad({}) })

describeLink("the embedded network with i2pd's faults", {
  ...SIZES,
  openRoad: () => openRoad({ faults: new Set(FAULTS) }),
})

describeLink("the embedded network that cuts every 2 MB and delays by 5 ms", {
  ...SIZES,
  openRoad: () => openRoad({ cutAfterBytes: 2_000_000, latencyMs: 5, faults: new Set(FAULTS) }),
})

describe("openLink() over the embedded network", () => {
  it("finds out by its own timeout that OK meant nothing", async () => {
    await using road = await openRoad({ faults: new Set<Fault>(["lateOk"]) })
    const { signal } = new AbortController()
    await (await road.dial({ signal })).destroy()
    road.bridge.faults.killSession(road.bob.b32)
    const stream = await road.dial({ signal })
    const dialled = openLink({
      identity: makeSigner(1),
      destination: road.ann,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      limits: { handshakeMs: 300 },
      stream,
      role: "out",
      expectedPeer: makeSigner(2).publicKey,
      signal,
    })
    await expect(dialled).rejects.toMatchObject({ code: "TIMED_OUT" })
    expect(stream.destroyed).toBe(true)
  })
})

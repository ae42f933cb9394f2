import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { completeLimits, FRAME_BYTES_MAX, LINK_LIMITS, NUISANCE } from "../../../src/link/limits.ts"

describe("completeLimits()", () => {
  it("gives the defaults, which are within their ranges", () => {
    expect(completeLimits()).toEqual(LINK_LIMITS)
  })
  it.each([
    { windowBytes: 1_048_577 },
    { windowBytes: 16_383 },
    { channelsMax: 0 },
    { heartbeatMs: 0.5 },
    { keptBytes: 131_071 },
  ])("refuses $windowBytes$channelsMax$heartbeatMs$keptBytes", (chosen) => {
    expect(() => completeLimits(chosen)).toThrow(RangeError)
  })
  it("never lets the first window be larger than the window", () => {
    expect(completeLimits({ windowBytes: 20_000 }).firstWindowBytes).toBe(20_000)
  })
})

describe("docs/protocol/link.md", () => {
  const text = readFileSync(new URL("../../../docs/protocol/link.md", import.meta.url), "utf8")
  it.each([
    { name: "channels", text: `| channels, each side's | ${LINK_LIMITS.channelsMax} |` },
    { name: "channels nobody took", text: `nobody took yet | ${LINK_LIMITS.incomingMax} |` },
    { name: "frames", text: `${FRAME_BYTES_MAX.toLocaleString("en")} bytes` },
    {
      name: "first window",
      text: `${LINK_LIMITS.firstWindowBytes.toLocaleString("en")} bytes at first`,
    },
    { name: "window", text: `then ${LINK_LIMITS.windowBytes.toLocaleString("en")}` },
    { name: "budget", text: `| ${LINK_LIMITS.budgetBytes / 2 ** 20} MiB |` },
    { name: "kept bytes", text: `| ${LINK_LIMITS.keptBytes / 2 ** 20} MiB, and 256 KiB` },
    {
      name: "nuisances",
      text: `${NUISANCE.burst.toLocaleString("en")} at once, ${NUISANCE.perSecond} a second`,
    },
    {
      name: "handshake",
      text: `| ${LINK_LIMITS.handshakeMs / 1000} s; ${LINK_LIMITS.handshakesMax} at once |`,
    },
    { name: "heartbeat", text: `PING every ${LINK_LIMITS.heartbeatMs / 1000} seconds` },
    { name: "resumption", text: `stands for ${LINK_LIMITS.resumeMs / 60_000} minutes` },
  ])("states the limit of $name as the code does", ({ text: stated }) => {
    expect(text).toContain(stated)
  })
})

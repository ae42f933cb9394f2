import { describe, expect, it } from "vitest"
import { Meter } from "../../../src/base/meter.ts"
import { readMeter, writePrometheus } from "../../../src/router/tunnel-metrics.ts"
import { tellNumbers } from "../../../src/router/tunnel-news.ts"
import { FakeClock } from "../../support/fake-clock.ts"

/** One sample or comment of the text format, as Prometheus' documentation has it. */
const LINE = /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+\{([a-z]+="[^"\\\n]*",?)+\} \d+(\.\d+)?)$/

function measured() {
  let nowMs = 0
  const meter = new Meter(["requests"], { monotonicMs: () => nowMs })
  meter.enter()
  meter.moved(1_000, 50)
  meter.fail(new Error("of http://secret.i2p/"))
  for (const tookMs of [50, 60, 70, 9_000]) {
    const there = meter.awaitFirstByte()
    nowMs += tookMs
    there()
  }
  return readMeter({ ...meter.read(), "odd name\n": 1 })
}

describe("readMeter()", () => {
  it("tells the median and what is slow, by the ends of buckets", () => {
    const { counters, firstByte } = measured()
    expect(counters).toMatchObject({ connections: 1, connectionsNow: 1, bytesIn: 1_000 })
    expect(Object.keys(counters).filter((name) => name.startsWith("firstByte"))).toEqual([])
    expect(firstByte).toEqual({
      count: 4,
      sumMs: 9_180,
      medianMs: 100,
      slowMs: 10_000,
      upToMs: { 100: 3, 10000: 1 },
    })
    expect(readMeter({ requests: 1 }).firstByte).toEqual({ count: 0, sumMs: 0, upToMs: {} })
  })
})

describe("writePrometheus()", () => {
  const text = writePrometheus([
    { name: "web", kind: "http-proxy", state: "open", sessions: 2, ...measured() },
    { name: "off", kind: "tcp-client", state: "stopped", sessions: 0, ...readMeter({}) },
  ])

  it("writes nothing but lines of the format, each metric's samples under its head", () => {
    expect(text.endsWith("\n")).toBe(true)
    const lines = text.trimEnd().split("\n")
    expect(lines.filter((line) => !LINE.test(line))).toEqual([])
    let metric = ""
    for (const line of lines) {
      if (line.startsWith("# TYPE")) metric = line.split(" ")[2] ?? ""
      if (!line.startsWith("#")) expect(line.startsWith(metric)).toBe(true)
    }
  })

  it.each([
    'allium_tunnel_up{tunnel="web",kind="http-proxy"} 1',
    'allium_tunnel_up{tunnel="off",kind="tcp-client"} 0',
    'allium_tunnel_sessions{tunnel="web"} 2',
    'allium_tunnel_connections{tunnel="web"} 1',
    'allium_tunnel_received_bytes_total{tunnel="web"} 1000',
    'allium_tunnel_errors_total{tunnel="web",code="INTERNAL"} 1',
    'allium_tunnel_first_byte_seconds_bucket{tunnel="web",le="0.1"} 3',
    'allium_tunnel_first_byte_seconds_bucket{tunnel="web",le="5"} 3',
    'allium_tunnel_first_byte_seconds_bucket{tunnel="web",le="10"} 4',
    'allium_tunnel_first_byte_seconds_bucket{tunnel="web",le="+Inf"} 4',
    'allium_tunnel_first_byte_seconds_sum{tunnel="web"} 9.18',
  ])("says %s", (line) => {
    expect(text.split("\n")).toContain(line)
  })

  it("names no host", () => {
    expect(text).not.toMatch(/i2p\/|secret|odd/)
  })
})

describe("tellNumbers()", () => {
  it("tells at most every 15 s, and only of tunnels whose numbers changed", async () => {
    const clock = new FakeClock()
    const over = new AbortController()
    const meter = new Meter()
    const report = (name: string, counters = {}) => ({
      ...{
        name,
        kind: "tcp-client",
        state: "open" as const,
        options: { to: "x.i2p" },
        sessions: 1,
      },
      ...readMeter(counters),
    })
    const told: string[][] = []
    let whole = ""
    const list = () => [report("busy", meter.read()), report("quiet")]
    const telling = tellNumbers(
      list,
      (_event, data) => {
        told.push((data.tunnels as { name: string }[]).map(({ name }) => name))
        whole += JSON.stringify(data)
      },
      {
        clock,
        signal: over.signal,
      },
    )
    await clock.pass(15_000)
    for (let second = 0; second < 30; second++) {
      meter.moved(1, 1)
      await clock.pass(1_000)
    }
    await clock.pass(60_000)
    over.abort()
    await telling
    expect(told).toEqual([["busy", "quiet"], ["busy"], ["busy"]])
    expect(whole).not.toContain("x.i2p")
  })
})

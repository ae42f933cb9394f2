import { describe, expect, it } from "vitest"
import { openReporter, Pace, writeProgress } from "../../../src/cli/progress.ts"
import { writeBytes, writeSpan } from "../../../src/cli/quantity.ts"

const MIB = 1_048_576

describe("Pace.perSecond", () => {
  it("is that of the last ten seconds", () => {
    const pace = new Pace()
    pace.note(0, 0)
    expect(pace.perSecond).toBeUndefined()
    pace.note(1_000, 500)
    expect(pace.perSecond).toBe(500)
    for (let second = 2; second <= 20; second++) pace.note(second * 1_000, 500 + second * 10)
    expect(pace.perSecond).toBe(10)
  })

  it("begins anew when the count falls, and keeps few samples", () => {
    const pace = new Pace()
    pace.note(0, 900)
    pace.note(1_000, 0)
    expect(pace.perSecond).toBeUndefined()
    for (let ms = 0; ms < 10_000; ms++) pace.note(ms, ms)
    expect(pace.perSecond).toBeUndefined() // the last 128 span less than half a second
  })
})

describe("writeProgress()", () => {
  const half = { done: 32 * MIB, total: 64 * MIB, unit: "bytes", doing: "sending\x1b" } as const
  const whole =
    "[##########..........]  50%  32 MiB of 64 MiB  1.5 MiB/s  0:22 left  sending\\u{1b}"
  it.each([
    [whole.length, whole],
    [whole.length - 1, whole.replace("  sending\\u{1b}", "")],
    [50, "[##########..........]  50%  32 MiB of 64 MiB"],
    [5, "[##########..........]"],
  ])("fits into %i cells", (cellsMax, line) => {
    expect(writeProgress(half, 1.5 * MIB, { bar: true, cellsMax })).toBe(line)
  })

  it.each([
    [{ done: 3, unit: "items" }, undefined, "3"],
    [{ done: 3, total: 4, unit: "items" }, 2, "75%  3 of 4  2.0/s  0:01 left"],
    [{ done: 0, total: 0, unit: "bytes" }, undefined, "100%  0 B of 0 B"],
    [{ done: 9, total: 4, unit: "items" }, undefined, "100%  9 of 4"],
    [{ done: 1, total: 4, unit: "items" }, 0, "25%  1 of 4  0.0/s"],
  ] as const)("writes %j", (progress, perSecond, line) => {
    expect(writeProgress(progress, perSecond, { bar: false, cellsMax: 80 })).toBe(line)
  })
})

describe("openReporter()", () => {
  function open(columns: number | undefined) {
    const written: string[] = []
    let nowMs = 0
    const reporter = openReporter({
      write: (text) => written.push(text),
      columns,
      nowMs: () => nowMs,
    })
    const tell = (atMs: number, done: number) => {
      nowMs = atMs
      reporter.tell({ done, total: 100, unit: "items" })
    }
    return { reporter, tell, written }
  }

  it("redraws a bar ten times a second, and takes it away", () => {
    const { reporter, tell, written } = open(60)
    for (let ms = 0; ms <= 200; ms += 10) tell(ms, ms / 4)
    expect(written).toHaveLength(3)
    expect(written[1]).toContain("\r[#####...............]  25%")
    expect(written[1]?.endsWith("\x1b[K")).toBe(true)
    reporter.clear()
    reporter.clear()
    expect(written.slice(3)).toEqual(["\r\x1b[K"])
  })

  it("writes a plain line every five seconds elsewhere", () => {
    const { reporter, tell, written } = open(undefined)
    for (let second = 0; second <= 12; second++) tell(second * 1_000, second)
    reporter.clear()
    expect(written).toEqual([
      "5%  5 of 100  1.0/s  1:35 left\n",
      "10%  10 of 100  1.0/s  1:30 left\n",
    ])
  })
})

describe("writeBytes()", () => {
  it.each([
    [0, "0 B"],
    [1_023, "1023 B"],
    [1_024, "1 KiB"],
    [1_536, "1.5 KiB"],
    [150 * MIB + 5, "150 MiB"],
    [2 ** 60, "1024 PiB"],
  ])("writes %i as %s", (byteCount, text) => {
    expect(writeBytes(byteCount)).toBe(text)
  })
})

describe("writeSpan()", () => {
  it.each([
    [0, "0:00"],
    [6.2, "0:07"],
    [83, "1:23"],
    [7_384, "2:03:04"],
  ])("writes %f s as %s", (seconds, text) => {
    expect(writeSpan(seconds)).toBe(text)
  })
})

import { describe, expect, it } from "vitest"
import { openLog } from "../../../src/base/log.ts"

describe("openLog()", () => {
  it("writes one JSON document a line, with the room before the event", () => {
    const lines: string[] = []
    const log = openLog({ level: "info", write: (line) => lines.push(line), now: () => 0 })
    log.child("session").warn("down", { tries: 3 })
    expect(lines).toEqual([
      '{"at":"1970-01-01T00:00:00.000Z","level":"warn","event":"session.down","tries":3}',
    ])
  })

  it("keeps to itself what is below its level", () => {
    const lines: string[] = []
    const log = openLog({ level: "warn", write: (line) => lines.push(line), now: () => 0 })
    log.debug("a")
    log.info("b")
    log.error("c")
    expect(lines).toHaveLength(1)
  })
})

import { describe, expect, it } from "vitest"
import { Counters } from "../../../src/base/counters.ts"
import { AlliumError } from "../../../src/base/errors.ts"

describe("Counters", () => {
  it("shows its names from the start, and failures by their code", () => {
    const counters = new Counters(["connections"])
    counters.add("connections", 2)
    expect(counters.fail(new AlliumError("BUSY", "Cannot go on"))).toBe("BUSY")
    expect(counters.fail(new Error("whatever"))).toBe("INTERNAL")
    expect(counters.read()).toEqual({ connections: 2, "failed.BUSY": 1, "failed.INTERNAL": 1 })
  })
})

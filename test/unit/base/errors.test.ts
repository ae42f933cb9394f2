import { describe, expect, it } from "vitest"
import { AlliumError, isAlliumError, toAlliumError } from "../../../src/base/errors.ts"

describe("toAlliumError()", () => {
  it.each([
    { thrown: new AlliumError("NOT_FOUND", "Cannot find x"), code: "NOT_FOUND" },
    { thrown: new DOMException("gave up", "AbortError"), code: "ABORTED" },
    { thrown: new DOMException("too late", "TimeoutError"), code: "TIMED_OUT" },
    { thrown: new RangeError("a fault of ours"), code: "INTERNAL" },
    { thrown: "a text", code: "INTERNAL" },
  ])("brings $thrown to $code", ({ thrown, code }) => {
    expect(toAlliumError(thrown)).toMatchObject({ name: "AlliumError", code })
  })

  it("never shows the text of an unexpected fault", () => {
    const secret = "abandon abandon about"
    expect(toAlliumError(new Error(secret)).message).not.toContain(secret)
  })
})

describe("AlliumError", () => {
  it("takes its outcome from the catalogue, a plugin's own code is a plain failure", () => {
    expect(new AlliumError("BAD_INPUT", "…").outcome).toMatchObject({ status: 400, exit: 2 })
    expect(new AlliumError("PLUGIN_SAD", "…").outcome).toEqual({ status: 500, exit: 1 })
  })

  it("is told apart by code", () => {
    const error: unknown = new AlliumError("BUSY", "…")
    expect([
      isAlliumError(error),
      isAlliumError(error, "BUSY"),
      isAlliumError(error, "ABORTED"),
    ]).toEqual([true, true, false])
  })
})

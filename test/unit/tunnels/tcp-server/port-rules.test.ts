import { describe, expect, it } from "vitest"
import { parsePortRule, ruleFor } from "../../../../tunnels/tcp-server/port-rules.ts"

describe("parsePortRule()", () => {
  it.each([
    ["8080", { port: "any", target: "8080" }],
    ["80 -> 127.0.0.1:8080", { port: 80, target: "127.0.0.1:8080" }],
    ["443->unix:/run/x", { port: 443, target: "unix:/run/x" }],
    ["* -> refuse", { port: "any", target: "refuse" }],
  ])("reads %j", (text, rule) => {
    expect(parsePortRule(text)).toEqual(rule)
  })

  it.each(["-> 80", "80 ->", "65536 -> 80", "x -> 80", "80 80 -> 1"])("refuses %j", (text) => {
    expect(() => parsePortRule(text)).toThrow(expect.objectContaining({ code: "BAD_INPUT" }))
  })
})

describe("ruleFor()", () => {
  it("takes the first that fits", () => {
    const rules = ["80 -> a", "* -> b", "22 -> c"].map(parsePortRule)
    expect([80, 0, 22].map((port) => ruleFor(rules, port)?.target)).toEqual(["a", "b", "b"])
    expect(ruleFor(rules.slice(0, 1), 81)).toBeUndefined()
  })
})

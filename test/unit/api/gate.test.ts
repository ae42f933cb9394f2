import type { IncomingMessage } from "node:http"
import { describe, expect, it } from "vitest"
import { checkCaller, loopbackDoor, SOCKET_DOOR } from "../../../src/api/gate.ts"
import { TokenGuard } from "../../../src/api/token.ts"

const loopback = loopbackDoor(4000, new TokenGuard("right", { monotonicMs: () => 0 }))
const GOOD: Record<string, string> = {
  host: "127.0.0.1:4000",
  authorization: "Bearer right",
  "content-type": "application/json",
}

function outcome(
  door: typeof loopback,
  change: Record<string, string | undefined>,
  method = "POST",
) {
  const all = Object.entries({ ...GOOD, ...change }).filter((pair) => pair[1] !== undefined)
  const headers = Object.fromEntries(all)
  const headersDistinct = { host: headers.host?.split("|") }
  try {
    checkCaller({ method, headers, headersDistinct } as unknown as IncomingMessage, door)
    return "in"
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe("checkCaller() on loopback", () => {
  it.each([
    ["the right one", {}, "in"],
    ["localhost", { host: "localhost:4000" }, "in"],
    ["Localhost", { host: "LOCALHOST:4000" }, "in"],
    [
      "a page of our own",
      { origin: "http://127.0.0.1:4000", "sec-fetch-site": "same-origin" },
      "in",
    ],
    ["an address typed into a browser", { "sec-fetch-site": "none" }, "in"],
    ["a rebound name", { host: "evil.example:4000" }, "WRONG_HOST"],
    ["a name that begins like ours", { host: "localhost.evil.example:4000" }, "WRONG_HOST"],
    ["0.0.0.0", { host: "0.0.0.0:4000" }, "WRONG_HOST"],
    ["another port", { host: "127.0.0.1:4001" }, "WRONG_HOST"],
    ["no port", { host: "127.0.0.1" }, "WRONG_HOST"],
    ["another loopback address", { host: "127.0.0.2:4000" }, "WRONG_HOST"],
    ["two hosts", { host: "127.0.0.1:4000|evil.example" }, "WRONG_HOST"],
    ["no host", { host: undefined }, "WRONG_HOST"],
    ["another origin", { origin: "https://evil.example" }, "WRONG_ORIGIN"],
    ["a page without origin", { origin: "null" }, "WRONG_ORIGIN"],
    ["a page of another port", { origin: "http://127.0.0.1:4001" }, "WRONG_ORIGIN"],
    ["a page of our other name", { origin: "http://localhost:4000" }, "WRONG_ORIGIN"],
    ["our page over TLS", { origin: "https://127.0.0.1:4000" }, "WRONG_ORIGIN"],
    ["a cross-site fetch", { "sec-fetch-site": "cross-site" }, "WRONG_ORIGIN"],
    ["a same-site fetch", { "sec-fetch-site": "same-site" }, "WRONG_ORIGIN"],
    ["a form", { "content-type": "application/x-www-form-urlencoded" }, "NOT_JSON"],
    ["a form of plain text", { "content-type": "text/plain" }, "NOT_JSON"],
    ["no content type", { "content-type": undefined }, "NOT_JSON"],
    ["another charset", { "content-type": "application/json; charset=utf-16" }, "NOT_JSON"],
    ["a named charset", { "content-type": "application/json; charset=UTF-8" }, "in"],
    ["a packed body", { "content-encoding": "gzip" }, "NOT_JSON"],
    ["no token", { authorization: undefined }, "UNAUTHORIZED"],
    ["a wrong token", { authorization: "Bearer wrong" }, "UNAUTHORIZED"],
  ])("meets %s", (_, change, expected) => {
    expect(outcome(loopback, change)).toBe(expected)
  })

  it("checks in the fixed order", () => {
    const faults = {
      host: "evil.example",
      origin: "null",
      "sec-fetch-site": "cross-site",
      "content-type": "text/plain",
      authorization: "Bearer wrong",
    }
    const seen: string[] = []
    for (const name of Object.keys(faults) as (keyof typeof faults)[]) {
      seen.push(outcome(loopback, faults))
      delete (faults as Partial<typeof faults>)[name]
    }
    expect(seen).toEqual(["WRONG_HOST", "WRONG_ORIGIN", "WRONG_ORIGIN", "NOT_JSON", "UNAUTHORIZED"])
  })

  it.each([
    ["GET", "in"],
    ["OPTIONS", "NOT_JSON"],
    ["HEAD", "NOT_JSON"],
    ["DELETE", "NOT_JSON"],
  ])("asks a %s without JSON: %s", (method, expected) => {
    expect(outcome(loopback, { "content-type": undefined }, method)).toBe(expected)
  })
})

describe("checkCaller() on the Unix socket", () => {
  it.each([
    ["no token", { host: "allium", authorization: undefined }, "in"],
    ["curl", { host: "localhost", authorization: undefined }, "in"],
    ["a name from the net", { host: "evil.example" }, "WRONG_HOST"],
    ["any web page", { host: "localhost", origin: "http://localhost" }, "WRONG_ORIGIN"],
  ])("meets %s", (_, change, expected) => {
    expect(outcome(SOCKET_DOOR, change)).toBe(expected)
  })
})

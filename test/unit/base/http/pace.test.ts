import type { IncomingMessage } from "node:http"
import { PassThrough } from "node:stream"
import { describe, expect, it } from "vitest"
import { watchBody } from "../../../../src/base/http/pace.ts"

/** A request whose body the test writes. */
function requestWithBody() {
  const body = new PassThrough()
  const headers = { "transfer-encoding": "chunked" }
  return { body, request: Object.assign(body, { headers }) as unknown as IncomingMessage }
}

/** Resolves with the code of the first fault. */
const faultOf = (request: IncomingMessage, bytesMax: number, lookEveryMs?: number) =>
  new Promise<string>((resolve) =>
    watchBody(request, bytesMax, ({ code }) => resolve(code), lookEveryMs),
  )

describe("watchBody()", () => {
  it("B5: gives up a body that comes byte by byte", async () => {
    const { body, request } = requestWithBody()
    const fault = faultOf(request, 1_000, 60)
    request.resume()
    const drip = setInterval(() => body.write("x"), 20)
    expect(await fault).toBe("TOO_SLOW")
    clearInterval(drip)
    body.destroy()
  })

  it("does not blame a visitor for a program that does not read", async () => {
    const { body, request } = requestWithBody()
    let fault = ""
    const stop = watchBody(request, 1_000, ({ code }) => (fault = code), 20)
    body.write("x")
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(fault).toBe("")
    stop()
    body.destroy()
  })

  it("stops a body that is longer than allowed, wherever it says no length", async () => {
    const { body, request } = requestWithBody()
    const fault = faultOf(request, 1_000)
    request.resume()
    body.write(Buffer.alloc(1_001))
    expect(await fault).toBe("TOO_LARGE")
    body.destroy()
  })
})

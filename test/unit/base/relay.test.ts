import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { describe, expect, it } from "vitest"
import { relay } from "../../../src/base/relay.ts"

/** Two ends of one TCP connection. */
async function socketPair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  const left = connect({ port, host: "127.0.0.1", allowHalfOpen: true })
  const [right] = (await once(server, "connection")) as [Socket]
  server.close()
  return [left, right]
}

describe("relay()", () => {
  it("carries both directions and a half-close", async () => {
    const [client, left] = await socketPair()
    const [right, server] = await socketPair()
    const relaying = relay(left, right)
    client.end("question")
    let asked = ""
    for await (const chunk of server.iterator({ destroyOnReturn: false })) asked += chunk
    server.end(`answer to ${asked}`)
    let answer = ""
    for await (const chunk of client) answer += chunk
    await relaying
    expect(answer).toBe("answer to question")
  })

  it("destroys both when the signal aborts", async () => {
    const [client, left] = await socketPair()
    const [right, server] = await socketPair()
    const abort = new AbortController()
    const relaying = relay(left, right, { signal: abort.signal })
    abort.abort()
    await expect(relaying).rejects.toMatchObject({ name: "AbortError" })
    expect([left.destroyed, right.destroyed]).toEqual([true, true])
    client.destroy()
    server.destroy()
  })
})

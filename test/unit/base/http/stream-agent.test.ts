import { once } from "node:events"
import { createServer, get, type IncomingMessage } from "node:http"
import { type AddressInfo, connect, type Socket } from "node:net"
import { text } from "node:stream/consumers"
import { afterEach, describe, expect, it } from "vitest"
import { type DialForHttp, StreamAgent } from "../../../../src/base/http/stream-agent.ts"
import { Scope } from "../../../../src/base/scope.ts"

describe("StreamAgent", () => {
  let scope = new Scope()
  afterEach(async () => {
    await scope.close()
    scope = new Scope()
  })

  /** An agent whose dials wait until they are let go, in order; `end` says how. */
  async function openAgent(perHostMax: number, totalMax = 100) {
    const server = createServer(({ url }, response) => void response.end(url))
    await once(server.listen(0, "127.0.0.1"), "listening")
    scope.defer(() => {
      server.close()
      server.closeAllConnections()
    })
    const { port } = server.address() as AddressInfo
    const sockets: Socket[] = []
    const dials: { host: string; end: (error?: Error) => void }[] = []
    const dial: DialForHttp = ({ host }) =>
      new Promise((resolve, reject) => {
        const open = () => {
          const socket = connect({ host: "127.0.0.1", port })
          sockets.push(socket)
          resolve(socket)
        }
        dials.push({ host, end: (error) => (error === undefined ? open() : reject(error)) })
      })
    const agent = new StreamAgent(dial, { perHostMax, totalMax, keepMs: 5_000 })
    scope.defer(() => agent.destroy())
    const ask = async (path: string, host = "a") => {
      const asked = get({ agent, host, path })
      const [answer] = (await once(asked, "response")) as [IncomingMessage]
      return text(answer)
    }
    return { agent, dials, sockets, ask }
  }

  it("opens no more connections to a host than its bound, however long each takes", async () => {
    const { dials, ask } = await openAgent(2)
    const asked = ["/1", "/2", "/3", "/4", "/5"].map((path) => ask(path))
    expect(dials).toHaveLength(2)
    for (const { end } of dials) end()
    expect(await Promise.all(asked)).toEqual(["/1", "/2", "/3", "/4", "/5"])
    expect(dials).toHaveLength(2)
  })

  it("tells all who wait for a host when none can be opened, and forgets the host", async () => {
    const { agent, dials, ask } = await openAgent(1)
    const asked = ["/1", "/2", "/3"].map((path) => ask(path))
    const ended = Promise.allSettled(asked)
    dials[0]!.end(new Error("away"))
    for (const { status } of await ended) expect(status).toBe("rejected")
    await expect(asked[2]).rejects.toThrow("away")
    expect([dials.length, Object.keys(agent.sockets), Object.keys(agent.requests)]).toEqual([
      1,
      [],
      [],
    ])
  })

  it("opens one for another host once a dial that took the last place has failed", async () => {
    const { dials, ask } = await openAgent(1, 1)
    const first = ask("/1", "a")
    const second = ask("/2", "b")
    expect(dials.map(({ host }) => host)).toEqual(["a"])
    dials[0]!.end(new Error("away"))
    await expect(first).rejects.toThrow("away")
    expect(dials.map(({ host }) => host)).toEqual(["a", "b"])
    dials[1]!.end()
    expect(await second).toBe("/2")
  })

  it("closes a connection that comes after its end", async () => {
    const { agent, dials, sockets, ask } = await openAgent(1)
    const asked = ask("/")
    agent.destroy()
    dials[0]!.end()
    await expect(asked).rejects.toThrow()
    expect(sockets[0]!.destroyed).toBe(true)
  })
})

/**
 * What `tcp-client` and `tcp-server` promise, whatever the network below.
 *
 * @module
 */
import { randomBytes, X509Certificate } from "node:crypto"
import { once } from "node:events"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { platform, tmpdir } from "node:os"
import { join } from "node:path"
import type { Duplex } from "node:stream"
import { buffer } from "node:stream/consumers"
import { setTimeout as wait } from "node:timers/promises"
import { createServer as createTlsServer } from "node:tls"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { type Clock, systemClock } from "../../../src/base/clock.ts"
import { Scope } from "../../../src/base/scope.ts"
import { tcpClient } from "../../../tunnels/tcp-client/index.ts"
import { tcpServer } from "../../../tunnels/tcp-server/index.ts"
import { type FakeNetwork, fakeDestination } from "../../support/fake-session.ts"
import { openFakeTunnelContext } from "../../support/fake-tunnel-context.ts"
import { projectRoot } from "../../support/project.ts"

/** Runs every promise on a network of its own; what `openNetwork` opens, it hands to the scope. */
export function describeTcpTunnels(
  name: string,
  openNetwork: (scope: Scope) => Promise<FakeNetwork>,
): void {
  describe(name, () => {
    let scope = new Scope()
    afterEach(async () => {
      await scope.close()
      scope = new Scope()
    })

    /** A program that listens on loopback and does `serve` with each connection. */
    async function startProgram(serve: (local: Socket) => void): Promise<string> {
      const server: Server = createServer({ allowHalfOpen: true }, (local) => {
        scope.defer(() => local.destroy())
        local.on("error", () => {})
        serve(local)
      })
      server.listen(0, "127.0.0.1")
      await once(server, "listening")
      scope.defer(() => server.close())
      return `127.0.0.1:${(server.address() as AddressInfo).port}`
    }

    function dialProgram(address: string): Socket {
      const local = connect({
        host: "127.0.0.1",
        port: Number(address.split(":")[1]),
        allowHalfOpen: true,
      })
      scope.defer(() => local.destroy())
      return local
    }

    /** Resolves when the connection is over, whoever ended it and how. */
    async function gone(stream: Duplex): Promise<void> {
      stream.on("error", () => {})
      stream.on("end", () => stream.end())
      stream.resume()
      if (!stream.destroyed) await new Promise((resolve) => stream.once("close", resolve))
    }

    const whole = new Scope()
    let network: FakeNetwork
    beforeAll(async () => {
      network = await openNetwork(whole)
    })
    afterAll(() => whole.close())

    async function openServer(options: Record<string, unknown>, clock: Clock = systemClock) {
      const context = scope.use(await openFakeTunnelContext(network, { clock }))
      return scope.use(await tcpServer.open(context, tcpServer.options.parse(options)))
    }

    async function openClient(options: Record<string, unknown>) {
      const context = scope.use(await openFakeTunnelContext(network))
      const tunnel = scope.use(await tcpClient.open(context, tcpClient.options.parse(options)))
      return { tunnel, context }
    }

    const echo = (local: Socket) => void local.pipe(local)

    describe("tcp-client and tcp-server", () => {
      it("carry bytes both ways, and the half-close between a program and its tunnel", async () => {
        const server = await openServer({ expose: await startProgram(echo), lingerSeconds: 1 })
        const { tunnel } = await openClient({ to: [server.address], lingerSeconds: 2 })
        const bytes = randomBytes(3 * 2 ** 20)
        const local = dialProgram(tunnel.listens!)
        local.end(bytes)
        let got = 0
        local.on("data", (chunk: Buffer) => {
          got += chunk.length
        })
        await once(local, "end")
        expect(got).toBe(bytes.length)
        await expect
          .poll(() => [tunnel.counters().bytesIn, server.counters().bytesOut])
          .toEqual([bytes.length, bytes.length])
      })

      it("deliver the whole answer of a program that closes at once, to one that reads late", async () => {
        const bytes = randomBytes(8 * 2 ** 20)
        const expose = await startProgram((local) => local.end(bytes))
        const server = await openServer({ expose, lingerSeconds: 1 })
        const { tunnel } = await openClient({ to: [server.address] })
        network.faults.tailLoss = true
        scope.defer(() => {
          network.faults.tailLoss = false
        })
        const local = dialProgram(tunnel.listens!)
        local.pause()
        await wait(1_500) // longer than the linger: the server's side has closed by now
        const got = buffer(local)
        expect((await got).equals(bytes)).toBe(true)
        local.end()
      })

      it("close the program's connection when nobody is there, and say so in the counters", async () => {
        const { tunnel } = await openClient({ to: [fakeDestination().b32] })
        const local = dialProgram(tunnel.listens!)
        await gone(local)
        expect(tunnel.counters()).toMatchObject({ connections: 1, "failed.PEER_UNREACHABLE": 1 })
      })
    })

    describe("tcp-client", () => {
      it("takes the first destination that answers, and begins with it the next time", async () => {
        const server = await openServer({ expose: await startProgram(echo) })
        const away = fakeDestination().b32
        const { tunnel, context } = await openClient({ to: [away, server.address] })
        for (const word of ["one", "two"]) {
          const local = dialProgram(tunnel.listens!)
          local.write(word)
          expect(String((await once(local, "data"))[0])).toBe(word)
          local.destroy()
        }
        expect(context.dialled).toEqual([away, server.address, server.address])
      })

      it.each([
        "0.0.0.0:0",
        "192.168.1.5:80",
        "[::]:0",
        "example.i2p:80",
        "70000",
        "-1",
        "1.2.3:4",
      ])("refuses to listen on %s", async (listen) => {
        await expect(openClient({ to: ["a.i2p"], listen })).rejects.toMatchObject({
          code: "BAD_INPUT",
        })
      })

      it("listens on another address when that was allowed", async () => {
        const { tunnel } = await openClient({ to: ["a.i2p"], listen: "0.0.0.0:0", allowLan: true })
        expect(tunnel.listens).toMatch(/^0\.0\.0\.0:\d+$/)
      })

      it("says PORT_TAKEN when another program has the port", async () => {
        const listen = await startProgram(echo)
        await expect(openClient({ to: ["a.i2p"], listen })).rejects.toMatchObject({
          code: "PORT_TAKEN",
        })
      })

      it("refuses connections beyond its bound", async () => {
        const server = await openServer({ expose: await startProgram(echo) })
        const { tunnel } = await openClient({ to: [server.address], connections: 1 })
        const first = dialProgram(tunnel.listens!)
        first.write("hi")
        await once(first, "data")
        const second = dialProgram(tunnel.listens!)
        await gone(second)
        expect(tunnel.counters()).toMatchObject({
          connections: 1,
          refused: 1,
          bytesIn: 2,
          bytesOut: 2,
        })
      })

      it("ends every connection with the tunnel", async () => {
        const server = await openServer({ expose: await startProgram(echo) })
        const { tunnel } = await openClient({ to: [server.address] })
        const local = dialProgram(tunnel.listens!)
        local.on("error", () => {})
        local.write("hi")
        await once(local, "data")
        await tunnel[Symbol.asyncDispose]()
        await gone(local)
        const late = dialProgram(tunnel.listens!)
        expect(((await once(late, "error")) as [NodeJS.ErrnoException])[0].code).toBe(
          "ECONNREFUSED",
        )
      })
    })

    describe("tcp-server", () => {
      it("lets in only who is on its list", async () => {
        const expose = await startProgram(echo)
        const friend = scope.use(network.open())
        const stranger = scope.use(network.open())
        const server = await openServer({ expose, allow: [friend.destination.b32] })
        const call = { signal: scope.signal }
        const refused = await stranger.connect(server.address!, call)
        await gone(refused)
        const accepted = await friend.connect(server.address!, call)
        accepted.write("friend")
        expect(String((await once(accepted, "data"))[0])).toBe("friend")
        expect(server.counters()).toMatchObject({ connections: 1, refused: 1 })
      })

      it("bounds the connections of one peer, and lets it in again when one has ended", async () => {
        const server = await openServer({
          expose: await startProgram(echo),
          connectionsPerPeer: 1,
          lingerSeconds: 0,
        })
        const peer = scope.use(network.open())
        const ask = async () => {
          const stream = await peer.connect(server.address!, { signal: scope.signal })
          stream.on("error", () => {})
          stream.write("x")
          const answered = once(stream, "data").then(() => true)
          const ended = once(stream, "end").then(() => false)
          return { stream, answered: await Promise.race([answered, ended]) }
        }
        const first = await ask()
        expect([first.answered, (await ask()).answered]).toEqual([true, false])
        first.stream.destroy()
        await expect.poll(async () => (await ask()).answered).toBe(true)
      })

      it("closes the stream when its program does not run", async () => {
        const free = await startProgram(echo)
        await scope.close()
        scope = new Scope()
        const server = await openServer({ expose: free })
        const peer = scope.use(network.open())
        const stream = await peer.connect(server.address!, { signal: scope.signal })
        await gone(stream)
        expect(server.counters()).toMatchObject({ "failed.BACKEND_DOWN": 1 })
      })

      /** What a stream from a new peer brings back for a word; `""` when it is closed. */
      async function askOnce(address: string, toPort?: number): Promise<string> {
        const peer = scope.use(network.open())
        const call = { signal: scope.signal, ...(toPort !== undefined && { toPort }) }
        const stream = await peer.connect(address, call)
        stream.on("error", () => {})
        stream.write("hi")
        const answer = once(stream, "data").then(([chunk]) => String(chunk))
        return Promise.race([answer, once(stream, "end").then(() => "")])
      }

      it("A18: keeps a stream from the program when a filter file says so", async () => {
        const folder = await mkdtemp(join(tmpdir(), "allium-filter-"))
        scope.defer(() => rm(folder, { recursive: true }))
        const filter = join(folder, "filter.txt")
        const friend = scope.use(network.open())
        await writeFile(filter, `deny default\nallow explicit ${friend.destination.b32}\n`)
        let connections = 0
        const expose = await startProgram((local) => {
          connections += 1
          echo(local)
        })
        const server = await openServer({ expose, filter })
        expect(await askOnce(server.address!)).toBe("")
        expect(connections).toBe(0)
        const accepted = await friend.connect(server.address!, { signal: scope.signal })
        accepted.write("friend")
        expect(String((await once(accepted, "data"))[0])).toBe("friend")
      })

      it("leads to Unix sockets, and closes what a rule refuses or none fits", async () => {
        const folder = await mkdtemp(join(tmpdir(), "allium-socket-"))
        scope.defer(() => rm(folder, { recursive: true }))
        const program = createServer((local) => local.on("error", () => {}).pipe(local))
        program.listen(join(folder, "s"))
        await once(program, "listening")
        scope.defer(() => program.close())
        const leads = await openServer({ expose: [`* -> unix:${folder}/s`] })
        expect(await askOnce(leads.address!)).toBe("hi")
        const refuses = await openServer({ expose: [`* -> refuse`, `* -> unix:${folder}/s`] })
        expect(await askOnce(refuses.address!)).toBe("")
        const fits = await openServer({ expose: [`7777 -> unix:${folder}/s`] })
        expect(await askOnce(fits.address!)).toBe("")
      })

      it("B5: holds no connection to the program for a client that says nothing, when it is to speak first", async () => {
        let connections = 0
        const expose = await startProgram((local) => {
          connections += 1
          echo(local)
        })
        const server = await openServer({ expose, clientFirst: true })
        const peer = scope.use(network.open())
        for (let index = 0; index < 20; index++) {
          const stream = await peer.connect(server.address!, { signal: scope.signal })
          stream.on("error", () => {})
        }
        expect(await askOnce(server.address!)).toBe("hi")
        expect(connections).toBe(1)
      })

      it.each([
        ["proxy-v1", /^PROXY TCP6 fd[0-9a-f]{2}(:[0-9a-f]{4}){7} ::1 0 \d+\r\nhi/],
        ["proxy-v2", /^\r\n\r\n\0\r\nQUIT\n[\s\S]*[a-z2-7]{52}\.b32\.i2phi/],
      ])(
        "tells the program who connects, before anything else, by %s",
        async (clientAddress, expected) => {
          const server = await openServer({ expose: await startProgram(echo), clientAddress })
          const peer = scope.use(network.open())
          const stream = await peer.connect(server.address!, { signal: scope.signal })
          stream.on("error", () => {}).write("hi")
          let got = ""
          stream.on("data", (chunk: Buffer) => {
            got += chunk.toString("latin1")
          })
          await expect.poll(() => got).toMatch(expected)
        },
      )

      it.runIf(platform() === "linux")("gives each client an address of its own", async () => {
        const addresses = new Set<string>()
        const expose = await startProgram((local) => {
          addresses.add(local.remoteAddress ?? "")
          echo(local)
        })
        const server = await openServer({ expose, clientAddress: "loopback" })
        await askOnce(server.address!)
        await askOnce(server.address!)
        expect(addresses.size).toBe(2)
        for (const address of addresses) expect(address).toMatch(/^127\.(?!0\.)/)
      })

      it("speaks TLS to a program that proves who it is, and to no other", async () => {
        const folder = join(projectRoot, "test/vectors/tls")
        const cert = await readFile(join(folder, "certificate.pem"))
        const key = await readFile(join(folder, "key.pem"))
        const program = createTlsServer({ cert, key }, (local) =>
          local.on("error", () => {}).pipe(local),
        )
        program.on("tlsClientError", () => {})
        program.listen(0, "127.0.0.1")
        await once(program, "listening")
        scope.defer(() => program.close())
        const expose = `${(program.address() as AddressInfo).port}`
        const tlsPin = new X509Certificate(cert).fingerprint256
        const tlsCa = join(folder, "certificate.pem")
        const ask = async (more: Record<string, unknown>) =>
          askOnce((await openServer({ expose, tls: true, ...more })).address!)
        expect(await ask({ tlsPin })).toBe("hi")
        expect(await ask({ tlsCa })).toBe("hi")
        expect(await ask({})).toBe("")
        expect(await ask({ tlsCa, tlsName: "elsewhere" })).toBe("")
        expect(await ask({ tlsPin: "0".repeat(64) })).toBe("")
      })

      it("ends a connection whose destination has used up its bytes", async () => {
        const standing = { ...systemClock, monotonicMs: () => 0 } // bytes come back as time passes
        const options = { expose: await startProgram(echo), hourlyMib: 1 }
        const server = await openServer(options, standing)
        const peer = scope.use(network.open())
        const stream = await peer.connect(server.address!, { signal: scope.signal })
        stream.write(randomBytes(2 ** 20 + 1))
        await gone(stream)
        const again = await peer.connect(server.address!, { signal: scope.signal })
        await gone(again)
        expect(server.counters()).toMatchObject({ connections: 1, refused: 1 })
      })

      it.each(["10.0.0.1:80", "example.com:80", "0", "unix:x", "99999 -> 80"])(
        "refuses to expose %s",
        async (expose) => {
          await expect(openServer({ expose })).rejects.toMatchObject({ code: "BAD_INPUT" })
        },
      )
    })
  })
}

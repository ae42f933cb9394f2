/**
 * A client nobody here wrote, `@diva.exchange/i2p-sam`, as a witness that a bridge speaks SAM.
 *
 * Its sessions have DSA keys, because it names no SIGNATURE_TYPE, and each stream is a session of its own.
 */
import { createSocket } from "node:dgram"
import { type EventEmitter, once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { setTimeout as wait } from "node:timers/promises"
import {
  createDatagram,
  createForward,
  createLocalDestination,
  createRaw,
  createStream,
  lookup,
  toB32,
} from "@diva.exchange/i2p-sam"
import { afterAll, describe, expect, it } from "vitest"
import type { SamBridgeFixture } from "./sam-contract.ts"

const PAUSE_MS = 500
const ARRIVAL_MS = 15_000

interface Closable extends EventEmitter {
  close(): void
}

/** Runs the suite. */
export function describeForeignClient(name: string, fixture: SamBridgeFixture): void {
  describe(`@diva.exchange/i2p-sam on ${name}`, () => {
    const opened: Closable[] = []
    afterAll(() => {
      for (const one of opened) one.close()
    })

    async function sam(which: "near" | "far") {
      const ports = await fixture.ports()
      const portTCP = (which === "near" ? ports[0] : (ports[1] ?? ports[0])) ?? 0
      const portUDP = await fixture.udpPort(portTCP)
      return {
        host: "127.0.0.1",
        portTCP,
        portUDP,
        timeout: fixture.waitMs / 1000,
        versionMin: "3.1",
      }
    }
    /** Its `close()` is protected by type only; errors must be listened to. */
    function keep<T extends EventEmitter>(one: T): T {
      one.on("error", () => {})
      opened.push(one as unknown as Closable)
      return one
    }

    it("makes a destination: createLocalDestination()", async () => {
      const made = await createLocalDestination({ sam: await sam("near") })
      expect(made.public).toHaveLength(516)
      expect(made.address).toBe(`${toB32(made.public)}.b32.i2p`)
    })

    it(
      "meets itself: createForward(), createStream() and lookup()",
      async () => {
        const server = createServer().listen(0, "127.0.0.1")
        await once(server, "listening")
        const { port } = server.address() as AddressInfo
        const forward = { host: "127.0.0.1", port, silent: false }
        const listening = keep(await createForward({ sam: await sam("near"), forward }))
        const arrival = once(server, "connection")
        const address = listening.getB32Address()
        const found = await patiently(fixture, async () =>
          lookup({ sam: await sam("far") }, address),
        )
        expect(found).toBe(listening.getPublicKey())
        const stream = { destination: listening.getPublicKey() }
        const { calling, socket } = await patiently(fixture, async () => {
          const dialled = keep(await createStream({ sam: await sam("far"), stream }))
          dialled.stream(Buffer.from("from a foreign client\n"))
          // A stream may be silent although the router said OK: then another one is opened.
          const waited = once(AbortSignal.timeout(ARRIVAL_MS), "abort").then(() => [])
          const [arrived] = (await Promise.race([arrival, waited])) as [Socket?]
          if (arrived === undefined) throw new Error("nothing arrived")
          return { calling: dialled, socket: arrived }
        })
        const [from = "", text] = await linesOf(socket, 2)
        expect(from.split(" ")[0]).toBe(calling.getPublicKey())
        expect(text).toBe("from a foreign client")
        socket.write("and back")
        expect(`${(await once(calling, "data"))[0]}`).toBe("and back")
        socket.destroy()
        server.close()
      },
      fixture.waitMs * 4,
    )

    it.each([
      { what: "createDatagram()", create: createDatagram, tells: true },
      { what: "createRaw()", create: createRaw, tells: false },
    ])(
      "sends and receives: $what",
      async ({ create, tells }) => {
        const listen = { address: "127.0.0.1", port: await freeUdpPort() }
        const [receiver, sender] = await Promise.all([
          create({ sam: await sam("near"), listen }).then(keep),
          create({ sam: await sam("far") }).then(keep),
        ])
        const arrival = once(receiver, "data", { signal: AbortSignal.timeout(fixture.waitMs) })
        const send = () => sender.send(receiver.getPublicKey(), Buffer.from("a datagram"))
        const again = setInterval(send, 1000)
        send()
        const [payload, from] = await arrival.finally(() => clearInterval(again))
        expect(`${payload}`).toBe("a datagram")
        if (tells) expect(`${from}`.split(" ")[0]).toBe(sender.getPublicKey())
      },
      fixture.waitMs * 3,
    )
  })
}

/** A LeaseSet may not be found at once. */
async function patiently<T>(fixture: SamBridgeFixture, attempt: () => Promise<T>): Promise<T> {
  const endMs = Date.now() + fixture.waitMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > endMs) throw error
      await wait(PAUSE_MS)
    }
  }
}

async function linesOf(socket: Socket, count: number): Promise<string[]> {
  let text = ""
  for await (const bytes of socket.iterator({ destroyOnReturn: false })) {
    text += bytes
    if (text.split("\n").length > count) break
  }
  return text.split("\n").slice(0, count)
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1")
  await once(socket, "listening")
  const { port } = socket.address()
  socket.close()
  return port
}

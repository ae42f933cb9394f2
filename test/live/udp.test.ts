/**
 * Datagrams of programs through `udp-client` and `udp-server`, over real i2pd.
 *
 * Run it with `npm run testnet -- npx vitest run --project live test/live/udp.test.ts`.
 */
import { randomBytes } from "node:crypto"
import { createSocket, type Socket } from "node:dgram"
import { once } from "node:events"
import { setTimeout as wait } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Scope } from "../../src/base/scope.ts"
import {
  deriveDestinationKeys,
  openSupervisedDatagrams,
  openSupervisedSession,
} from "../../src/sam/index.ts"
import { udpClient } from "../../tunnels/udp-client/index.ts"
import { udpServer } from "../../tunnels/udp-server/index.ts"
import type { FakeNetwork } from "../support/fake-session.ts"
import { openFakeTunnelContext } from "../support/fake-tunnel-context.ts"

const ports = (process.env.ALLIUM_TESTNET_SAM_PORTS ?? "").split(",").filter(Boolean).map(Number)
const [near, far] = [ports[0], ports.at(-1)]

function side(port: number): FakeNetwork {
  const bridge = { host: "127.0.0.1", port }
  return {
    faults: { tailLoss: true },
    open: () => openSupervisedSession({ bridge, keys: "transient" }),
    openDatagrams: (style) => {
      const keys = deriveDestinationKeys(randomBytes(32)).privateKeyFile
      return openSupervisedDatagrams({ bridge: async () => bridge, keys, style })
    },
  }
}

if (near === undefined || far === undefined || near === far)
  describe("datagrams over i2pd", () => {
    it.skip("needs ALLIUM_TESTNET_SAM_PORTS: run it with `npm run testnet`", () => {})
  })
else
  describe("datagrams over i2pd", () => {
    const scope = new Scope()
    const doors: number[] = []

    async function program(hear: (text: string, from: number) => void): Promise<Socket> {
      const socket = createSocket("udp4")
      scope.defer(() => socket.close())
      socket.bind(0, "127.0.0.1")
      await once(socket, "listening")
      socket.on("message", (bytes, from) => hear(bytes.toString("latin1"), from.port))
      return socket
    }

    beforeAll(async () => {
      const echo = await program((text, from) => echo.send(`re: ${text}`, from, "127.0.0.1"))
      const there = scope.use(await openFakeTunnelContext(side(far)))
      const chosen = udpServer.options.parse({ expose: String(echo.address().port) })
      const server = scope.use(await udpServer.open(there, chosen))
      for (let count = 0; count < 2; count++) {
        const here = scope.use(await openFakeTunnelContext(side(near)))
        const options = udpClient.options.parse({ to: [server.address] })
        const client = scope.use(await udpClient.open(here, options))
        doors.push(Number(client.listens!.split(":")[1]))
        const session = await here.datagrams({ keys: "transient", style: "DATAGRAM" })
        void session.ready(scope)
      }
    })
    afterAll(() => scope.close())

    it("A19: asks and hears the answer, at the first try and from two peers", async () => {
      const tries = [0, 0]
      const heard: string[][] = [[], []]
      const programs = await Promise.all(heard.map((own) => program((text) => own.push(text))))
      const ask = async (index: number) => {
        while (heard[index]!.length === 0) {
          tries[index]!++
          programs[index]!.send(`peer ${index}`, doors[index]!, "127.0.0.1")
          for (let ms = 0; ms < 60_000 && heard[index]!.length === 0; ms += 100) await wait(100)
        }
      }
      await Promise.all([ask(0), ask(1)])
      console.log("tries until an answer:", tries.join(", "))
      expect(heard.map(([text]) => text)).toEqual(["re: peer 0", "re: peer 1"])
    }, 300_000)

    it("A19: 100 packets a second of 1 KiB, less than 2 in 100 lost", async () => {
      const heard = new Set<number>()
      const one = await program((text) => heard.add(Number.parseInt(text.slice(4), 10)))
      const count = 1_000
      const beginMs = performance.now()
      for (let number = 0; number < count; number++) {
        one.send(String(number).padEnd(1_024, "."), doors[0]!, "127.0.0.1")
        await wait(Math.max(0, beginMs + (number + 1) * 10 - performance.now()))
      }
      for (let ms = 0; ms < 5_000 && heard.size < count; ms += 100) await wait(100)
      console.log(`${count} packets there and back: ${count - heard.size} lost`)
      expect(heard.size).toBeGreaterThan(count * 0.98)
    }, 120_000)

    it("carries 11 kB, and the largest there may be", async () => {
      const heard: number[] = []
      const one = await program((text) => heard.push(text.length))
      for (const size of [11_000, 31_736 - 4])
        await expect
          .poll(
            () => {
              one.send("x".repeat(size), doors[1]!, "127.0.0.1")
              return heard
            },
            { interval: 1_000, timeout: 30_000 },
          )
          .toContain(size + 4)
    }, 120_000)
  })

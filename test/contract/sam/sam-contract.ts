/**
 * What every SAM bridge must do, whoever wrote it: run against the embedded network and real i2pd.
 *
 * Sessions take 20 to 40 s on i2pd 2.45.1, so they are created once, side by side. Only what all routers
 * share stands here; what one router does differently is tested where that router is played.
 */
import { createHash, randomBytes } from "node:crypto"
import { createSocket, type Socket as UdpSocket } from "node:dgram"
import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  decodeBase64,
  deriveDestinationKeys,
  encodeBase64,
  parseDestination,
  readDestinationKeys,
} from "../../../src/sam/index.ts"
import { openParty, type Party, TRANSIENT } from "./party.ts"
import { connectPatiently, sendUntil } from "./patience.ts"
import { field, openRaw } from "./raw-client.ts"
import { describeBasics } from "./sam-basics.ts"

/** A stream that says OK arrives within this time, or never. */
const ARRIVAL_MS = 15_000

/** A bridge, or several with one network behind them. */
export interface SamBridgeFixture {
  /** SAM ports on 127.0.0.1; the first is where sessions listen, the second where they are called from. */
  ports(): Promise<readonly number[]>
  /** Where datagrams to send go. */
  udpPort(port: number): Promise<number>
  /** How long one SESSION CREATE, look-up or connection may take. */
  readonly waitMs: number
}

/** Runs the suite. */
export function describeSamBridge(name: string, fixture: SamBridgeFixture): void {
  describe(`a SAM bridge: ${name}`, () => {
    const open = (port: number, hello?: string | false) =>
      openRaw(port, { waitMs: fixture.waitMs, ...(hello !== undefined && { hello }) })
    const keys = deriveDestinationKeys(new Uint8Array(randomBytes(32)))
    const udp: UdpSocket[] = []
    let ports: readonly number[]
    let near: Party
    let far: Party
    let derived: Party
    let forwarder: Party
    let mail: Party[]
    let raw: Party[]

    const join = (port: number, style: string, extra: string) =>
      openParty(() => open(port), port, `STYLE=${style} ${extra}`)
    async function withUdp(port: number, style: string): Promise<Party> {
      const socket = createSocket("udp4").bind(0, "127.0.0.1")
      await once(socket, "listening")
      udp.push(socket)
      return join(port, style, `${TRANSIENT} HOST=127.0.0.1 PORT=${socket.address().port}`)
    }

    beforeAll(async () => {
      ports = await fixture.ports()
      const here = ports[0] ?? 0
      const there = ports[1] ?? here
      const key = encodeBase64(keys.privateKeyFile)
      const all = await Promise.all([
        join(here, "STREAM", TRANSIENT),
        join(there, "STREAM", TRANSIENT),
        join(here, "STREAM", `DESTINATION=${key}`),
        join(here, "STREAM", TRANSIENT),
        withUdp(here, "DATAGRAM"),
        withUdp(there, "DATAGRAM"),
        withUdp(here, "RAW"),
        withUdp(there, "RAW"),
      ])
      ;[near, far, derived, forwarder] = all as unknown as [Party, Party, Party, Party]
      mail = all.slice(4, 6)
      raw = all.slice(6)
    }, fixture.waitMs * 3)

    afterAll(async () => {
      for (const socket of udp) socket.close()
      const parties = [near, far, derived, forwarder, ...(mail ?? []), ...(raw ?? [])]
      await Promise.all(parties.map((party) => party?.control[Symbol.asyncDispose]()))
    })

    describeBasics((hello) => open(near.port, hello))

    describe("SESSION CREATE", () => {
      it("answers with the private keys of the destination that ME names", () => {
        expect(near.reply).toMatch(/^SESSION STATUS RESULT=OK DESTINATION=/)
        const file = readDestinationKeys(decodeBase64(field(near.reply, "DESTINATION") ?? ""))
        expect(file.destination.base64).toBe(near.destination)
      })
      it("becomes exactly the destination whose keys it was given", () => {
        const sent = encodeBase64(keys.privateKeyFile)
        expect(derived.reply).toBe(`SESSION STATUS RESULT=OK DESTINATION=${sent}`)
        expect(derived.destination).toBe(keys.destination.base64)
      })
      it.each([
        {
          what: "an ID in use",
          line: () => `STYLE=STREAM ID=${near.id} ${TRANSIENT}`,
          result: "DUPLICATED_ID",
        },
        {
          what: "keys that are no base64",
          line: () => "STYLE=STREAM ID=x1 DESTINATION=!!!!",
          result: "INVALID_KEY",
        },
        {
          what: "keys cut short",
          line: () => `STYLE=STREAM ID=x2 DESTINATION=${"A".repeat(400)}`,
          result: "INVALID_KEY",
        },
        {
          what: "an unknown style",
          line: () => `STYLE=POST ID=x3 ${TRANSIENT}`,
          result: "I2P_ERROR",
        },
      ])("refuses $what with $result", async ({ line, result }) => {
        await using sam = await open(near.port)
        const reply = await sam.ask(`SESSION CREATE ${line()}`)
        expect(reply).toMatch(new RegExp(`^SESSION STATUS RESULT=${result}`))
      })
    })

    describe("NAMING LOOKUP", () => {
      it("finds a living destination by its .b32.i2p address", {
        timeout: fixture.waitMs,
      }, async () => {
        const { b32 } = parseDestination(near.destination)
        const found = `NAMING REPLY RESULT=OK NAME=${b32} VALUE=${near.destination}`
        // A LeaseSet is not everywhere at once.
        const ask = () => far.control.ask(`NAMING LOOKUP NAME=${b32}`)
        await expect.poll(ask, { timeout: fixture.waitMs }).toBe(found)
      })
      it("does not find a name nobody has", async () => {
        const reply = await near.control.ask("NAMING LOOKUP NAME=nobody-has-this-name.i2p")
        expect(reply).toMatch(/^NAMING REPLY RESULT=(KEY_NOT_FOUND|INVALID_KEY)/)
      })
    })

    describe("STREAM", () => {
      it.each([
        {
          what: "CONNECT for an unknown ID",
          line: () => `CONNECT ID=nobody DESTINATION=${near.destination}`,
          result: "INVALID_ID",
        },
        { what: "ACCEPT for an unknown ID", line: () => "ACCEPT ID=nobody", result: "INVALID_ID" },
        {
          what: "CONNECT to no destination",
          line: () => `CONNECT ID=${far.id} DESTINATION=!!!!`,
          result: "INVALID_KEY",
        },
      ])("refuses $what with $result", async ({ line, result }) => {
        await using sam = await open(far.port)
        expect(await sam.ask(`STREAM ${line()}`)).toMatch(
          new RegExp(`^STREAM STATUS RESULT=${result}`),
        )
      })

      it("cannot reach a destination that nobody is", async () => {
        const nobody = deriveDestinationKeys(new Uint8Array(randomBytes(32))).destination
        await using sam = await open(far.port)
        const reply = await sam.ask(`STREAM CONNECT ID=${far.id} DESTINATION=${nobody.base64}`)
        expect(reply).toMatch(/^STREAM STATUS RESULT=(CANT_REACH_PEER|TIMEOUT|I2P_ERROR)/)
      })

      /** A stream just after a session came up may be silent on i2pd: then it is dialled again. */
      async function meet(address: string) {
        const acceptor = await open(near.port)
        expect(await acceptor.ask(`STREAM ACCEPT ID=${near.id}`)).toBe("STREAM STATUS RESULT=OK")
        const line = `STREAM CONNECT ID=${far.id} DESTINATION=${address}`
        for (;;) {
          const caller = await connectPatiently(() => open(far.port), line, fixture.waitMs)
          if (await acceptor.hears(ARRIVAL_MS)) return { acceptor, caller }
          await caller[Symbol.asyncDispose]()
        }
      }

      it.each(["base64", "b32"] as const)(
        "tells who calls, and carries bytes both ways, by %s",
        async (form) => {
          const { acceptor, caller } = await meet(parseDestination(near.destination)[form])
          await using _acceptor = acceptor
          await using _caller = caller
          caller.tell("from the caller")
          expect((await acceptor.line()).split(" ")[0]).toBe(far.destination)
          expect(await acceptor.line()).toBe("from the caller")
          acceptor.tell("from the other side")
          expect(await caller.line()).toBe("from the other side")
        },
      )

      it("carries a mebibyte whole and in order", async () => {
        const { acceptor, caller } = await meet(near.destination)
        await using _acceptor = acceptor
        await using _caller = caller
        const payload = randomBytes(1024 * 1024)
        caller.socket.write(payload)
        await acceptor.line()
        const arrived = await acceptor.bytes(payload.length)
        const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")
        expect(digest(arrived)).toBe(digest(payload))
      })

      it("ends the other side when one side ends", async () => {
        const { acceptor, caller } = await meet(near.destination)
        await using _acceptor = acceptor
        await using _caller = caller
        caller.tell("last words")
        await acceptor.line()
        expect(await acceptor.line()).toBe("last words")
        acceptor.socket.end()
        await caller.closed()
      })

      it("serves one ACCEPT after the other", async () => {
        for (const word of ["first", "second", "third"]) {
          const { acceptor, caller } = await meet(near.destination)
          await using _acceptor = acceptor
          await using _caller = caller
          caller.tell(word)
          await acceptor.line()
          expect(await acceptor.line()).toBe(word)
        }
      })

      it("says nothing on a CONNECT with SILENT=true", async () => {
        await using acceptor = await open(near.port)
        await acceptor.ask(`STREAM ACCEPT ID=${near.id}`)
        await using caller = await open(far.port)
        caller.tell(`STREAM CONNECT ID=${far.id} DESTINATION=${near.destination} SILENT=true`)
        await acceptor.line()
        acceptor.tell("the first there is")
        expect(await caller.line()).toBe("the first there is")
      })
    })

    describe("STREAM FORWARD", () => {
      it("dials a local server, and says who calls in the first line", async () => {
        const server = createServer({ allowHalfOpen: false }).listen(0, "127.0.0.1")
        await once(server, "listening")
        await using control = await open(forwarder.port)
        const { port } = server.address() as AddressInfo
        const line = `STREAM FORWARD ID=${forwarder.id} PORT=${port} HOST=127.0.0.1 SILENT=false`
        expect(await control.ask(line)).toBe("STREAM STATUS RESULT=OK")
        const arrival = once(server, "connection")
        const connect = `STREAM CONNECT ID=${far.id} DESTINATION=${forwarder.destination}`
        await using caller = await connectPatiently(() => open(far.port), connect, fixture.waitMs)
        caller.tell("hello, server")
        const [socket] = await arrival
        let text = ""
        for await (const bytes of socket.iterator({ destroyOnReturn: false })) {
          text += bytes
          if (text.split("\n").length > 2) break
        }
        expect(text.split("\n")[0]?.split(" ")[0]).toBe(far.destination)
        expect(text.split("\n")[1]).toBe("hello, server")
        socket.destroy()
        server.close()
      })
    })

    describe("datagrams over UDP", () => {
      it("carries a repliable one, with its sender in the first line", async () => {
        const [to, from] = mail as [Party, Party]
        const message = Buffer.from(`3.0 ${from.id} ${to.destination}\na repliable datagram`)
        const arrived = await sendUntil(
          udp[0] as UdpSocket,
          message,
          await fixture.udpPort(from.port),
          fixture.waitMs,
        )
        const [sender = "", payload] = arrived.toString().split("\n")
        expect(sender.split(" ")[0]).toBe(from.destination)
        expect(payload).toBe("a repliable datagram")
      })
      it("carries a raw one bare", async () => {
        const [to, from] = raw as [Party, Party]
        const message = Buffer.from(`3.0 ${from.id} ${to.destination}\na raw datagram`)
        const arrived = await sendUntil(
          udp[2] as UdpSocket,
          message,
          await fixture.udpPort(from.port),
          fixture.waitMs,
        )
        expect(arrived.toString()).toBe("a raw datagram")
      })
    })

    describe("closing a control socket", () => {
      it("ends its session: the ID is unknown afterwards", async () => {
        const leaver = forwarder
        await leaver.control[Symbol.asyncDispose]()
        await expect
          .poll(
            async () => {
              await using sam = await open(leaver.port)
              return await sam.ask(`STREAM ACCEPT ID=${leaver.id}`)
            },
            { timeout: fixture.waitMs },
          )
          .toMatch(/^STREAM STATUS RESULT=INVALID_ID/)
      })
    })
  })
}

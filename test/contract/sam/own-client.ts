/**
 * Our own client, `allium/sam`, against a bridge: the two halves of this house must fit each other, and
 * what the client promises must hold on every router.
 */
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openDatagrams } from "../../../src/sam/datagram.ts"
import { openForward } from "../../../src/sam/forward.ts"
import {
  acceptStream,
  connectStream,
  type Destination,
  deriveDestinationKeys,
  generateDestination,
  keyTypes,
  lookupName,
  type OpenedSession,
  openSession,
  openSupervisedSession,
  type SamStream,
  type Session,
} from "../../../src/sam/index.ts"
import type { SamBridgeFixture } from "./sam-contract.ts"

/** A stream that says OK may be silent on i2pd; so long we wait before we dial again. */
const GREETING_MS = 10_000

/** Runs the suite. */
export function describeOwnClient(name: string, fixture: SamBridgeFixture): void {
  describe(`allium/sam on ${name}`, () => {
    const over = new AbortController()
    const call = { signal: over.signal }
    let far: OpenedSession
    let near: OpenedSession
    let forwarder: OpenedSession
    let supervised: Session

    async function bridge(which: "near" | "far") {
      const ports = await fixture.ports()
      const port = (which === "near" ? ports[0] : (ports[1] ?? ports[0])) ?? 0
      return { host: "127.0.0.1", port, udpPort: await fixture.udpPort(port) }
    }

    beforeAll(async () => {
      supervised = openSupervisedSession({ bridge: await bridge("near"), keys: "transient" })
      ;[near, far, forwarder] = await Promise.all([
        openSession({ bridge: await bridge("near"), keys: "transient", ...call }),
        openSession({ bridge: await bridge("far"), keys: "transient", ...call }),
        openSession({ bridge: await bridge("near"), keys: "transient", ...call }),
        supervised.ready(call),
      ])
    }, fixture.waitMs * 3)

    afterAll(async () => {
      over.abort()
      await Promise.all(
        [near, far, forwarder, supervised].map((one) => one?.[Symbol.asyncDispose]()),
      )
    })

    /** Dials until the other side answers the greeting with its own; gives both ends. */
    async function meet(target: Destination, incoming: () => Promise<SamStream>) {
      const arrival = incoming()
      const endMs = Date.now() + fixture.waitMs
      while (Date.now() < endMs) {
        const caller = await connectStream(far, target, call).catch(() => undefined)
        const waited = AbortSignal.timeout(caller ? GREETING_MS : 1000)
        const callee = await Promise.race([arrival, once(waited, "abort")])
        if (caller && !Array.isArray(callee)) return { caller, callee }
        caller?.destroy()
      }
      throw new Error("nobody answered")
    }

    async function carries(caller: SamStream, callee: SamStream): Promise<void> {
      const payload = randomBytes(512 * 1024)
      caller.write(payload)
      expect(digest(await take(callee, payload.length))).toBe(digest(payload))
      callee.write("thank you")
      expect((await take(caller, 9)).toString()).toBe("thank you")
      const ends = once(callee, "close")
      caller.destroy()
      callee.resume()
      await ends
    }

    it("makes Ed25519 destinations: generateDestination()", async () => {
      const made = await generateDestination({ bridge: await bridge("near"), ...call })
      expect(keyTypes(made.destination).signatureType).toBe(7)
    })

    it("finds the living, and says NAME_NOT_FOUND of others: lookupName()", async () => {
      // A LeaseSet is not everywhere at once.
      const find = () => lookupName(far.control, near.destination.b32, call).catch(() => undefined)
      await expect.poll(find, { timeout: fixture.waitMs }).toEqual(near.destination)
      const nobody = lookupName(far.control, "nobody-has-this-name.i2p", call)
      await expect(nobody).rejects.toMatchObject({ code: "NAME_NOT_FOUND" })
    })

    it("cannot reach who is not there: PEER_UNREACHABLE", async () => {
      const { destination } = deriveDestinationKeys(new Uint8Array(randomBytes(32)))
      await expect(connectStream(far, destination, call)).rejects.toMatchObject({
        code: expect.stringMatching(/^PEER_/),
      })
    })

    it(
      "carries bytes both ways: connectStream() and acceptStream()",
      async () => {
        const { caller, callee } = await meet(near.destination, () => acceptStream(near, call))
        expect(callee.peer).toEqual(far.destination)
        await carries(caller, callee)
      },
      fixture.waitMs * 2,
    )

    it(
      "carries bytes both ways: openForward()",
      async () => {
        await using forwarding = await openForward(forwarder, call)
        const incoming = forwarding.incoming[Symbol.asyncIterator]()
        const next = async () => (await incoming.next()).value as SamStream
        const { caller, callee } = await meet(forwarder.destination, next)
        expect(callee.peer).toEqual(far.destination)
        await carries(caller, callee)
      },
      fixture.waitMs * 2,
    )

    it(
      "takes streams one after the other: openSupervisedSession()",
      async () => {
        const incoming = supervised.incoming[Symbol.asyncIterator]()
        const next = async () => (await incoming.next()).value as SamStream
        for (let count = 0; count < 2; count++) {
          const { caller, callee } = await meet(supervised.destination, next)
          expect(callee.peer).toEqual(far.destination)
          await carries(caller, callee)
        }
        expect(supervised.state.name).toBe("up")
      },
      fixture.waitMs * 2,
    )

    it.each(["DATAGRAM", "RAW"] as const)(
      "sends and receives: openDatagrams() with %s",
      async (style) => {
        const open = async (which: "near" | "far") =>
          openDatagrams({ bridge: await bridge(which), keys: "transient", style, ...call })
        const [receiver, sender] = await Promise.all([open("near"), open("far")])
        await using _receiver = receiver
        await using _sender = sender
        const payload = Buffer.from("a datagram")
        const again = setInterval(() => void sender.send(receiver.destination, payload), 1000)
        await sender.send(receiver.destination, payload)
        const { value } = await receiver.incoming[Symbol.asyncIterator]().next()
        clearInterval(again)
        expect(Buffer.from(value?.payload ?? []).toString()).toBe("a datagram")
      },
      fixture.waitMs * 3,
    )
  })
}

async function take(stream: SamStream, byteCount: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  let count = 0
  for await (const bytes of stream.iterator({ destroyOnReturn: false })) {
    pieces.push(bytes)
    count += bytes.length
    if (count >= byteCount) break
  }
  return Buffer.concat(pieces)
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex")
}

import { describe, expect, it } from "vitest"
import { openLinkAcceptor, roleToKeep } from "../../../src/link/acceptor.ts"
import { callPeer } from "../../../src/link/exchange.ts"
import type { Link } from "../../../src/link/link.ts"
import { openLink } from "../../../src/link/open-link.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"
import {
  first,
  makeDestination,
  makePipe,
  makeSelf,
  makeSigner,
  openPair,
  type PipeEnd,
  readAll,
} from "./support.ts"

const call = { signal: new AbortController().signal }
const bobKey = makeSigner(2).publicKey

describe("LinkAcceptor", () => {
  it.each([
    { name: "bytes of another protocol", bytes: Buffer.alloc(163, "GET / HTTP/1.1\r\n") },
    { name: "a magic and rubbish", bytes: Buffer.alloc(163, "ALK\x01") },
  ])("hangs up on $name, without a word", async ({ bytes }) => {
    const acceptor = openLinkAcceptor(makeSelf(2, { clock: new FakeClock() }))
    const [stranger, stream] = makePipe()
    const heard = readAll(stranger).catch(() => Buffer.alloc(0))
    const accepted = acceptor.accept(stream)
    stranger.write(bytes)
    await expect(accepted).rejects.toMatchObject({ code: "PEER_MISMATCH" })
    expect((await heard).length).toBe(0)
    expect(stream.destroyed).toBe(true)
  })
  it("says nothing to a caller who wants another identity; the caller sees LINK_REFUSED", async () => {
    const clock = new FakeClock()
    const acceptor = openLinkAcceptor(makeSelf(2, { clock }))
    const [stream, far] = makePipe()
    const accepted = acceptor.accept(far)
    const options = { ...makeSelf(1, { clock }), stream, ...call, role: "out" as const }
    const dialled = openLink({ ...options, expectedPeer: makeSigner(3).publicKey })
    await expect(accepted).rejects.toMatchObject({ code: "PEER_MISMATCH" })
    await expect(dialled).rejects.toMatchObject({ code: "LINK_REFUSED" })
    expect(far.byteCount).toBe(0)
  })
  it("says nothing to a caller that is not admitted", async () => {
    const clock = new FakeClock()
    const asked: Uint8Array[] = []
    const acceptor = openLinkAcceptor({
      ...makeSelf(2, { clock }),
      admit: async ({ identityKey }) => {
        asked.push(identityKey)
        return false
      },
    })
    const [stream, far] = makePipe()
    const accepted = acceptor.accept(far)
    const options = { ...makeSelf(1, { clock }), stream, ...call, role: "out" as const }
    const dialled = openLink({ ...options, expectedPeer: bobKey })
    await expect(accepted).rejects.toMatchObject({ code: "LINK_REFUSED" })
    await expect(dialled).rejects.toMatchObject({ code: "LINK_REFUSED" })
    expect(asked).toEqual([makeSigner(1).publicKey])
    expect(far.byteCount).toBe(0)
  })
  it("gives a slow caller 60 seconds", async () => {
    const clock = new FakeClock()
    const acceptor = openLinkAcceptor(makeSelf(2, { clock }))
    const [slow, stream] = makePipe()
    const accepted = acceptor.accept(stream)
    accepted.catch(() => {})
    for (let second = 0; second < 59; second++) {
      slow.write("A")
      await clock.pass(1_000)
    }
    expect(stream.destroyed).toBe(false)
    await clock.pass(1_000)
    await expect(accepted).rejects.toMatchObject({ code: "TIMED_OUT" })
    expect(stream.destroyed).toBe(true)
  })
  it("answers so many handshakes at once and no more", async () => {
    const clock = new FakeClock()
    const acceptor = openLinkAcceptor({ ...makeSelf(2, { clock, limits: { handshakesMax: 2 } }) })
    const waiting = [acceptor.accept(makePipe()[1]), acceptor.accept(makePipe()[1])]
    for (const one of waiting) one.catch(() => {})
    await expect(acceptor.accept(makePipe()[1])).rejects.toMatchObject({ code: "BUSY" })
    await acceptor[Symbol.asyncDispose]()
    for (const one of waiting) await expect(one).rejects.toMatchObject({ code: "ABORTED" })
  })
  it("does not let another identity resume a link", async () => {
    const clock = new FakeClock()
    const { ann, bob, acceptor } = await openPair({ clock })
    const channel = ann.open("/x/1", call)
    channel.write("mine")
    const { linkId, received } = ann as unknown as { linkId: Uint8Array; received: number }
    const [thief, stream] = makePipe(makeDestination(3))
    const accepted = acceptor.accept(stream)
    const stolen = callPeer(thief, {
      ...makeSelf(3, { clock }),
      terms: { channelsMax: 1, firstWindowBytes: 1, keeps: true },
      expectedPeer: bobKey,
      standing: { linkId, received },
      ...call,
    })
    stolen.catch(() => thief.destroy())
    await expect(stolen).rejects.toMatchObject({ code: "LINK_LOST" })
    await expect(accepted).rejects.toMatchObject({ code: expect.any(String) })
    const taken = await first(bob.incoming)
    channel.end(" still")
    expect(String(await readAll(taken))).toBe("mine still")
  })
  it("gives up a link that waits, when its peer begins a new one", async () => {
    const clock = new FakeClock()
    const { bob, acceptor, pipe } = await openPair({ clock, onPipe: onlyFirst() })
    pipe()[0].cut()
    await settle()
    const [stream, far] = makePipe()
    const accepted = acceptor.accept(far)
    const options = { ...makeSelf(1, { clock }), stream, ...call, role: "out" as const }
    await openLink({ ...options, expectedPeer: bobKey })
    expect(await accepted).toBeDefined()
    expect(await bob.closed).toMatchObject({ code: "LINK_LOST" })
  })
})

/** Breaks every pipe but the first as soon as it is made. */
function onlyFirst(): (ends: [PipeEnd, PipeEnd]) => void {
  let dials = 0
  return (ends) => {
    if (dials++ > 0) ends[1].cut()
  }
}

describe("resumption", () => {
  it("ends with LINK_LOST on both sides when no stream is found in 5 minutes", async () => {
    const clock = new FakeClock()
    let dials = 0
    const { ann, bob, pipe } = await openPair({
      clock,
      onPipe: (ends) => {
        if (dials++ > 0) ends[1].cut()
      },
    })
    const channel = ann.open("/x/1", call)
    pipe()[0].cut()
    await settle()
    await clock.pass(299_000)
    expect(channel.destroyed).toBe(false)
    await clock.pass(2_000)
    expect(await ann.closed).toMatchObject({ code: "LINK_LOST" })
    expect(await bob.closed).toMatchObject({ code: "LINK_LOST" })
    await expect(channel.delivered).rejects.toMatchObject({ code: "LINK_LOST" })
    expect(dials).toBeGreaterThan(10)
    expect(dials).toBeLessThan(30)
  })
  it("finds out by two unanswered pings that a silent stream is dead, and goes on", async () => {
    const clock = new FakeClock()
    const { ann, bob, pipe } = await openPair({ clock })
    await clock.pass(30_000)
    expect(ann.roundTripMs).toBe(0)
    const before = pipe()
    for (const end of before) end.deaf = true
    const channel = ann.open("/x/1", call)
    channel.end("into the void")
    await clock.pass(61_000)
    expect(pipe()).toBe(before)
    await clock.pass(30_000)
    expect(pipe()).not.toBe(before)
    expect(String(await readAll(await first(bob.incoming)))).toBe("into the void")
    await channel.delivered
  })
  it("works the other way round: the peer that was dialled dials back", async () => {
    const clock = new FakeClock()
    const acceptors = { ann: openLinkAcceptor(makeSelf(1, { clock })) }
    let back = 0
    const bobs = openLinkAcceptor({
      ...makeSelf(2, { clock }),
      redial: async () => {
        back += 1
        const [near, far] = makePipe(makeDestination(2), makeDestination(1))
        void acceptors.ann.accept(far)
        return near
      },
    })
    const [stream, far] = makePipe()
    const accepted = bobs.accept(far)
    const ann = await openLink({
      ...makeSelf(1, { clock }),
      stream,
      role: "out",
      expectedPeer: bobKey,
      acceptor: acceptors.ann,
      ...call,
    })
    const bob = (await accepted) as Link
    const channel = bob.open("/x/1", call)
    channel.write("before ")
    const taken = await first(ann.incoming)
    stream.cut()
    channel.end("and after")
    await settle()
    await clock.pass(10_000)
    expect(back).toBe(1)
    expect(String(await readAll(taken))).toBe("before and after")
  })
})

describe("roleToKeep()", () => {
  it("keeps the same link on both sides: the one the smaller key dialled", () => {
    const [small, large] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
    expect(roleToKeep(small, large)).toBe("out")
    expect(roleToKeep(large, small)).toBe("in")
  })
})

import { describe, expect, it } from "vitest"
import type { Identity } from "../../../src/identity/identity.ts"
import { MAILBOX_PROTOCOL } from "../../../src/mail/mailbox/wire.ts"
import type { Links } from "../../../src/router/links.ts"
import { ContactMailboxes } from "../../../src/router/own-mailbox.ts"
import { joinChannels } from "../../support/fake-channel.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import { FakeWorld } from "../../support/fake-world.ts"

const THEM = "t".repeat(43)
const way = { identity: { key: "me" } as Identity, peer: `${THEM}.0` }
const call = { signal: new AbortController().signal }

describe("ContactMailboxes", () => {
  /** A channel whose other end may be reset. */
  function channel() {
    const [near, far] = joinChannels(MAILBOX_PROTOCOL, new FakeWorld())
    far.on("error", () => {})
    return near
  }

  /** Links on which `open` does as told. */
  function mailboxes(open: (signal: AbortSignal) => ReturnType<Links["open"]>) {
    const state = { stands: true, isAdrift: false, backs: 0, wanted: [] as string[] }
    const links = {
      want: (_: unknown, peer: string) => void state.wanted.push(peer),
      correspondents: () => (state.stands ? [THEM] : []),
      openPeer: async (_: unknown, __: string, ___: string, how: { signal: AbortSignal }) => ({
        channel: await open(how.signal),
        isAdrift: () => state.isAdrift,
      }),
    }
    const end = new AbortController()
    const clock = new FakeClock()
    const boxes = new ContactMailboxes({
      links: links as unknown as Links,
      signal: end.signal,
      clock,
      onBack: () => void state.backs++,
    })
    return { boxes, clock, end, state }
  }

  it("keeps a channel that opened, long after it took to open", async () => {
    const near = channel()
    let lives = call.signal
    const { boxes, clock, end } = mailboxes(async (signal) => {
      lives = signal
      return near
    })
    const mailbox = await boxes.reach(way, call)
    await clock.pass(60_000)
    expect(lives.aborted).toBe(false)
    expect(await boxes.reach(way, call)).toBe(mailbox)
    end.abort()
    expect(lives.aborted).toBe(true)
  })

  it("gives up a link that opens no channel, and tries again the next time", async () => {
    let tries = 0
    const { boxes, clock } = mailboxes(async (signal) => {
      tries++
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason))
      })
    })
    for (const nth of [1, 2]) {
      const reaching = expect(boxes.reach(way, call)).rejects.toMatchObject({ code: "TIMED_OUT" })
      await clock.pass(10_000)
      await reaching
      expect(tries).toBe(nth)
    }
  })

  it("gives up what waits on a link without a stream after 10 s, and tells when the link is back", async () => {
    const near = channel()
    const { boxes, clock, end, state } = mailboxes(async () => near)
    const item = { sendId: new Uint8Array(32), id: new Uint8Array(16) }
    const mailbox = await boxes.reach(way, call)
    const waiting = mailbox.put({ ...item, envelope: new Uint8Array(4_096) }, call)
    const lost = expect(waiting).rejects.toThrow()
    Object.assign(state, { stands: false, isAdrift: true })
    await clock.pass(6_000)
    await expect(boxes.reach(way, call)).rejects.toMatchObject({ code: "PEER_UNREACHABLE" })
    expect(state.wanted).toEqual([way.peer]) // they are dialled soon
    expect(near.destroyed).toBe(false)
    await clock.pass(6_000)
    await lost
    expect(near.destroyed).toBe(true)
    expect(state.backs).toBe(0)
    state.stands = true
    await clock.pass(4_000)
    expect(state.backs).toBe(1)
    end.abort()
  })

  it("keeps a channel over a short loss of the stream", async () => {
    const near = channel()
    const { boxes, clock, end, state } = mailboxes(async () => near)
    const mailbox = await boxes.reach(way, call)
    for (let losses = 0; losses < 5; losses++) {
      Object.assign(state, { stands: false, isAdrift: true })
      await clock.pass(8_000)
      Object.assign(state, { stands: true, isAdrift: false })
      await clock.pass(4_000)
    }
    expect(await boxes.reach(way, call)).toBe(mailbox)
    end.abort()
  })

  it.each([
    { when: "at the next look", tell: false },
    { when: "at once when it is told", tell: true },
  ])(
    "gives up what waits on a link without a stream when another came, $when",
    async ({ tell }) => {
      const near = channel()
      const { boxes, clock, end, state } = mailboxes(async () => near)
      const mailbox = await boxes.reach(way, call)
      const item = { sendId: new Uint8Array(32), id: new Uint8Array(16) }
      const waiting = mailbox.put({ ...item, envelope: new Uint8Array(4_096) }, call)
      const lost = expect(waiting).rejects.toThrow()
      boxes.came(way)
      expect(near.destroyed).toBe(false)
      state.isAdrift = true
      if (tell) boxes.came(way)
      else await clock.pass(2_000)
      expect(near.destroyed).toBe(true)
      await lost
      end.abort()
    },
  )
})

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { Identity } from "../../../src/identity/identity.ts"
import { MAILBOX_PROTOCOL } from "../../../src/mail/mailbox/wire.ts"
import type { Links } from "../../../src/router/links.ts"
import { ContactMailboxes } from "../../../src/router/own-mailbox.ts"
import { joinChannels } from "../../support/fake-channel.ts"
import { FakeWorld } from "../../support/fake-world.ts"

const THEM = "t".repeat(43)
const way = { identity: { key: "me" } as Identity, peer: `${THEM}.0` }
const call = { signal: new AbortController().signal }

describe("ContactMailboxes", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  /** Links on which `open` does as told. */
  function mailboxes(open: (signal: AbortSignal) => ReturnType<Links["open"]>) {
    const state = { stands: true, backs: 0 }
    const links = {
      reachable: () => (state.stands ? [THEM] : []),
      openPeer: (_: unknown, __: string, ___: string, how: { signal: AbortSignal }) =>
        open(how.signal),
    }
    const end = new AbortController()
    const onBack = () => void state.backs++
    const boxes = new ContactMailboxes(links as unknown as Links, end.signal, onBack)
    return { boxes, end, state }
  }

  it("keeps a channel that opened, long after it took to open", async () => {
    const [near] = joinChannels(MAILBOX_PROTOCOL, new FakeWorld())
    let lives = call.signal
    const { boxes, end } = mailboxes(async (signal) => {
      lives = signal
      return near
    })
    const mailbox = await boxes.reach(way, call)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(lives.aborted).toBe(false)
    expect(await boxes.reach(way, call)).toBe(mailbox)
    end.abort()
    expect(lives.aborted).toBe(true)
  })

  it("gives up a link that opens no channel, and tries again the next time", async () => {
    let tries = 0
    const { boxes } = mailboxes(async (signal) => {
      tries++
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason))
      })
    })
    for (const nth of [1, 2]) {
      const reaching = expect(boxes.reach(way, call)).rejects.toMatchObject({ code: "TIMED_OUT" })
      await vi.advanceTimersByTimeAsync(10_000)
      await reaching
      expect(tries).toBe(nth)
    }
  })

  it("gives up what waits on a link without a stream after 10 s, and tells when the link is back", async () => {
    const [near, far] = joinChannels(MAILBOX_PROTOCOL, new FakeWorld())
    far.on("error", () => {})
    const { boxes, end, state } = mailboxes(async () => near)
    const item = { sendId: new Uint8Array(32), id: new Uint8Array(16) }
    const mailbox = await boxes.reach(way, call)
    const waiting = mailbox.put({ ...item, envelope: new Uint8Array(4_096) }, call)
    const lost = expect(waiting).rejects.toThrow()
    state.stands = false
    await vi.advanceTimersByTimeAsync(6_000)
    await expect(boxes.reach(way, call)).rejects.toMatchObject({ code: "PEER_UNREACHABLE" })
    expect(near.destroyed).toBe(false)
    await vi.advanceTimersByTimeAsync(6_000)
    await lost
    expect(near.destroyed).toBe(true)
    expect(state.backs).toBe(0)
    state.stands = true
    await vi.advanceTimersByTimeAsync(4_000)
    expect(state.backs).toBe(1)
    end.abort()
  })

  it("keeps a channel over a short loss of the stream", async () => {
    const [near] = joinChannels(MAILBOX_PROTOCOL, new FakeWorld())
    const { boxes, end, state } = mailboxes(async () => near)
    const mailbox = await boxes.reach(way, call)
    for (let losses = 0; losses < 5; losses++) {
      state.stands = false
      await vi.advanceTimersByTimeAsync(8_000)
      state.stands = true
      await vi.advanceTimersByTimeAsync(4_000)
    }
    expect(await boxes.reach(way, call)).toBe(mailbox)
    end.abort()
  })
})

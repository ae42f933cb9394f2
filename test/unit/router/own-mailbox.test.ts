import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { Contact } from "../../../src/identity/contacts.ts"
import type { Identity } from "../../../src/identity/identity.ts"
import { MAILBOX_PROTOCOL } from "../../../src/mail/mailbox/wire.ts"
import type { Links } from "../../../src/router/links.ts"
import { ContactMailboxes } from "../../../src/router/own-mailbox.ts"
import { joinChannels } from "../../support/fake-channel.ts"
import { FakeWorld } from "../../support/fake-world.ts"

const pair = { identity: { key: "me" } as Identity, contact: { key: "them" } as Contact }
const call = { signal: new AbortController().signal }

describe("ContactMailboxes", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  /** Links on which `open` does as told. */
  function mailboxes(open: (signal: AbortSignal) => ReturnType<Links["open"]>) {
    const links = {
      reachable: () => ["them"],
      open: (_: unknown, __: string, { signal }: { signal: AbortSignal }) => open(signal),
    }
    const end = new AbortController()
    return { boxes: new ContactMailboxes(links as unknown as Links, end.signal), end }
  }

  it("keeps a channel that opened for as long as the router runs", async () => {
    const [near] = joinChannels(MAILBOX_PROTOCOL, new FakeWorld())
    let lives = call.signal
    const { boxes, end } = mailboxes(async (signal) => {
      lives = signal
      return near
    })
    const mailbox = await boxes.reach(pair, call)
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(lives.aborted).toBe(false)
    expect(await boxes.reach(pair, call)).toBe(mailbox)
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
      const reaching = expect(boxes.reach(pair, call)).rejects.toMatchObject({ code: "TIMED_OUT" })
      await vi.advanceTimersByTimeAsync(10_000)
      await reaching
      expect(tries).toBe(nth)
    }
  })
})

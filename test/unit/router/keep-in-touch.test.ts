import { describe, expect, it } from "vitest"
import { AlliumError } from "../../../src/base/errors.ts"
import type { Link } from "../../../src/link/link.ts"
import { keepInTouch } from "../../../src/router/keep-in-touch.ts"
import type { Session, SessionState } from "../../../src/sam/session.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"

/** A session that is always up, and a way to say that it came up anew. */
function fakeSession() {
  const watchers = new Set<(state: SessionState) => void>()
  const session = {
    ready: async () => {},
    watch(watcher: (state: SessionState) => void) {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
  } as unknown as Session
  const comeUp = () => {
    for (const watcher of watchers) watcher({ name: "up", sinceMs: 0 })
  }
  return { session, comeUp, watchers }
}

function fakeLink() {
  let lose: (reason: Error | undefined) => void = () => {}
  const closed = new Promise<Error | undefined>((resolve) => {
    lose = resolve
  })
  return { link: { closed } as Link, lose }
}

function begin(dial: () => Promise<Link>) {
  const clock = new FakeClock()
  const abort = new AbortController()
  const { session, comeUp, watchers } = fakeSession()
  let dials = 0
  const link = () => {
    dials++
    return dial()
  }
  const ended = keepInTouch({ session, link, clock, chance: () => 0, signal: abort.signal })
  return { clock, abort, comeUp, watchers, ended, dials: () => dials }
}

const away = () =>
  Promise.reject(new AlliumError("PEER_UNREACHABLE", "Cannot connect: nobody answers"))

describe("keepInTouch()", () => {
  it("dials at once, then less and less often, but never stops", async () => {
    const story = begin(away)
    await settle()
    expect(story.dials()).toBe(1)
    await story.clock.pass(3_000)
    expect(story.dials()).toBe(2)
    await story.clock.pass(24 * 3_600_000)
    expect(story.clock.sleeping()[0]).toBeLessThanOrEqual(300_000)
    expect(story.dials()).toBeGreaterThan(280)
    story.abort.abort()
    await story.ended
  })

  it("dials who was here within the hour every 45 s, then less often", async () => {
    const { link, lose } = fakeLink()
    let first = true
    const story = begin(() => {
      if (!first) return away()
      first = false
      return Promise.resolve(link)
    })
    await settle()
    lose(undefined)
    await settle()
    await story.clock.pass(1_800_000)
    const before = story.dials()
    await story.clock.pass(900_000)
    expect(story.dials() - before).toBeGreaterThanOrEqual(19)
    await story.clock.pass(3_600_000)
    const later = story.dials()
    await story.clock.pass(900_000)
    expect(story.dials() - later).toBeLessThanOrEqual(4)
    story.abort.abort()
    await story.ended
  })

  it("dials at once when the session has come up anew", async () => {
    const story = begin(away)
    await settle()
    await story.clock.pass(3_600_000)
    const before = story.dials()
    story.comeUp()
    await settle()
    expect(story.dials()).toBe(before + 1)
    story.abort.abort()
    await story.ended
  })

  it("rests while the link stands, and dials again when it is lost", async () => {
    const { link, lose } = fakeLink()
    const story = begin(() => Promise.resolve(link))
    await settle()
    await story.clock.pass(3_600_000)
    expect(story.dials()).toBe(1)
    lose(new Error("cut"))
    await settle()
    await story.clock.pass(3_000)
    expect(story.dials()).toBeGreaterThan(1)
    story.abort.abort()
    lose(undefined)
    await settle()
  })

  it("leaves nobody watching when it ends", async () => {
    const story = begin(away)
    await settle()
    story.abort.abort()
    await story.ended
    expect(story.watchers.size).toBe(0)
  })
})

import { describe, expect, it } from "vitest"
import { AlliumError } from "../../../src/base/errors.ts"
import { Slots } from "../../../src/base/turns.ts"
import type { Link } from "../../../src/link/link.ts"
import { Touch } from "../../../src/router/keep-in-touch.ts"
import type { Session, SessionState } from "../../../src/sam/session.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"

/** A session that is up, and a way to say that it came up anew. */
function fakeSession(ready: Promise<void> = Promise.resolve()) {
  const watchers = new Set<(state: SessionState) => void>()
  const session = {
    ready: () => ready,
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

const away = () =>
  Promise.reject(new AlliumError("PEER_UNREACHABLE", "Cannot connect: nobody answers"))

/** @param dial - Of every peer, told its name. */
function begin(
  dial: (name: string) => Promise<Link>,
  how: { recent?: readonly string[]; dialsMost?: number; ready?: Promise<void> } = {},
) {
  const clock = new FakeClock()
  const abort = new AbortController()
  const { session, comeUp, watchers } = fakeSession(how.ready)
  const dialled: string[] = []
  const dials = new Slots(how.dialsMost ?? 32)
  const recent = () => how.recent ?? []
  const signal = abort.signal
  const touch = new Touch({ session, dials, recent, clock, chance: () => 0, signal })
  const keep = (name: string) =>
    touch.keep(name, () => {
      dialled.push(name)
      return dial(name)
    })
  const keepMany = (count: number) => {
    for (let number = 0; number < count; number++) keep(`${number}`)
  }
  return { clock, abort, comeUp, watchers, touch, keep, keepMany, dialled }
}

describe("Touch", () => {
  it("dials at once, then less and less often, but never stops", async () => {
    const { keep, clock, abort, dialled } = begin(away)
    keep("bob")
    await settle()
    expect(dialled).toHaveLength(1)
    await clock.pass(3_000)
    expect(dialled).toHaveLength(2)
    await clock.pass(24 * 3_600_000)
    expect(clock.sleeping()[0]).toBeLessThanOrEqual(300_000)
    expect(dialled.length).toBeGreaterThan(280)
    abort.abort()
    await settle()
    expect(clock.sleeping()).toEqual([])
  })

  it("dials who was here within the hour every 45 s, then less often", async () => {
    const { link, lose } = fakeLink()
    let first = true
    const { keep, clock, abort, dialled } = begin(() => {
      if (!first) return away()
      first = false
      return Promise.resolve(link)
    })
    keep("bob")
    await settle()
    lose(undefined)
    await settle()
    await clock.pass(1_800_000)
    const before = dialled.length
    await clock.pass(900_000)
    expect(dialled.length - before).toBeGreaterThanOrEqual(19)
    await clock.pass(3_600_000)
    const later = dialled.length
    await clock.pass(900_000)
    expect(dialled.length - later).toBeLessThanOrEqual(4)
    abort.abort()
  })

  it("dials at once when the session has come up anew", async () => {
    const { keep, clock, abort, comeUp, dialled } = begin(away)
    keep("bob")
    await settle()
    await clock.pass(3_600_000)
    const before = dialled.length
    comeUp()
    await settle()
    expect(dialled).toHaveLength(before + 1)
    abort.abort()
  })

  it("rests while the link stands, and dials again when it is lost", async () => {
    const { link, lose } = fakeLink()
    const { keep, clock, abort, dialled } = begin(() => Promise.resolve(link))
    keep("bob")
    await settle()
    await clock.pass(3_600_000)
    expect(dialled).toHaveLength(1)
    lose(new Error("cut"))
    await settle()
    await clock.pass(3_000)
    expect(dialled.length).toBeGreaterThan(1)
    abort.abort()
  })

  it("finds a link that they made", async () => {
    let made: Link | undefined
    const { keep, touch, clock, abort, dialled } = begin(() =>
      made === undefined ? away() : Promise.resolve(made),
    )
    keep("bob")
    await settle()
    made = fakeLink().link
    touch.met("bob")
    await settle()
    await clock.pass(3_600_000)
    expect(dialled).toHaveLength(2)
    abort.abort()
  })

  it("dials who was met last before all others, and the others 200 ms apart", async () => {
    const { keepMany, clock, abort, dialled } = begin(away, { recent: ["777", "999"] })
    keepMany(1_000)
    await settle()
    expect(dialled).toEqual(["777", "999", ...Array.from({ length: 30 }, (_, at) => `${at}`)])
    await clock.pass(200)
    expect(dialled.slice(32)).toEqual(["30"])
    abort.abort()
  })

  it("dials a thousand who are away five times a second at most, each fairly", async () => {
    const { keepMany, clock, abort, dialled } = begin(away, { recent: ["777"] })
    keepMany(1_000)
    await settle()
    await clock.pass(250_000)
    expect(new Set(dialled).size).toBe(1_000)
    await clock.pass(600_000 - 250_000)
    expect(dialled.length).toBeLessThan(4_000)
    const counts = new Map<string, number>()
    for (const name of dialled) counts.set(name, (counts.get(name) ?? 0) + 1)
    const near = counts.get("777") ?? 0
    counts.delete("777")
    expect(Math.min(...counts.values())).toBeGreaterThanOrEqual(2)
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(4)
    expect(near).toBeGreaterThan(8)
    abort.abort()
  })

  it("dials soon whom something waits for, and again with short waits", async () => {
    const { keepMany, touch, clock, abort, dialled } = begin(away)
    keepMany(1_000)
    await settle()
    touch.want("900")
    await settle()
    expect(dialled.at(-1)).toBe("900")
    const count = () => dialled.filter((name) => name === "900").length
    await clock.pass(20_000)
    expect(count()).toBe(4) // after 3, 7.5 and 14 s
    for (let asked = 0; asked < 100; asked++) touch.want("900")
    await clock.pass(2_900)
    expect(count()).toBeLessThanOrEqual(5)
    abort.abort()
  })

  it("dials a crowd no faster because something waits for all of them, but first", async () => {
    const { keepMany, touch, clock, abort, dialled } = begin(away)
    keepMany(200)
    for (let number = 100; number < 200; number++) touch.want(`${number}`)
    await settle()
    expect(dialled).toEqual(Array.from({ length: 32 }, (_, at) => `${100 + at}`))
    for (let second = 0; second < 30; second++) {
      for (let number = 100; number < 200; number++) touch.want(`${number}`)
      await clock.pass(1_000)
    }
    expect(dialled.length).toBeLessThan(200)
    abort.abort()
  })

  it("dials so many at once as there is room for, and who is next is chosen when there is", async () => {
    const rejects: (() => void)[] = []
    const never = () => new Promise<Link>((_, reject) => rejects.push(() => reject(new Error())))
    const { keepMany, touch, clock, abort, dialled } = begin(never, { dialsMost: 2 })
    keepMany(40)
    await settle()
    expect(dialled).toEqual(["0", "1"])
    touch.end("2")
    touch.end("3")
    rejects[0]?.()
    await settle()
    await clock.pass(10)
    expect(dialled).toEqual(["0", "1", "4"])
    abort.abort()
  })

  it("dials nobody before the session is up, and then in order", async () => {
    let open = () => {}
    const ready = new Promise<void>((resolve) => {
      open = resolve
    })
    const { keepMany, touch, abort, dialled } = begin(away, { ready, recent: ["30"] })
    keepMany(40)
    touch.want("39")
    await settle()
    expect(dialled).toEqual([])
    open()
    await settle()
    expect(dialled.slice(0, 3)).toEqual(["39", "30", "0"])
    abort.abort()
  })

  it("dials nobody who was ended, and leaves nobody watching when it ends", async () => {
    const { keep, touch, clock, abort, watchers, dialled } = begin(away)
    keep("bob")
    await settle()
    touch.end("bob")
    await clock.pass(3_600_000)
    expect(dialled).toHaveLength(1)
    abort.abort()
    await settle()
    expect(watchers.size).toBe(0)
  })
})

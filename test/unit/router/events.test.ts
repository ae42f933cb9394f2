import { describe, expect, it } from "vitest"
import {
  EVENT_CHARS_MAX,
  EventBus,
  type EventFilter,
  type RouterEvent,
} from "../../../src/router/events.ts"

const openBus = (eventsMax = 4) =>
  new EventBus({ clock: { now: () => 7 }, epoch: "abc", eventsMax })

function listen(bus: EventBus, filter: EventFilter = {}) {
  const stop = new AbortController()
  const iterator = bus.subscribe(filter, stop)[Symbol.asyncIterator]()
  const next = async () => (await iterator.next()).value as RouterEvent
  return { next, stop, iterator }
}

describe("EventBus.subscribe()", () => {
  it("tells what happens after it was called, in order", async () => {
    const bus = openBus()
    bus.emit("a.before")
    const { next } = listen(bus)
    const waiting = next()
    bus.emit("a.one", { n: 1 })
    bus.emit("a.two")
    expect(await waiting).toEqual({ id: 2, at: 7, name: "a.one", data: { n: 1 } })
    expect(await next()).toEqual({ id: 3, at: 7, name: "a.two", data: {} })
  })

  it.each([
    { names: ["a.one"], heard: ["a.one"] },
    { names: ["a.*"], heard: ["a.one", "a.two"] },
    { names: ["b.three", "a.two"], heard: ["a.two", "b.three"] },
    { names: undefined, heard: ["a.one", "a.two", "b.three"] },
  ])("filters by $names", async ({ names, heard }) => {
    const bus = openBus()
    const { next } = listen(bus, { ...(names && { names }) })
    for (const name of ["a.one", "a.two", "b.three"]) bus.emit(name)
    for (const name of heard) expect((await next()).name).toBe(name)
  })

  it("tells a slow listener how many it missed, then goes on", async () => {
    const bus = openBus(4)
    const { next } = listen(bus)
    for (let n = 1; n <= 10; n++) bus.emit("a.n", { n })
    expect(await next()).toMatchObject({ name: "events.missed", id: 6, data: { count: 6 } })
    expect((await next()).data).toEqual({ n: 7 })
    for (let n = 11; n <= 30; n++) bus.emit("a.n", { n })
    expect(await next()).toMatchObject({ name: "events.missed", data: { count: 19 } })
    expect((await next()).data).toEqual({ n: 27 })
  })

  it("tells of missed events whatever the filter", async () => {
    const bus = openBus(2)
    const { next } = listen(bus, { names: ["b.*"] })
    for (let n = 0; n < 5; n++) bus.emit("a.n")
    expect((await next()).name).toBe("events.missed")
  })

  it("resumes after an id, also on another bus", async () => {
    const bus = openBus(4)
    for (let n = 1; n <= 4; n++) bus.emit("a.n", { n })
    expect((await listen(bus, { after: bus.readId(bus.writeId(2))! }).next()).id).toBe(3)
    expect((await listen(bus, { after: bus.readId("other-900")! }).next()).id).toBe(1)
  })

  it("ends when the signal aborts", async () => {
    const bus = openBus()
    const { iterator, stop } = listen(bus)
    const waiting = iterator.next()
    stop.abort()
    expect(await waiting).toEqual({ done: true, value: undefined })
  })
})

describe("EventBus.emit()", () => {
  it("takes a text of 64 KiB, whatever must be escaped in it", async () => {
    const bus = openBus()
    const { next } = listen(bus)
    bus.emit("a.n", { text: "\u0000".repeat(65_536) })
    expect((await next()).data.text).toHaveLength(65_536)
  })

  it("keeps few large events, however many are allowed", async () => {
    const bus = openBus(1_000)
    const { next } = listen(bus, { after: 0 })
    for (let n = 0; n < 100; n++) bus.emit("a.n", { text: "x".repeat(EVENT_CHARS_MAX - 11) })
    expect(await next()).toMatchObject({ name: "events.missed", data: { count: 92 } })
    for (let n = 92; n < 100; n++) expect((await next()).id).toBe(n + 1)
  })

  it("keeps a copy", async () => {
    const bus = openBus()
    const { next } = listen(bus)
    const data = { n: 1 }
    bus.emit("a.n", data)
    data.n = 2
    expect((await next()).data).toEqual({ n: 1 })
  })

  it("refuses what is too large or no JSON, and stays whole", async () => {
    const bus = openBus()
    const { next } = listen(bus)
    expect(() => bus.emit("a.n", { text: "x".repeat(EVENT_CHARS_MAX) })).toThrow(RangeError)
    expect(() => bus.emit("a.n", { big: 1n })).toThrow(TypeError)
    bus.emit("a.n")
    expect((await next()).id).toBe(1)
  })
})

describe("EventBus.readId()", () => {
  it.each([
    [undefined, undefined],
    ["abc-1", 1],
    ["abc-99", 2], // not yet given
    ["xyz-1", 0],
    ["abc", 0],
    ["abc--1", 0],
    ["abc-1e3", 0],
    ["", 0],
  ])("reads %j as %j", (text, id) => {
    const bus = openBus()
    bus.emit("a.n")
    bus.emit("a.n")
    expect(bus.readId(text)).toBe(id)
  })
})

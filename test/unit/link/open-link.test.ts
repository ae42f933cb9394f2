import { describe, expect, it } from "vitest"
import { FakeClock, settle } from "../../support/fake-clock.ts"
import { first, openPair, readAll } from "./support.ts"

const call = { signal: new AbortController().signal }

describe("openLink()", () => {
  it("carries both directions of a channel, each to its own end", async () => {
    const { ann, bob } = await openPair({ clock: new FakeClock() })
    const asking = ann.open("/echo/1", call)
    asking.end("how are you?")
    const answering = await first(bob.incoming)
    expect(answering.protocol).toBe("/echo/1")
    expect(String(await readAll(answering))).toBe("how are you?")
    await asking.delivered
    answering.end("well, thank you")
    expect(String(await readAll(asking))).toBe("well, thank you")
    await answering.delivered
    await ann[Symbol.asyncDispose]()
    expect(await bob.closed).toBeUndefined()
    expect(await ann.closed).toBeUndefined()
  })
  it("goes on after a cut", async () => {
    const clock = new FakeClock()
    const { ann, bob, pipe } = await openPair({ clock })
    const asking = ann.open("/echo/1", call)
    asking.write("one")
    const answering = await first(bob.incoming)
    await settle()
    asking.write("two")
    pipe()[0].cut()
    await clock.pass(20_000)
    asking.end("three")
    expect(String(await readAll(answering))).toBe("onetwothree")
    await asking.delivered
  })
})

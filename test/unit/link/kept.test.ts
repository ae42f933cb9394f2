import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { KeptFrames } from "../../../src/link/kept.ts"

/** Frames of these lengths, their bytes counting up from 0. */
function keep(...lengths: number[]): KeptFrames {
  const kept = new KeptFrames()
  let at = 0
  for (const length of lengths) {
    kept.add(Buffer.from(Array.from({ length }, () => at++ % 256)))
    kept.next()
  }
  return kept
}
const drain = (kept: KeptFrames) => {
  const frames: Buffer[] = []
  for (let frame = kept.next(); frame; frame = kept.next()) frames.push(frame)
  return [...Buffer.concat(frames)]
}

describe("KeptFrames", () => {
  it("sends again what the peer does not have, from the middle of a frame", () => {
    const kept = keep(4, 4, 4)
    kept.rewind(6)
    expect(drain(kept)).toEqual([6, 7, 8, 9, 10, 11])
    expect(kept.byteCount).toBe(6)
  })
  it("takes no notice of an acknowledgement that was overtaken", () => {
    const kept = keep(4, 4)
    kept.rewind(6)
    kept.acknowledge(2)
    expect(kept.ackedBytes).toBe(6)
    expect(drain(kept)).toEqual([6, 7])
  })
  it("forgets what was written and is acknowledged, and nothing else", () => {
    const kept = new KeptFrames()
    const frames = [1, 2, 3, 4].map((value) => Buffer.alloc(8_192, value))
    for (const frame of frames) kept.add(frame)
    const lengths = () => frames.map(({ length }) => length)
    kept.written(frames[0]!)
    kept.written(frames[2]!)
    kept.acknowledge(2 * 8_192)
    expect(lengths()).toEqual([0, 8_192, 8_192, 8_192])
    // On the next stream the third is not written yet.
    kept.rewind(2 * 8_192)
    kept.acknowledge(4 * 8_192)
    expect(lengths()).toEqual([0, 8_192, 8_192, 8_192])
  })
  it("refuses an acknowledgement of what was not sent", () => {
    expect(() => keep(4).acknowledge(5)).toThrow(expect.objectContaining({ code: "LINK_PROTOCOL" }))
  })
  it.each([
    { received: 3, covered: false }, // dropped already
    { received: 4, covered: true },
    { received: 8, covered: true },
    { received: 9, covered: false }, // never sent
  ])("covers $received after 4 of 8: $covered", ({ received, covered }) => {
    const kept = keep(4, 4)
    kept.acknowledge(4)
    expect(kept.covers(received)).toBe(covered)
  })
  it("always has exactly the bytes from the last acknowledgement on", () => {
    const act = fc.record({
      length: fc.integer({ min: 1, max: 40 }),
      ack: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(fc.array(act, { maxLength: 300 }), (acts) => {
        const kept = new KeptFrames()
        let end = 0
        for (const { length, ack } of acts) {
          kept.add(Buffer.from(Array.from({ length }, () => end++ % 256)))
          kept.next()
          if (ack > 0.7)
            kept.acknowledge(Math.floor(kept.ackedBytes + (end - kept.ackedBytes) * ack))
          if (ack > 0.95) kept.rewind(kept.ackedBytes)
        }
        const from = kept.ackedBytes
        kept.rewind(from)
        const expected = Array.from({ length: end - from }, (_, index) => (from + index) % 256)
        expect(drain(kept)).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })
})
